"""Machine-learned jet energy corrections for coffea: ``events.Jet = mljec.apply(events)``.

Importing the package makes attribute assignment of existing fields work for NanoEvents (`nano.assignment`).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from coffea_mljec.corrections import (
    MLJEC,
    FactorizedJEC,
    FastSimulationWarning,
    MismatchWarning,
    MissingBranchWarning,
    NanoRegression,
    Network,
    Provider,
    StandardJetsWarning,
)
from coffea_mljec.eras import Era, era
from coffea_mljec.features import register_feature
from coffea_mljec.met import Type1MET
from coffea_mljec.models.backends import TritonServer
from coffea_mljec.nano.assignment import allow_assignment
from coffea_mljec.payloads import (
    read_json,
    read_resolution_json,
    read_resolution_text,
    read_scale_factor_json,
    read_scale_factor_text,
    read_soft_drop_text,
    read_text,
    read_uncertainties_json,
    read_uncertainties_text,
)
from coffea_mljec.payloads.bundled import closure, resolution, scale_factor
from coffea_mljec.status import Status
from coffea_mljec.systematics import JetMass

__all__ = [
    "MLJEC",
    "Era",
    "FactorizedJEC",
    "FastSimulationWarning",
    "JetMass",
    "MismatchWarning",
    "MissingBranchWarning",
    "NanoRegression",
    "Network",
    "Provider",
    "StandardJetsWarning",
    "Status",
    "TritonServer",
    "Type1MET",
    "apply",
    "closure",
    "era",
    "read_json",
    "read_resolution_json",
    "read_resolution_text",
    "read_scale_factor_json",
    "read_scale_factor_text",
    "read_soft_drop_text",
    "read_text",
    "read_uncertainties_json",
    "read_uncertainties_text",
    "register_feature",
    "resolution",
    "scale_factor",
]

__version__ = version("coffea-mljec")

allow_assignment()


def apply(events: Any, collection: str = "Jet") -> Any:
    """Return the jets corrected by the best bundled network that the file can feed: ``MLJEC().apply(events, ...)``.

    Each call decides for itself. An `MLJEC` that is kept refuses files that would get another network than those
    before.

    Parameters
    ----------
    events : NanoEvents
        Eager, virtual or dask; not changed.
    collection : str
        The jet collection, whole: correct before cutting or sorting.

    Returns
    -------
    ak.Array or dask_awkward.Array
        See `Provider.apply`. Jets that the network cannot treat keep the pT that the file had; ``mljec_status`` tells.
    """
    return MLJEC().apply(events, collection)
