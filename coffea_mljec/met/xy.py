"""`METXY`: CMS's shift of MET in x and y that takes the modulation of its phi away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import PayloadError
from coffea_mljec.met.unclustered import vectors_of
from coffea_mljec.nano import Branch, Layout
from coffea_mljec.nano.algorithm import is_simulation
from coffea_mljec.payloads.library import LibraryCorrection
from coffea_mljec.payloads.library_file import read_correction

__all__ = ["METXY"]

FloatArray = npt.NDArray[np.float64]

MOST_PT = 1000.0
"""GeV: formulas and bins end at 6500; the shift is the same at any pT."""

MOST_VERTICES = 100
"""Of the shifts' measurement; CMS's code for Run 2 ends there as well."""

_RUN2 = {"chs": "pfmet", "Puppi": "puppimet"}
_RUN3 = {"chs": "MET", "Puppi": "PuppiMET"}
_RUN3_INPUTS = ("pt_phi", "met_type", "epoch", "dtmc", "variation", "met_pt", "met_phi", "npvGood")


class METXY:
    """The xy correction of type-1 MET: ``Type1MET(provider, standard, xy=METXY(path, "2022EE"))``.

    MET in x and y gets a shift that is linear in the number of vertices. It does not depend on MET, so nominal MET and
    all its variations get the same one.

    Parameters
    ----------
    path : str or path
        ``met_xyCorrections_2022_2022EE.json.gz`` (Run 3) or ``met.json.gz`` (Run 2).
    epoch : str
        ``"2022"``, ``"2022EE"``, ``"2023"``, ``"2023BPix"``; ``"met"`` for a file of Run 2, which needs none.

    Raises
    ------
    PayloadError
        The file is unreadable or of neither form.

    References
    ----------
    https://twiki.cern.ch/twiki/bin/viewauth/CMS/MissingETRun2Corrections; both forms as columnflow reads them.
    """

    def __init__(self, path: str | os.PathLike[str], epoch: str) -> None:
        self.epoch = epoch
        self._library: dict[str, LibraryCorrection] = {}
        names = ("met_xy_corrections",) if epoch != "met" else tuple(_run2_names())
        for name in names:
            known = _RUN3_INPUTS if epoch != "met" else ("met_pt", "met_phi", "npvs", "run")
            self._library[name] = read_correction(os.fspath(path), name, known)

    def __repr__(self) -> str:
        return f"METXY({self.epoch!r})"

    def branches(self, layout: Layout) -> Iterator[Branch]:
        """What is read; raises MissingBranchError."""
        quantities = ("n_pv_all", "run") if self.epoch == "met" else ("n_pv",)
        yield from (layout.require("event", name, "the xy correction of MET") for name in quantities)

    def shift(self, events: Any, layout: Layout, scheme: str, nominal: FloatArray) -> FloatArray:
        """Return what is added to MET.

        Parameters
        ----------
        events : NanoEvents
        layout : Layout
        scheme : {"chs", "Puppi"}
        nominal : ndarray of float64, shape (n_events, 2)
            px and py of MET (GeV).

        Returns
        -------
        ndarray of float64, shape (n_events, 2)
            NaN where MET is.

        Raises
        ------
        PayloadError
            The payload is not for this epoch, this MET or these runs.
        """
        columns = [branch.numbers(events).astype(np.float64) for branch in self.branches(layout)]
        pt = np.minimum(np.hypot(nominal[:, 0], nominal[:, 1]), MOST_PT)
        phi = np.arctan2(nominal[:, 1], nominal[:, 0])
        usable = np.isfinite(pt) & np.isfinite(columns[0])
        given: dict[str, Any] = {"met_pt": pt[usable], "met_phi": phi[usable]}
        vertices = np.minimum(columns[0][usable], MOST_VERTICES)
        simulation = is_simulation(layout)
        if self.epoch == "met":
            kind = f"metphicorr_{_RUN2[scheme]}_{'mc' if simulation else 'data'}"
            given |= {"npvs": vertices, "run": columns[1][usable]}
            calls = [(f"{name}_{kind}", given) for name in ("pt", "phi")]
        else:
            given |= {
                "npvGood": vertices, "met_type": _RUN3[scheme], "epoch": self.epoch, "variation": "nom",
                "dtmc": "MC" if simulation else "DATA",
            }  # fmt: skip
            calls = [("met_xy_corrections", given | {"pt_phi": name}) for name in ("pt", "phi")]
        shift = np.full(nominal.shape, np.nan)
        if usable.any():
            corrected = vectors_of(*(self._evaluate(name, call) for name, call in calls))
            shift[usable] = corrected - vectors_of(given["met_pt"], given["met_phi"])
        return shift

    def _evaluate(self, name: str, given: dict[str, Any]) -> FloatArray:
        try:
            return self._library[name].evaluate(given)
        except Exception as error:
            raise PayloadError(
                f"{self!r} cannot correct this MET ({name}: {error}): is the payload of the era of these events?"
            ) from None


def _run2_names() -> Iterator[str]:
    for quantity in ("pt", "phi"):
        for met in _RUN2.values():
            for kind in ("mc", "data"):
                yield f"{quantity}_metphicorr_{met}_{kind}"
