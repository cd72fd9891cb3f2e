"""The branch names of the NanoAOD flavours: canonical quantity -> the names that files use for it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "CANDIDATE_INDEX_FIELDS",
    "CANDIDATE_TABLES",
    "FIELDS",
    "PUPPI_WEIGHTED",
    "REGRESSIONS",
    "SIMULATION_MARK",
    "SPLIT_TABLES",
    "VERTEX_INDEX_FIELDS",
    "VERTEX_TABLE",
    "link_tables",
    "vertex_link_tables",
]

# PFNano and BTVNano, central NanoAODv15 and JMEPFNano, JMEPFNano on NanoAODv15, PFNano of the 106x branch.
CANDIDATE_TABLES: tuple[str, ...] = ("PFCands", "PFCand", "PFCandV2", "JetPFCands")
# A link table's field that points to a candidate -> the table, or None: any that is there (CMSSW's default name).
CANDIDATE_INDEX_FIELDS: Mapping[str, str | None] = {
    "pFCandsIdx": "PFCands",
    "pfCandIdx": "PFCand",
    "PFCandIdx": "PFCand",
    "PFCandV2Idx": "PFCandV2",
    "candIdx": None,
}
# Without a column of PUPPI weights, the pT of central NanoAODv15's candidates is weighted already.
PUPPI_WEIGHTED = "PFCand"
VERTEX_TABLE = "SV"
VERTEX_INDEX_FIELDS: tuple[str, ...] = ("sVIdx", "svIdx")

# NanoX (LLPDNNX) stores charged and neutral candidates and vertices in tables of their own, each row with its jet.
SPLIT_TABLES: Mapping[str, str] = {"charged": "cpf", "neutral": "npf", "vertex": "sv"}

# PFNano's 106x branch names its links after the radius.
_RADIUS_TAG: Mapping[str, str] = {"Jet": "AK4", "FatJet": "AK8"}


def link_tables(collection: str) -> tuple[str, ...]:
    """Names of the tables that may link a jet collection to candidates, in the order in which they are looked for."""
    named = [f"{collection}{table}" for table in CANDIDATE_TABLES[:-1]]
    tag = _RADIUS_TAG.get(collection)
    return tuple(named if tag is None else [f"JetPFCands{tag}", *named])


def vertex_link_tables(collection: str) -> tuple[str, ...]:
    """Names of the tables that may link a jet collection to secondary vertices."""
    named = [f"{collection}SVs", f"{collection}SV"]
    tag = _RADIUS_TAG.get(collection)
    return tuple(named if tag is None else [f"JetSVs{tag}", *named])


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
        # BTVNano of CMSSW 12_4_8 has a typing error.
        "n_hits": ("numberOfHits", "numberOFHits", "nHits"),
        "n_pixel_hits": ("numberOfPixelHits", "nPixelHits"),
        "hcal_frac": ("hcalFraction", "hcal_fraction"),
        "puppi_weight": ("puppiWeight", "puppi_weight"),
        # Where a table has no pt, eta and phi: they are made from these.
        "px": ("px",),
        "py": ("py",),
        "pz": ("pz",),
    },
    "vertex": {
        "mass": ("mass",),
        "pt": ("pt",),
        "eta": ("eta",),
        "phi": ("phi",),
        "flight_distance": ("dlen", "d3d"),
        "flight_significance": ("dlenSig", "d3dsig"),
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
