"""The resolution from the asymmetry of two jets: processor, summary, figures."""
