"""One level of a factorized correction: bins in a few quantities, a formula, its parameters bin by bin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import PayloadError
from coffea_mljec.numerics.jit import njit
from coffea_mljec.payloads.formula import Formula

__all__ = ["Axis", "FormulaTable", "find_bins"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@njit()
def find_bins(values: FloatArray, groups: IntArray, low: FloatArray, high: FloatArray, offsets: IntArray) -> IntArray:
    """Find the bin of each value among the bins of its group.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
    groups : ndarray of int64, shape (n,)
        Which group of bins a value is looked up in, -1 for none.
    low, high : ndarray of float64, shape (n_bins,)
        Bin ``b`` is ``low[b] <= value < high[b]``; ascending within a group, gaps allowed.
    offsets : ndarray of int64, shape (n_groups + 1,)
        Group ``g`` owns the bins ``offsets[g]:offsets[g + 1]``.

    Returns
    -------
    ndarray of int64, shape (n,)
        The bin, -1 where there is none (outside, in a gap, NaN, no group).
    """
    bins = np.empty(values.size, dtype=np.int64)
    for i in range(values.size):
        group = groups[i]
        bins[i] = -1
        if group < 0:
            continue
        first = offsets[group]
        last = offsets[group + 1]
        while first < last:  # the first bin that starts above the value
            middle = (first + last) // 2
            if low[middle] <= values[i]:
                first = middle + 1
            else:
                last = middle
        if first > offsets[group] and values[i] < high[first - 1]:
            bins[i] = first - 1
    return bins


@dataclass(frozen=True)
class Axis:
    """The bins in one quantity; from the second axis on they may differ from bin to bin of the axis before.

    Attributes
    ----------
    quantity : str
        Canonical name (``eta``, ``pt_raw``, ...).
    low, high : ndarray of float64, shape (n_bins,)
    offsets : ndarray of int64, shape (n_bins of the axis before + 1,)
    """

    quantity: str
    low: FloatArray
    high: FloatArray
    offsets: IntArray


@dataclass(frozen=True)
class FormulaTable:
    """One level: factor = formula(variables; parameters of the bin).

    Attributes
    ----------
    level : str
        ``L1FastJet``, ``L2Relative``, ...
    axes : tuple of Axis
        The bins of the last axis are the rows of `parameters`.
    formula : Formula
    variables : tuple of str
        Canonical names of the formula's ``x y z t``. Where pT enters (an axis or a variable), it is the pT corrected
        by the levels before.
    parameters : ndarray of float64, shape (n_parameters, n_rows)
    ranges : ndarray of float64, shape (n_variables, 2, n_rows), optional
        Text payloads: the range that each variable is clamped to before the formula sees it. JSON payloads write the
        clamps into the formula.
    outside : float
        The factor of a jet without a bin: 1, as in CMSSW, coffea and the JSON payloads.
    required : tuple of str
        Quantities outside whose bins evaluation is refused: a run, for which the payload was not made.
    """

    level: str
    axes: tuple[Axis, ...]
    formula: Formula
    variables: tuple[str, ...]
    parameters: FloatArray
    ranges: FloatArray | None = None
    outside: float = 1.0
    required: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names of what is read."""
        return tuple(dict.fromkeys((*(axis.quantity for axis in self.axes), *self.variables)))

    def evaluate(self, columns: Mapping[str, FloatArray]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Evaluate on columns.

        Parameters
        ----------
        columns : mapping of str to ndarray of float64, shape (n,)
            ``pt_raw`` holds the pT corrected by the levels before.

        Returns
        -------
        factor : ndarray of float64, shape (n,)
        covered : ndarray of bool, shape (n,)
            False where |eta| is beyond what the payload covers.

        Raises
        ------
        PayloadError
            A finite value outside the bins of a quantity in `required`.
        """
        n = columns[self.inputs[0]].size
        rows: IntArray = np.zeros(n, dtype=np.int64)
        covered = np.ones(n, dtype=np.bool_)
        for axis in self.axes:
            inside = rows >= 0
            rows = find_bins(columns[axis.quantity], rows, axis.low, axis.high, axis.offsets)
            if axis.quantity == "eta":
                covered &= (rows >= 0) | ~inside
            elif axis.quantity in self.required:
                self._refuse(axis, columns[axis.quantity][inside & (rows < 0)])
        missed = rows < 0
        if self.parameters.shape[1] == 1:

            def pick(table: FloatArray) -> Any:
                return table[0]
        else:
            filled = np.where(missed, 0, rows)

            def pick(table: FloatArray) -> Any:
                return table.take(filled)

        values: list[Any] = [columns[name] for name in self.variables]
        if self.ranges is not None:
            values = [
                np.maximum(np.minimum(value, pick(high)), pick(low))
                for value, (low, high) in zip(values, self.ranges, strict=True)
            ]
        with np.errstate(all="ignore"):  # jets outside every bin may divide by zero; what is kept is checked later
            factor = self.formula(values, [pick(table) for table in self.parameters[: self.formula.n_parameters]])
        return np.where(missed, self.outside, factor), covered

    def _refuse(self, axis: Axis, missed: FloatArray) -> None:
        missed = missed[np.isfinite(missed)]
        if missed.size:
            raise PayloadError(
                f"{self.level} is for {axis.quantity} {axis.low.min():g} to {axis.high.max():g}; the jets are of "
                f"{axis.quantity} {missed.min():g} to {missed.max():g}: take the payload of that era"
            )
