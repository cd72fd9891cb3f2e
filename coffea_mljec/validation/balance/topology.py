"""The cuts of a balance: a jet back to back with the reference, with little else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BACK_TO_BACK", "OVERLAP", "SECOND_PT", "SECOND_SHARE", "is_balanced"]

BACK_TO_BACK = 2.7
"""Lowest delta phi (radians) of jet and reference."""

SECOND_SHARE, SECOND_PT = 0.3, 15.0
"""A second jet has less than this share of the reference's pT, or less than this pT (GeV)."""

OVERLAP = 0.4
"""Jets within this delta R of the reference's leptons or photon are not jets."""


def is_balanced(
    delta_phi: npt.NDArray[Any], second_pt: npt.NDArray[Any], pt_ref: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    """Whether events pass; `second_pt` and `pt_ref` in GeV, 0 without a second jet."""
    return np.asarray((delta_phi > BACK_TO_BACK) & (second_pt < np.maximum(SECOND_PT, SECOND_SHARE * pt_ref)))
