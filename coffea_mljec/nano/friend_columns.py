"""What a friend tree holds of jets and of MET, and under which names: those of NanoAOD and of nanoAOD-tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.status import STATUS_TYPE

__all__ = ["COLUMNS", "FLAG", "VETOED", "FriendContent", "friend_content"]

COLUMNS: dict[str, str] = {
    "pt": "float32",
    "eta": "float32",
    "phi": "float32",
    "mass": "float32",
    "rawFactor": "float32",
    "pt_raw": "float32",
    "mass_raw": "float32",
    "pt_orig": "float32",
    "mass_orig": "float32",
    "jet_energy_correction": "float32",
    "mljec_status": STATUS_TYPE.__name__,
}
"""The columns of each corrected jet, in NanoAOD's own precision."""

_MET_COLUMNS = {"pt": "float32", "phi": "float32", "mljec_status": STATUS_TYPE.__name__}
VETOED, FLAG = "vetoed", "Flag_JetVetoed"
"""Of a jet in a vetoed cell, and of an event with one: the second as nanoAOD-tools call it."""

_ENDINGS = {"up": "Up", "down": "Down"}
_TOTAL, _REGROUPED = "JES_jes", "JES_Regrouped_"


@dataclass(frozen=True)
class Column:
    """One column: the fields that lead to it, and its type."""

    path: tuple[str, ...]
    dtype: str

    def of(self, array: Any) -> Any:
        """Look it up."""
        for name in self.path:
            array = array[name]
        return array


@dataclass(frozen=True)
class FriendContent:
    """The columns of a friend tree.

    Attributes
    ----------
    collection : str
        Of the jets.
    jets : mapping of str to Column
    table : str
        The MET collection, ``PuppiMET``; empty without.
    met : mapping of str to Column
    """

    collection: str
    jets: Mapping[str, Column]
    table: str = ""
    met: Mapping[str, Column] = field(default_factory=dict)

    @property
    def types(self) -> dict[str, str]:
        """Branch -> type, as uproot takes them."""
        inner = ", ".join(f"{name}: {column.dtype}" for name, column in self.jets.items())
        met = {f"{self.table}_{name}": column.dtype for name, column in self.met.items()}
        return {self.collection: f"var * {{{inner}}}"} | met | ({FLAG: "bool"} if VETOED in self.jets else {})

    def jet_columns(self, jets: Any, counts: npt.NDArray[np.integer[Any]], who: str) -> dict[str, Any]:
        """The columns of corrected jets, jagged.

        Raises
        ------
        InputError
            If the jets of the provider, ``who``, lack one.
        """
        lacking = [name for name, column in self.jets.items() if column.path[0] not in ak.fields(jets)]
        if lacking:
            raise InputError(f"{who} returned jets without {', '.join(lacking)}: no provider may do that.")
        # One field at a time: a zip would carry the behaviour and the cross references of NanoEvents along.
        return {
            name: ak.unflatten(np.asarray(ak.flatten(column.of(jets), axis=1)).astype(column.dtype), counts)
            for name, column in self.jets.items()
        }

    def met_columns(self, met: Any) -> dict[str, Any]:
        """The branches of a corrected MET, one number an event."""
        return {
            f"{self.table}_{name}": np.asarray(column.of(met)).astype(column.dtype) for name, column in self.met.items()
        }


def friend_content(
    events: Any, corrector: Any, collection: str, met: Any, variations: bool, veto: bool
) -> FriendContent:
    """What a friend tree will hold, found on events without entries.

    Parameters
    ----------
    events : NanoEvents
    corrector : provider
        With a method ``columns``, if it gives other columns than `COLUMNS`.
    collection : str
    met : Type1MET or None
    variations : bool
        With ``pt_nom``, ``pt_jesTotalUp``, ``mass_jerDown``, ...: all that the corrected jets and MET have.
    veto : bool
        With `VETOED` and `FLAG`.
    """
    asked = getattr(corrector, "columns", None)
    types = COLUMNS if asked is None else asked(events, collection)
    jets = {name: Column((name,), dtype) for name, dtype in types.items()}
    if veto:
        jets[VETOED] = Column((VETOED,), "bool")
    corrected = corrector.apply(events, collection) if variations or met is not None else None
    if variations:
        jets |= dict(_varied(corrected, ("pt", "mass")))
    if met is None:
        return FriendContent(collection, jets)
    columns = {name: Column((name,), dtype) for name, dtype in _MET_COLUMNS.items()}
    if variations:
        columns |= dict(_varied(met.apply(events, collection, jets=corrected), ("pt", "phi")))
    return FriendContent(collection, jets, met.table(events, collection), columns)


def _varied(array: Any, quantities: tuple[str, ...]) -> Iterator[tuple[str, Column]]:
    """The nominal columns under nanoAOD-tools' name, and those of each variation."""
    for quantity in quantities:
        yield f"{quantity}_nom", Column((quantity,), "float32")
    names = [name for name in ak.fields(array) if ak.fields(array[name]) == list(_ENDINGS)]
    for name in names:
        for direction, ending in _ENDINGS.items():
            for quantity in quantities:
                path = (name, direction, quantity)
                yield f"{quantity}_{_short(name, names)}{ending}", Column(path, "float32")


def _short(name: str, names: list[str]) -> str:
    """``JES_Total`` is jesTotal, ``JER`` jer, the unclustered energy unclustEn."""
    if name == "MET_UnclusteredEnergy":
        return "unclustEn"
    if name == _TOTAL:
        return "jesTotal"
    kind, _, what = name.partition("_")
    if name.startswith(_REGROUPED) and f"JES_{name.removeprefix(_REGROUPED)}" not in names:
        what = name.removeprefix(_REGROUPED)
    return kind.lower() + what
