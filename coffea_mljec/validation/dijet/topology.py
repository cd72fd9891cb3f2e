"""The cuts of a dijet: two jets back to back, with little else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BACK_TO_BACK", "THIRD_PT", "THIRD_SHARE", "is_dijet"]

BACK_TO_BACK = 2.7
"""Lowest delta phi (radians) of the two jets."""

THIRD_SHARE, THIRD_PT = 0.25, 25.0
"""A third jet has less than this share of pt_avg, or less than this pT (GeV)."""


def is_dijet(
    delta_phi: npt.NDArray[Any], third_pt: npt.NDArray[Any], pt_avg: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Whether events pass; `third_pt` and `pt_avg` in GeV, 0 without a third jet."""
    return np.asarray((delta_phi > BACK_TO_BACK) & (third_pt < np.maximum(THIRD_PT, THIRD_SHARE * pt_avg)))
