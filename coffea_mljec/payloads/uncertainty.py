"""Uncertainties of the jet energy scale: sources that shift corrected pT up and down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.columns import flat_columns
from coffea_mljec.numerics.jit import njit
from coffea_mljec.payloads.bounds import within
from coffea_mljec.payloads.payload import Level
from coffea_mljec.payloads.table import Axis, find_bins
from coffea_mljec.support.suggestions import nearest

__all__ = ["LevelSource", "PiecewiseLinear", "Shifts", "Source", "Uncertainties", "no_such_source"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class Source(Protocol):
    """One source: where its bins are, and its shifts for jets whose bins are known."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The bins; sources that have the same share these objects, and the bins are looked up once for all."""

    def shifts(self, columns: Mapping[str, FloatArray], rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the shifts up and down; NaN where the row (the bin of the last axis) is -1."""


@njit()
def _linear(pt: FloatArray, rows: IntArray, pieces: FloatArray) -> FloatArray:
    shift = np.empty(pt.size, dtype=np.float64)
    for i in range(pt.size):
        row = rows[i]
        if row < 0:
            shift[i] = np.nan
        else:
            shift[i] = pieces[row, 0] * max(min(pt[i], pieces[row, 3]), pieces[row, 2]) + pieces[row, 1]
    return shift


@dataclass(frozen=True)
class PiecewiseLinear:
    """A shift that is linear in pT between the points that CMS gives.

    Attributes
    ----------
    axes : tuple of Axis
        Bins of eta, then of pT, which together leave no pT out.
    up : ndarray of float64, shape (n_rows, 4)
        Of each bin: slope, intercept, and the pT (low, high) beyond which the shift stays as it is.
    down : ndarray of float64, shape (n_rows, 4), optional
        Where it is not the same as `up`.
    """

    axes: tuple[Axis, ...]
    up: FloatArray
    down: FloatArray | None = None

    def shifts(self, columns: Mapping[str, FloatArray], rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the shifts up and down (one array twice if they are the same)."""
        up = _linear(columns["pt"], rows, self.up)
        return up, up if self.down is None else _linear(columns["pt"], rows, self.down)


NO_BIN = -999.0
"""What CMSSW and the JSON payloads return outside all bins."""


@dataclass(frozen=True)
class LevelSource:
    """A shift of any other shape: whatever can be a level of the correction can be a source too."""

    level: Level
    axes: tuple[Axis, ...] = ()

    def shifts(self, columns: Mapping[str, FloatArray], rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return the same shift up and down."""
        shift, covered = self.level.evaluate({"pt_raw": columns["pt"], "eta": columns["eta"]})
        shift = np.where((rows >= 0) & covered & (shift != NO_BIN), shift, np.nan)
        return shift, shift


def no_such_source(missing: Sequence[str], sources: Sequence[str], where: str) -> InputError:
    """Return the error that names the nearest of the sources that there are."""
    close = nearest(missing[0], sources, most=3, cutoff=0.5)
    hint = f"nearest: {', '.join(close)}; " if close else ""
    return InputError(f"{where} has no source {', '.join(missing)}: {hint}it has {', '.join(sources) or 'none'}")


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
        """Canonical names of the columns that are read: ``pt`` (corrected), ``eta``, and what a source needs beside."""
        more = (name for source in self.table.values() for name in getattr(source, "inputs", ()))
        return tuple(dict.fromkeys(("pt", "eta", *more)))

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
            False where pT is not positive or not finite, eta is outside the bins (|eta| >= 5.4 for CMS payloads, or
            NaN), or a shift is beyond `coffea_mljec.payloads.bounds.LIMITS`. pT beyond the first and last of the
            payload counts as the end, as in CMSSW, coffea and correctionlib.

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
        self._uncertainties = uncertainties
        self._columns = columns
        pt, eta = columns["pt"], columns["eta"]
        usable = np.isfinite(pt) & (pt > 0) & np.isfinite(eta)
        self._start = np.where(usable, np.int64(0), np.int64(-1))
        self._rows: dict[tuple[int, ...], IntArray] = {(): self._start}

    @property
    def sources(self) -> tuple[str, ...]:
        """What `evaluate` takes."""
        return self._uncertainties.sources

    def evaluate(self, source: str) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Return ``up, down, valid`` of one source; see `Uncertainties.evaluate`."""
        table = self._uncertainties.table
        if source not in table:
            name = f"the uncertainty {self._uncertainties.tag} {self._uncertainties.algorithm}"
            raise no_such_source([source], self.sources, name)
        axes = table[source].axes
        up, down = table[source].shifts(self._columns, self._bins(axes))
        valid = within("shift", up)
        return up, down, valid if down is up else valid & within("shift", down)

    def _bins(self, axes: tuple[Axis, ...]) -> IntArray:
        key = tuple(id(axis) for axis in axes)
        if key not in self._rows:
            rows = self._start
            for axis in axes:
                column = self._columns["pt" if axis.quantity == "pt_raw" else axis.quantity]
                rows = find_bins(column, rows, axis.low, axis.high, axis.offsets)
            self._rows[key] = rows
        return self._rows[key]
