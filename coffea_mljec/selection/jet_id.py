"""`JetID`: which jets are jets, by the fractions of their energy and the numbers of their constituents."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Literal, get_args

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, MissingBranchError, PayloadError
from coffea_mljec.nano import JetChunk, Layout, detect
from coffea_mljec.nano.algorithm import pileup_scheme, radius
from coffea_mljec.nano.dask_events import on_partitions
from coffea_mljec.nano.detection import is_dask
from coffea_mljec.nano.jagged import jagged_of
from coffea_mljec.nano.requirements import jet_branches
from coffea_mljec.payloads.library import LibraryCorrection
from coffea_mljec.payloads.library_file import read_correction

__all__ = ["JetID", "WorkingPoint"]

WorkingPoint = Literal["Tight", "TightLeptonVeto"]
BoolArray = npt.NDArray[np.bool_]

FRACTIONS = {
    "chHEF": "charged_hadron_fraction", "neHEF": "neutral_hadron_fraction", "chEmEF": "charged_em_fraction",
    "neEmEF": "neutral_em_fraction", "muEF": "muon_fraction", "chMultiplicity": "charged_multiplicity",
    "neMultiplicity": "neutral_multiplicity",
}  # fmt: skip
"""Inputs of ``jetid.json.gz`` -> quantities; ``eta`` and ``multiplicity``, the sum of both, come on top."""

_BITS = {"Tight": 2, "TightLeptonVeto": 4}
_REPAIRED = ("neutral_hadron_fraction", "neutral_em_fraction", "muon_fraction", "charged_em_fraction")


class JetID:
    """Jet identification: ``good = JetID().apply(events)``, a mask of the jets.

    What a file has decides how: numbers of charged and neutral constituents (PUPPI jets since NanoAODv13, which has no
    ``jetId`` from v15 on) go into the payload, or into the criteria of the same page where there is none; ``jetId`` of
    NanoAODv12, which was made with criteria of Run 2 beyond abs(eta) = 2.7, is repaired by JME's recipe; ``jetId`` of
    CHS jets (NanoAODv9) is right as it is.

    Parameters
    ----------
    working_point : {"Tight", "TightLeptonVeto"}
        The second is JME's recommendation, and that for jet veto maps.
    payload : str or path, optional
        ``jetid.json.gz``. Without it, the criteria for PUPPI jets in Run 3.

    Raises
    ------
    InputError
        Another working point.

    References
    ----------
    https://twiki.cern.ch/twiki/bin/view/CMS/JetID13p6TeV (criteria, the repair for NanoAODv12),
    https://twiki.cern.ch/twiki/bin/view/CMS/JetID13TeVUL. The fractions are of the raw energy: no correction changes
    them. A jet with a fraction that is NaN fails.
    """

    def __init__(
        self, working_point: WorkingPoint = "TightLeptonVeto", payload: str | os.PathLike[str] | None = None
    ) -> None:
        if working_point not in get_args(WorkingPoint):
            raise InputError(f"working_point must be {' or '.join(get_args(WorkingPoint))}, got {working_point!r}.")
        self.working_point = working_point
        self.payload = {} if payload is None else _read(payload, working_point)

    def __repr__(self) -> str:
        return f"JetID({self.working_point!r}{', by a payload' if self.payload else ''})"

    @property
    def _asker(self) -> str:
        return f"the jet identification {self.working_point}"

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return which jets pass, bool in the shape of the collection.

        Raises
        ------
        MissingBranchError
            The file has neither ``jetId`` nor the numbers of constituents, or lacks a fraction.
        """
        if is_dask(events):
            self.required_branches(events, collection)
            return on_partitions(self, "apply", events, collection)
        layout = detect(events, collection)
        if ak.backend(events) == "typetracer":
            for branch in jet_branches(layout, self._quantities(layout), self._asker):
                ak.typetracer.touch_data(branch.of(events))
            return events[collection]["pt"] > 0
        chunk = JetChunk(events, layout, self._asker)
        return jagged_of({"mask": self.mask(chunk)}, chunk.offsets)["mask"]

    __call__ = apply

    def required_branches(self, events: Any, collection: str = "Jet") -> tuple[str, ...]:
        """List the branches that `apply` reads, with the counter of the jets, sorted; raises what it raises."""
        layout = detect(events, collection)
        read = {branch.name for branch in jet_branches(layout, self._quantities(layout), self._asker)}
        return tuple(sorted({f"n{collection}", *read}))

    def _quantities(self, layout: Layout) -> tuple[str, ...]:
        if self._by_numbers(layout):
            return ("eta", *FRACTIONS.values())
        if layout.find("jet", "jet_id") is None:
            raise MissingBranchError(
                f"{self._asker} needs the numbers of constituents ({layout.collection}_chMultiplicity, "
                f"{layout.collection}_neMultiplicity, since NanoAODv13) or {layout.collection}_jetId (before v15), and "
                "the file has neither."
            )
        return ("jet_id",) if pileup_scheme(layout) == "chs" else ("jet_id", "eta", *_REPAIRED)

    @staticmethod
    def _by_numbers(layout: Layout) -> bool:
        numbers = ("charged_multiplicity", "neutral_multiplicity")
        return pileup_scheme(layout) != "chs" and all(layout.find("jet", name) for name in numbers)

    def mask(self, chunk: JetChunk) -> BoolArray:
        """Which jets of a chunk pass, shape (n_jets,)."""
        layout = chunk.layout
        columns = chunk.asked_by(self._asker).jets(self._quantities(layout))
        if not self._by_numbers(layout):
            stored = columns["jet_id"].astype(np.int64)
            if pileup_scheme(layout) == "chs":
                return np.asarray(stored & _BITS[self.working_point], np.bool_)
            return repaired(stored, columns, self.working_point)
        usable = np.abs(columns["eta"]) < ETA_LIMIT
        for column in columns.values():
            usable &= np.isfinite(column)
        if not self.payload:
            return usable & criteria(columns, self.working_point)
        size = radius(layout.collection) or 0.4
        if size not in self.payload:
            raise InputError(f"{self!r} has nothing for {layout.collection}, jets of radius {size:g}.")
        given = {name: columns[quantity][usable].astype(np.float64) for name, quantity in FRACTIONS.items()}
        given |= {"eta": columns["eta"][usable].astype(np.float64)}
        given |= {"multiplicity": given["chMultiplicity"] + given["neMultiplicity"]}
        mask = np.zeros(usable.size, np.bool_)
        mask[usable] = self.payload[size].evaluate(given) > 0
        return mask


ETA_LIMIT = 5.191
"""Where the calorimeter ends, and the bins of payloads."""


def _read(path: str | os.PathLike[str], working_point: WorkingPoint) -> dict[float, LibraryCorrection]:
    """Radius -> its identification; that of large jets where the file has it."""
    inputs = ("eta", "multiplicity", *FRACTIONS)
    found = {0.4: read_correction(os.fspath(path), f"AK4PUPPI_{working_point}", inputs)}
    with suppress(PayloadError):
        found[0.8] = read_correction(os.fspath(path), f"AK8PUPPI_{working_point}", inputs)
    return found


def criteria(columns: dict[str, npt.NDArray[Any]], working_point: WorkingPoint) -> BoolArray:
    """The criteria for PUPPI jets in Run 3 (2022 re-reconstruction and later), bins of eta half open as in the payload.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (n,)
        ``eta`` and the quantities of `FRACTIONS`.
    working_point : {"Tight", "TightLeptonVeto"}
    """
    away = np.abs(columns["eta"])
    charged, neutral = (columns[f"{kind}_hadron_fraction"] for kind in ("charged", "neutral"))
    neutral_em = columns["neutral_em_fraction"]
    n_charged, n_neutral = (columns[f"{kind}_multiplicity"].astype(np.int64) for kind in ("charged", "neutral"))
    tracker = (
        (charged >= 0.01) & (neutral < 0.99) & (neutral_em < 0.9) & (n_charged >= 1) & (n_charged + n_neutral >= 2)
    )
    edge = (neutral < 0.9) & (neutral_em < 0.99)
    forward = (neutral_em < 0.4) & (n_neutral >= 2)
    passes = np.select(
        [away < 2.6, away < 2.7, away < 3.0, away >= 3.0], [tracker, edge, neutral < 0.99, forward], False
    )
    return passes & _no_lepton(columns, away < 2.7) if working_point == "TightLeptonVeto" else passes


def repaired(
    stored: npt.NDArray[np.int64], columns: dict[str, npt.NDArray[Any]], working_point: WorkingPoint
) -> BoolArray:
    """``jetId`` of NanoAODv12 by JME's recipe.

    Parameters
    ----------
    stored : ndarray of int64, shape (n,)
        As in the file.
    columns : dict of str to ndarray, shape (n,)
        ``eta`` and four fractions.
    working_point : {"Tight", "TightLeptonVeto"}
    """
    away = np.abs(columns["eta"])
    between = columns["neutral_hadron_fraction"] < 0.99
    forward = columns["neutral_em_fraction"] < 0.4
    passes = (stored & _BITS["Tight"] != 0) & np.select(
        [away <= 2.7, away <= 3.0, away > 3.0], [True, between, forward], False
    )
    return passes & _no_lepton(columns, away <= 2.7) if working_point == "TightLeptonVeto" else passes


def _no_lepton(columns: dict[str, npt.NDArray[Any]], central: BoolArray) -> BoolArray:
    return ~central | ((columns["muon_fraction"] < 0.8) & (columns["charged_em_fraction"] < 0.8))
