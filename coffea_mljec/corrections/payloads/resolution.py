"""The jet energy resolution of simulation, and the scale factors that bring it to that of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.payloads.payload import Level

__all__ = ["Resolution", "ScaleFactor", "Shift"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Shift = Literal["nominal", "up", "down"]


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
        raise NotImplementedError

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
            False where pT is not positive, an input is not finite, or eta is outside the bins (|eta| >= 5.191). rho
            and pT beyond the bins count as their end: there correctionlib, coffea and CMSSW return the 1 of a bin that
            is not found, a resolution of 100 %.

        Raises
        ------
        InputError
            A column is missing, not flat or not numeric, or lengths differ.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class ScaleFactor:
    """Resolution in data over resolution in simulation, and its uncertainty.

    Make one with `read_scale_factor_text` or `read_scale_factor_json`. It holds numbers only: it can be pickled.

    Attributes
    ----------
    tables : mapping of str to Level
        Keys ``nominal``, ``up``, ``down``.
    tag, algorithm : str
        As of `Resolution`.
    """

    tables: Mapping[str, Level]
    tag: str
    algorithm: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names of the columns that are read: ``pt`` (corrected) and ``eta``."""
        raise NotImplementedError

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
            False where pT is not positive, an input is not finite, or eta is outside the bins.

        Raises
        ------
        InputError
            Unknown shift; a column is missing, not flat or not numeric, or lengths differ.
        """
        raise NotImplementedError
