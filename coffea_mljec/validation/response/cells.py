"""Numbers of one provider in one region, interval of pt_gen and flavour, and of its dependence on flavour."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, SIX_FLAVOURS
from coffea_mljec.validation.common.measured import Measured, measured
from coffea_mljec.validation.common.statistics import resolution, sae_and_floor

__all__ = ["MAX_FLOOR", "MIN_JETS", "Cell", "Dependence", "dependence", "statistics"]

MIN_JETS = 200
"""Jets below which a number is not given: its relative error on the resolution is then above about 8 %."""

MAX_FLOOR = 1.0 / 3.0
"""Largest part of the standard's SAE that may be noise where alpha is given."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One provider in one region, pt_gen interval and flavour group; `beta` is None for the standard itself."""

    provider: str
    region: str
    interval: str
    flavour: str
    jets: int
    median: Measured
    resolution: Measured
    closure: Measured
    beta: Measured | None


@dataclass(frozen=True)
class Dependence:
    """Flavour dependence of one provider; `floor` is the SAE of noise alone; `alpha` is None for the standard."""

    provider: str
    region: str
    interval: str
    sae: Measured
    floor: float | None
    alpha: Measured | None


def statistics(
    here: _Floats, reference: _Floats | None, jets: int
) -> tuple[Measured, Measured, Measured, Measured | None]:
    """Median, resolution, closure and beta from quartiles [replica, 3] of one provider and of the standard."""
    enough = jets >= MIN_JETS
    median, width = here[:, 1], resolution(here)
    closure = measured(median, enough, abs(float(median[0]) - 1.0))
    beta = None
    if reference is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            beta = measured(1.0 - width / resolution(reference), enough)
    return measured(median, enough), measured(width, enough), closure, beta


def dependence(
    here: _Floats, reference: _Floats | None, jets: npt.NDArray[np.int64]
) -> tuple[Measured, float | None, Measured | None]:
    """SAE, its floor and alpha from quartiles [flavour group, replica, 3] of one provider and of the standard."""
    enough = bool(min(jets[list(FLAVOUR_GROUPS).index(flavour)] for flavour in SIX_FLAVOURS) >= MIN_JETS)
    sae, floor = sae_and_floor(here)
    found = measured(sae, enough)
    known_floor = floor if enough and math.isfinite(floor) else None
    if reference is None:
        return found, known_floor, None
    sae_standard, floor_standard = sae_and_floor(reference)
    # Without replicas the floor is NaN and nothing can be said about the noise: then only the number of jets decides.
    clear = not max(floor, floor_standard) > MAX_FLOOR * sae_standard[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = 1.0 - sae / sae_standard
    return found, known_floor, measured(alpha, enough and clear)
