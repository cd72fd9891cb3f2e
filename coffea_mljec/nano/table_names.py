"""The tables of constituents and links that NanoAOD flavours have (quantities: `coffea_mljec.nano.quantities`)."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "CANDIDATE_INDEX_FIELDS",
    "CANDIDATE_TABLES",
    "PUPPI_WEIGHTED",
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
SPLIT_TABLES: Mapping[str, str] = {"charged": "cpf", "neutral": "npf", "sv": "sv"}

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
