"""Uncertainties of the jet energy scale: sources that shift corrected pT up and down."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.payloads.columns import flat_columns
from coffea_mljec.corrections.payloads.table import Axis, find_bins
from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.jit import njit

__all__ = ["PiecewiseLinear", "Shifts", "Source", "Uncertainties"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class Source(Protocol):
    """One source: where its bins are, and its shifts for jets whose bins are known."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The bins, shared by all sources that have the same; looked up once for all of them."""

    def shifts(self, columns: Mapping[str, FloatArray], rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the shifts up and down; `rows` are the bins of the last axis, -1 for none (any value may come)."""


@dataclass(frozen=True)
class Uncertainties:
    """The sources of a jet energy scale uncertainty, all evaluated at the corrected pT.

    Make one with `read_uncertainties` (text or JSON). It holds numbers only: it can be pickled, and workers need no
    access to its file.

    Attributes
    ----------
    table : mapping of str to Source
    tag : str
        Campaign, version and kind, e.g. ``Summer22_22Sep2023_V3_MC``.
    algorithm : str
        The jets it is for, e.g. ``AK4PFPuppi``.
    """

    table: Mapping[str, Source]
    tag: str
    algorithm: str

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources in the order of the file."""
        return tuple(self.table)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names of the columns that are read: ``("pt", "eta")``, pT being corrected."""
        return ("pt", "eta")

    def evaluate(self, source: str, columns: Mapping[str, npt.ArrayLike]) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Evaluate one source: `at` and `Shifts.evaluate` in one call (for many sources, call `at` once).

        Parameters
        ----------
        source : str
            One of `sources`.
        columns : mapping of str to array_like, shape (n,)
            ``pt`` (GeV, after all corrections, smearing too where it is applied) and ``eta``. Others are ignored.

        Returns
        -------
        up, down : ndarray of float64, shape (n,)
            Relative shifts: varied pT is ``pt * (1 + up)`` and ``pt * (1 - down)``. Positive as a rule; a source may
            change its sign with eta or pT (both are negative there), which tells how its effect is correlated. They are
            the same for JSON payloads; text payloads may differ. NaN where not valid.
        valid : ndarray of bool, shape (n,)
            False where pT is not positive or not finite, or eta is outside the bins (|eta| >= 5.4 for CMS payloads, or
            NaN). pT beyond the first and last of the payload counts as the end, as in CMSSW, coffea and correctionlib.

        Raises
        ------
        InputError
            No such source (the message names the nearest), or a column is missing, not flat or not numeric.
        """
        return self.at(columns).evaluate(source)

    def at(self, columns: Mapping[str, npt.ArrayLike]) -> Shifts:
        """Bind the sources to jets: bins are looked up once, each source is evaluated when it is asked for.

        Parameters
        ----------
        columns : mapping of str to array_like, shape (n,)
            ``pt`` (corrected) and ``eta``; see `evaluate`.
        """
        return Shifts(self, flat_columns(columns, self.inputs, f"the uncertainty {self.tag} {self.algorithm}"))


class Shifts:
    """Shifts of given jets; nothing is kept but the jets' bins.

    Parameters
    ----------
    uncertainties : Uncertainties
    columns : mapping of str to ndarray of float64, shape (n,)
        Checked ``pt`` and ``eta``.
    """

    def __init__(self, uncertainties: Uncertainties, columns: Mapping[str, FloatArray]) -> None:
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """What `evaluate` takes."""
        raise NotImplementedError

    def evaluate(self, source: str) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return ``up, down, valid`` of one source; see `Uncertainties.evaluate`."""
        raise NotImplementedError
