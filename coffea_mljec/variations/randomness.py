"""Random numbers that belong to a jet: the same on every worker, in every chunk and for every variation.

A counter-based generator (Philox 4x32-10: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11,
doi:10.1145/2063384.2063405) has no state: its output is a function of a key and a counter. Here the key is the run and
the luminosity block, the counter is the event and the direction of the jet, so a number depends on the jet alone, not
on what was read before it, how jets were cut or sorted, or which pT they have.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["standard_normal"]


def standard_normal(
    run: npt.ArrayLike,
    luminosity_block: npt.ArrayLike,
    event: npt.ArrayLike,
    eta: npt.ArrayLike,
    phi: npt.ArrayLike,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """Return one number a jet from the standard normal distribution.

    Parameters
    ----------
    run, luminosity_block, event : array_like of int, shape (n,)
        The event's, repeated for each of its jets (a single number stands for all). Events may use all 64 bits.
    eta, phi : array_like of float, shape (n,)
        As they are in the file: their float32 bits tell the jets of an event apart. Any change of the direction gives
        another number; pT does not enter, so all variations of a jet share one.
    seed : int
        Another seed gives independent numbers for the same jets (0 to 2**32 - 1).

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    InputError
        Columns that are not flat, not of one length or not integer where they must be; a seed out of range.
    """
    raise NotImplementedError
