"""Random numbers that belong to a jet: the same on every worker, in every chunk and for every variation.

A counter-based generator (Philox 4x32-10: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11,
doi:10.1145/2063384.2063405) has no state: its output is a function of a key and a counter. Here the key is the run and
the luminosity block, the counter is the event and the direction of the jet, so a number depends on the jet alone, not
on what was read before it, how jets were cut or sorted, or which pT they have.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.jit import njit

__all__ = ["standard_normal"]

UIntArray = npt.NDArray[np.uint64]

# Words of 32 bits in uint64: their products are exact. All constants are uint64, because numba makes a float64 of
# uint64 with int64.
MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
ROUNDS = 10
LEFT, RIGHT = np.uint64(21), np.uint64(11)
UNIT = 2.0**-53
SEEDS = 2**32


@njit(inline="always")
def philox(
    c_0: np.uint64, c_1: np.uint64, c_2: np.uint64, c_3: np.uint64, k_0: np.uint64, k_1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return the four words of 32 bits that Philox 4x32-10 gives for a counter and a key (words of 32 bits too)."""
    for _ in range(ROUNDS):
        p_0 = MULTIPLIER_0 * c_0
        p_1 = MULTIPLIER_1 * c_2
        c_0, c_1, c_2, c_3 = (p_1 >> HALF) ^ c_1 ^ k_0, p_1 & MASK, (p_0 >> HALF) ^ c_3 ^ k_1, p_0 & MASK
        k_0 = (k_0 + WEYL_0) & MASK
        k_1 = (k_1 + WEYL_1) & MASK
    return c_0, c_1, c_2, c_3


@njit()
def _normal(
    run: UIntArray, block: UIntArray, event: UIntArray, eta: npt.NDArray[np.uint32], phi: npt.NDArray[np.uint32]
) -> npt.NDArray[np.float64]:
    out = np.empty(event.size, dtype=np.float64)
    for i in range(event.size):
        a, b, c, d = philox(
            event[i] & MASK, event[i] >> HALF, np.uint64(eta[i]), np.uint64(phi[i]), run[i] & MASK, block[i] & MASK
        )
        # Box and Muller, with 53 bits each; the logarithm never sees 0.
        radius = math.sqrt(-2.0 * math.log((float((a << LEFT) | (b >> RIGHT)) + 1.0) * UNIT))
        out[i] = radius * math.cos(2.0 * math.pi * UNIT * float((c << LEFT) | (d >> RIGHT)))
    return out


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
    if not 0 <= seed < SEEDS:
        raise InputError(f"seed: expected a number from 0 to {SEEDS - 1}, got {seed!r}")
    directions = [np.asarray(angle) for angle in (eta, phi)]
    size = directions[0].shape
    if len(size) != 1 or directions[1].shape != size or any(angle.dtype.kind not in "fiu" for angle in directions):
        raise InputError(
            f"eta and phi: expected two flat columns of numbers of one length, got {directions[0].dtype} of shape "
            f"{size} and {directions[1].dtype} of shape {directions[1].shape}: flatten the jets first"
        )
    words = [
        _integers(name, column, size)
        for name, column in (("run", run), ("luminosity_block", luminosity_block), ("event", event))
    ]
    words[1] = words[1] + np.uint64(seed) * WEYL_0
    # Adding 0 makes 0 of -0, which some programs write and others do not.
    bits = [np.ascontiguousarray(angle, dtype=np.float32) + np.float32(0) for angle in directions]
    return _normal(*words, bits[0].view(np.uint32), bits[1].view(np.uint32))


def _integers(name: str, column: npt.ArrayLike, size: tuple[int, ...]) -> UIntArray:
    values = np.asarray(column)
    if values.dtype.kind not in "iu" or values.shape not in ((), size):
        raise InputError(
            f"{name}: expected an integer for each of {size[0]} jets (the event's, repeated), got {values.dtype} of "
            f"shape {values.shape}"
        )
    return np.ascontiguousarray(np.broadcast_to(values.astype(np.uint64), size))
