"""Weights that restore the flavour mix of inclusive QCD in a sample with enriched flavours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.simulate.settings import FORWARD_CODE

__all__ = ["INCLUSIVE", "mix_weights"]

#: ``MLJEC_process`` of inclusive QCD, whose flavour mix is the target, and of its forward variant: inclusive too, where
#: it is not cut (its partons begin at |eta| 2.4).
INCLUSIVE = 0
INCLUSIVE_FORWARD = INCLUSIVE + FORWARD_CODE
_FORWARD_FROM = 2.5
_REGIONS = np.array([0.0, 1.3, 2.5, 3.0, 6.0])
_PT_CELLS = np.geomspace(5.0, 7000.0, 22)
_LARGEST_SHARE = 10.0
_LARGEST_WEIGHT = 3.0

Floats = NDArray[np.float64]


class _Columns(Protocol):
    def __getitem__(self, name: str, /) -> Floats: ...


def mix_weights(jets: _Columns | Mapping[str, Floats]) -> Floats:
    """Return weights that give every jet sample the flavour mix of inclusive QCD.

    In cells of region and pt_gen, generator weights are brought to a median of 1 within each process; then each flavour
    is scaled to its share among the inclusive jets of that cell. So the enriched processes add statistics, not
    flavour. Without an inclusive process the mix is taken as it is.

    A few events of a biased spectrum would outweigh the rest of their cell: a jet counts at most 10 times the median
    in the shares, and at most 3 times within its flavour, where at fixed pt_gen the response hardly depends on the
    hard scatter (which doubles the effective number of jets).

    Parameters
    ----------
    jets : mapping of str to float64 array [n]
        ``eta_gen pt_gen process weight flavour``.
    """
    n_pt = len(_PT_CELLS) + 1
    region = np.digitize(np.abs(jets["eta_gen"]), _REGIONS)
    cell = region * n_pt + np.digitize(jets["pt_gen"], _PT_CELLS)
    process = jets["process"].astype(np.int64)
    relative = jets["weight"] / _median_of(jets["weight"], cell * 100 + process)
    weight = np.clip(relative, 0.0, _LARGEST_WEIGHT)
    forward = np.abs(jets["eta_gen"]) > _FORWARD_FROM
    inclusive = (process == INCLUSIVE) | ((process == INCLUSIVE_FORWARD) & forward)
    if not inclusive.any():
        return weight
    key = cell * 22 + jets["flavour"].astype(np.int64)
    size = int(key.max()) + 1
    share = np.bincount(key[inclusive], np.clip(relative, 0.0, _LARGEST_SHARE)[inclusive], size)[key]
    have = np.bincount(key, weight, size)[key]
    return weight * np.divide(share, have, out=np.zeros_like(weight), where=have > 0)


def _median_of(values: Floats, group: NDArray[np.int64]) -> Floats:
    """Return, for every value, the median of its group."""
    _, number = np.unique(group, return_inverse=True)
    order = np.lexsort((values, number))
    counts = np.bincount(number)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    middle: Floats = values[order][first + counts // 2]
    return middle[number]
