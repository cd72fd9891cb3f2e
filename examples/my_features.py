"""A feature of one's own: a function of flat columns in a module that workers can import."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["log_rel_pt"]

Array = npt.NDArray[Any]


def log_rel_pt(pt: Array, jet_pt_raw: Array) -> Array:
    """ln(pT of the constituent / raw pT of its jet), shape (n_constituents,)."""
    return np.asarray(np.log(pt / jet_pt_raw))
