"""The unclustered energy's variation, as files tell it: shifts of px and py, or the shifted MET itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.met.branches import METBranches
from coffea_mljec.nano.quantities import Branch, outside

__all__ = ["unclustered_shift", "vectors_of"]

FloatArray = npt.NDArray[np.float64]


def vectors_of(pt: npt.NDArray[Any], phi: npt.NDArray[Any]) -> FloatArray:
    """Return px and py, shape (n_events, 2)."""
    pt, phi = pt.astype(np.float64), phi.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.stack([pt * np.cos(phi), pt * np.sin(phi)], axis=1)


def unclustered_shift(events: Any, branches: METBranches, original: dict[str, Any], direction: str) -> FloatArray:
    """What the unclustered energy's variation adds to the file's MET, and so to any; NaN where it cannot be so.

    Parameters
    ----------
    events : NanoEvents
    branches : METBranches
    original : dict of str to ndarray
        ``pt`` and ``phi`` of the file's MET.
    direction : {"up", "down"}

    Returns
    -------
    ndarray of float64, shape (n_events, 2)
        px and py (GeV).
    """

    def column(name: str) -> npt.NDArray[Any]:
        return Branch(branches.met, name).numbers(events)

    if "MetUnclustEnUpDeltaX" in branches.unclustered:
        deltas = [column(f"MetUnclustEnUpDelta{axis}").astype(np.float64) for axis in "XY"]
        shift = np.stack(deltas, axis=1) * (1.0 if direction == "up" else -1.0)
    else:
        way = direction.capitalize()
        shifted = vectors_of(*(column(f"{name}Unclustered{way}") for name in ("pt", "phi")))
        with np.errstate(invalid="ignore"):
            shift = shifted - vectors_of(original["pt"], original["phi"])
    with np.errstate(over="ignore"):
        impossible = outside("jet", "pt", np.hypot(shift[:, 0], shift[:, 1]))
    return np.where(impossible[:, None], np.nan, shift)
