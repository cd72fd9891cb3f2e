"""Flat rows -> padded tensors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.jit import njit

__all__ = ["pad_rows"]


@njit()
def pad_rows(
    values: npt.NDArray[np.float32],
    offsets: npt.NDArray[np.int64],
    jets: npt.NDArray[np.int64],
    pad: npt.NDArray[np.float32],
    length: int,
) -> npt.NDArray[np.float32]:
    """Return the rows of some jets as a tensor, shape (len(jets), variables, length).

    Parameters
    ----------
    values : float32 array, shape (N, variables)
    offsets : int64 array, shape (n_jets + 1,)
        Jet ``j`` has the rows ``offsets[j]:offsets[j + 1]``; those beyond ``length`` are cut.
    jets : int64 array
        Which jets.
    pad : float32 array, shape (variables,)
        What stands beyond a jet's rows.
    length : int
    """
    width = values.shape[1]
    out = np.empty((len(jets), width, length), np.float32)
    for i in range(len(jets)):
        begin = offsets[jets[i]]
        count = min(offsets[jets[i] + 1] - begin, length)
        for variable in range(width):
            for place in range(count):
                out[i, variable, place] = values[begin + place, variable]
            for place in range(count, length):
                out[i, variable, place] = pad[variable]
    return out
