"""The balance against a Z boson or a photon: processor, summary, figures."""
