"""The branch names of the NanoAOD flavours: canonical quantity -> the names that files use for it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "CANDIDATE_INDEX_FIELDS",
    "CANDIDATE_TABLES",
    "FIELDS",
    "LINK_SUFFIXES",
    "REGRESSIONS",
    "SIMULATION_MARK",
    "VERTEX_INDEX_FIELDS",
    "VERTEX_LINK_SUFFIXES",
    "VERTEX_TABLE",
]

# Tables in the order in which they are looked for. Central NanoAODv15 stores PUPPI-weighted pT in `PFCand`, PFNano the
# plain pT in `PFCands`.
CANDIDATE_TABLES: tuple[str, ...] = ("PFCands", "PFCand")
LINK_SUFFIXES: tuple[str, ...] = ("PFCands", "PFCand")
CANDIDATE_INDEX_FIELDS: tuple[str, ...] = ("pFCandsIdx", "pfCandIdx", "PFCandIdx", "candIdx")
VERTEX_TABLE = "SV"
VERTEX_LINK_SUFFIXES: tuple[str, ...] = ("SVs", "SV")
VERTEX_INDEX_FIELDS: tuple[str, ...] = ("sVIdx", "svIdx")

# A branch that only this project's own simulation carries (`MLJEC_simulation`, the version of its format).
SIMULATION_MARK = ("MLJEC", "simulation")

# Table -> canonical quantity -> the field's names, first found wins. "event" fields may sit in a collection of their
# own ("Rho.x").
FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "jet": {
        "pt": ("pt",),
        "mass": ("mass",),
        "raw_factor": ("rawFactor",),
        "eta": ("eta",),
        "phi": ("phi",),
        "area": ("area",),
        "charged_hadron_fraction": ("chHEF",),
        "neutral_hadron_fraction": ("neHEF",),
        "charged_em_fraction": ("chEmEF",),
        "neutral_em_fraction": ("neEmEF",),
        "muon_fraction": ("muEF",),
        "n_constituents": ("nConstituents",),
    },
    "event": {
        "rho": ("fixedGridRhoFastjetAll", "Rho.fixedGridRhoFastjetAll"),
        "n_pv": ("PV.npvsGood",),
        "run": ("run",),
        "luminosity_block": ("luminosityBlock",),
        "event": ("event",),
    },
    "candidate": {
        "pt": ("pt",),
        "eta": ("eta",),
        "phi": ("phi",),
        "pdg_id": ("pdgId",),
        "dxy": ("d0",),
        "dxy_err": ("d0Err",),
        "dz": ("dz",),
        "norm_chi2": ("trkChi2",),
        "lost_hits": ("lostInnerHits",),
        "pv_assoc": ("pvAssocQuality",),
        "n_hits": ("numberOfHits", "nHits"),
        "n_pixel_hits": ("numberOfPixelHits", "nPixelHits"),
        "hcal_frac": ("hcalFraction",),
        "puppi_weight": ("puppiWeight",),
    },
    "vertex": {
        "mass": ("mass",),
        "pt": ("pt",),
        "eta": ("eta",),
        "phi": ("phi",),
        "flight_distance": ("dlen",),
        "flight_significance": ("dlenSig",),
        "n_tracks": ("ntracks",),
    },
}

# pT regression stored per jet -> what it gives -> the fields whose product it is. UParT with neutrinos is one factor
# (documentation of the branches before NanoAODv15 says to multiply both). bReg and cReg multiply corrected pT.
REGRESSIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "PNet": {
        "visible": ("PNetRegPtRawCorr",),
        "neutrino": ("PNetRegPtRawCorr", "PNetRegPtRawCorrNeutrino"),
    },
    "UParT": {
        "visible": ("UParTAK4RegPtRawCorr",),
        "neutrino": ("UParTAK4RegPtRawCorrNeutrino",),
    },
    "UParTV1": {
        "visible": ("UParTAK4V1RegPtRawCorr",),
        "neutrino": ("UParTAK4V1RegPtRawCorrNeutrino",),
    },
    "bReg": {"visible": (), "neutrino": ("bRegCorr",)},
    "cReg": {"visible": (), "neutrino": ("cRegCorr",)},
}
