"""The jet energy resolution of simulation, and the scale factors that bring it to that of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.columns import flat_columns
from coffea_mljec.payloads.bounds import LIMITS, within
from coffea_mljec.payloads.payload import Level

__all__ = ["Resolution", "ScaleFactor", "Shift", "Uncertainty"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Shift = Literal["nominal", "up", "down"]
Uncertainty = Literal["relative", "absolute"]


def _inputs(levels: Sequence[Level]) -> tuple[str, ...]:
    """What levels need, with the name that pT has here; a table calls pT at any stage ``pt_raw``."""
    needed = {name for level in levels for name in level.inputs}
    return ("pt", *(name for name in ("eta", "phi", "area", "rho", "run") if name in needed))


def _evaluate(level: Level, columns: Mapping[str, FloatArray]) -> tuple[FloatArray, BoolArray]:
    """Evaluate a level; not valid where an input is not finite, pT is not positive, or eta is not covered."""
    value, covered = level.evaluate({("pt_raw" if name == "pt" else name): columns[name] for name in columns})
    valid = covered & (columns["pt"] > 0) & np.isfinite(value)
    for column in columns.values():
        valid &= np.isfinite(column)
    return value, valid


@dataclass(frozen=True)
class Resolution:
    """Relative pT resolution of jets in simulation.

    Make one with `read_resolution_text` or `read_resolution_json`. It holds numbers only: it can be pickled.

    Attributes
    ----------
    table : Level
    tag : str
        Campaign, version and kind, e.g. ``Summer22_22Sep2023_JRV1_MC`` (not the tag of the correction).
    algorithm : str
        The jets it is for, e.g. ``AK4PFPuppi``, ``AK4PFPuppiPNetRegression``.
    """

    table: Level
    tag: str
    algorithm: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names of the columns that are read: ``pt`` (corrected), then any of eta, rho."""
        return _inputs([self.table])

    def evaluate(self, columns: Mapping[str, npt.ArrayLike]) -> tuple[FloatArray, BoolArray]:
        """Evaluate the resolution of every jet.

        Parameters
        ----------
        columns : mapping of str to array_like, shape (n,)
            The columns named by `inputs`: ``pt`` (GeV, corrected, before smearing), ``eta``, ``rho`` (GeV, the event's
            value repeated for each jet). Others are ignored.

        Returns
        -------
        sigma : ndarray of float64, shape (n,)
            sigma(pT) / pT; NaN where not valid.
        valid : ndarray of bool, shape (n,)
            False where pT is not positive, an input is not finite, eta is outside the bins (|eta| >= 5.191), or sigma
            is beyond `coffea_mljec.payloads.bounds.LIMITS`. A rho beyond the bins counts as their end (correctionlib,
            coffea and CMSSW return the 1 of a bin that is not found, a resolution of 100 %); so does a pT beyond the
            fitted range.

        Raises
        ------
        InputError
            A column is missing, not flat or not numeric, or lengths differ.
        """
        flat = flat_columns(columns, self.inputs, f"the resolution {self.tag} {self.algorithm}")
        sigma, valid = _evaluate(self.table, flat)
        valid &= within("resolution", sigma)
        return np.where(valid, sigma, np.nan), valid


@dataclass(frozen=True)
class ScaleFactor:
    """Resolution in data over resolution in simulation, and its uncertainty.

    Make one with `read_scale_factor_text` or `read_scale_factor_json`. It holds numbers only: it can be pickled.

    Attributes
    ----------
    tables : mapping of str to Level
        Keys ``nominal``, ``up``, ``down`` (the old format), or ``nominal``, ``uncertainty``.
    tag, algorithm : str
        As of `Resolution`.
    uncertainty : {"relative", "absolute"}
        What the table of that name holds: u of SF +- u (absolute), or of SF (1 +- u). See `read_scale_factor_json`.
    """

    tables: Mapping[str, Level]
    tag: str
    algorithm: str
    uncertainty: Uncertainty = "absolute"

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names of the columns that are read: ``pt`` (corrected) and ``eta``."""
        return _inputs(list(self.tables.values()))

    def evaluate(self, columns: Mapping[str, npt.ArrayLike], shift: Shift = "nominal") -> tuple[FloatArray, BoolArray]:
        """Evaluate the scale factor of every jet.

        Parameters
        ----------
        columns : mapping of str to array_like, shape (n,)
            The columns named by `inputs`: ``pt`` (GeV, corrected, before smearing) and ``eta``.
        shift : {"nominal", "up", "down"}

        Returns
        -------
        scale_factor : ndarray of float64, shape (n,)
            NaN where not valid; 1 where eta is covered but pT is not, as in CMSSW and correctionlib; never negative.
        valid : ndarray of bool, shape (n,)
            False where pT is not positive, an input is not finite, eta is outside the bins, or the scale factor is
            beyond `coffea_mljec.payloads.bounds.LIMITS`.

        Raises
        ------
        InputError
            Unknown shift; a column is missing, not flat or not numeric, or lengths differ.
        """
        if shift not in get_args(Shift):
            raise InputError(f"shift: expected one of {', '.join(get_args(Shift))}, got {shift!r}")
        flat = flat_columns(columns, self.inputs, f"the scale factor {self.tag} {self.algorithm}")
        value, valid = _evaluate(self.tables[shift if shift in self.tables else "nominal"], flat)
        valid &= within("scale factor", value)
        if shift not in self.tables:
            step, also = _evaluate(self.tables["uncertainty"], flat)
            step = step * value if self.uncertainty == "relative" else step
            value = np.maximum(value + step if shift == "up" else value - step, 0.0)
            valid &= also & (value <= LIMITS["scale factor"][1])
        return np.where(valid, value, np.nan), valid
