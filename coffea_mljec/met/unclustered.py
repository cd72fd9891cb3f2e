"""The unclustered energy's variation, as files tell it: shifts of px and py, or the shifted MET itself."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.met.branches import METBranches

__all__ = ["unclustered_shift", "vectors_of"]

FloatArray = npt.NDArray[np.float64]


def vectors_of(pt: npt.NDArray[Any], phi: npt.NDArray[Any]) -> FloatArray:
    """Return px and py, shape (n_events, 2)."""
    pt, phi = pt.astype(np.float64), phi.astype(np.float64)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi)], axis=1)


def unclustered_shift(met: ak.Array, branches: METBranches, original: dict[str, Any], direction: str) -> FloatArray:
    """What the unclustered energy's variation adds to the file's MET, and so to any."""
    if "MetUnclustEnUpDeltaX" in branches.unclustered:
        deltas = [np.asarray(met[f"MetUnclustEnUpDelta{axis}"], np.float64) for axis in "XY"]
        return np.stack(deltas, axis=1) * (1.0 if direction == "up" else -1.0)
    way = direction.capitalize()
    shifted = vectors_of(*(np.asarray(met[f"{name}Unclustered{way}"]) for name in ("pt", "phi")))
    return shifted - vectors_of(original["pt"], original["phi"])
