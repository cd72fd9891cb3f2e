"""The one matching: everything that pairs two collections by angle calls it."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit

__all__ = ["match", "match_flat"]

UNMATCHED = -1


def match(first: ak.Array, second: ak.Array, max_dr: float = 0.2) -> ak.Array:
    """Pair the objects of two collections one to one, the nearest pairs first.

    Over all pairs of an event with delta R below `max_dr`, the closest pair is matched and both its members are taken
    out; then the closest of the rest, and so on. The result does not depend on the order of either collection (pairs at
    exactly the same distance are taken in the order of `first`, then of `second`).

    Parameters
    ----------
    first, second : ak.Array
        Jagged collections with fields ``eta`` and ``phi`` (radians) over the same events.
    max_dr : float
        Pairs at this distance or further apart are never matched.

    Returns
    -------
    ak.Array
        Jagged int64 in the shape of `first`: the index of the partner within the same event of `second`, or -1 where
        there is none (never 0). A NaN angle matches nothing.

    Raises
    ------
    InputError
        If the collections have different numbers of events, or `max_dr` is not positive.
    """
    eta_1, phi_1, offsets_1 = _flatten(first, "first")
    eta_2, phi_2, offsets_2 = _flatten(second, "second")
    partner = match_flat(eta_1, phi_1, offsets_1, eta_2, phi_2, offsets_2, max_dr)
    begin = np.repeat(offsets_2[:-1], np.diff(offsets_1))
    return ak.unflatten(np.where(partner == UNMATCHED, UNMATCHED, partner - begin), np.diff(offsets_1))


def match_flat(
    eta_1: npt.NDArray[np.floating],
    phi_1: npt.NDArray[np.floating],
    offsets_1: npt.NDArray[np.int64],
    eta_2: npt.NDArray[np.floating],
    phi_2: npt.NDArray[np.floating],
    offsets_2: npt.NDArray[np.int64],
    max_dr: float = 0.2,
) -> npt.NDArray[np.int64]:
    """Match two collections given as flat content and offsets (see `match`).

    Parameters
    ----------
    eta_1, phi_1, eta_2, phi_2 : ndarray of float, shapes (n_1,) and (n_2,)
        Directions; phi in radians, any period.
    offsets_1, offsets_2 : ndarray of int64, shape (n_events + 1,)
        Event ``i`` owns rows ``offsets[i]:offsets[i + 1]``.
    max_dr : float
        Pairs at this distance or further apart are never matched.

    Returns
    -------
    ndarray of int64, shape (n_1,)
        Row of the partner in the flat second collection, or -1.

    Raises
    ------
    InputError
        If the collections have different numbers of events, or `max_dr` is not positive.
    """
    if len(offsets_1) != len(offsets_2):
        raise InputError(
            f"cannot match collections of {len(offsets_1) - 1} and {len(offsets_2) - 1} events: "
            "both must come from the same events; apply the same event mask to both."
        )
    if not max_dr > 0.0:
        raise InputError(f"max_dr must be a positive distance, got {max_dr!r}; the usual value for AK4 jets is 0.2.")
    partner: npt.NDArray[np.int64] = _match(eta_1, phi_1, offsets_1, eta_2, phi_2, offsets_2, float(max_dr) ** 2)
    return partner


@njit()
def _match(
    eta_1: npt.NDArray[np.floating],
    phi_1: npt.NDArray[np.floating],
    offsets_1: npt.NDArray[np.int64],
    eta_2: npt.NDArray[np.floating],
    phi_2: npt.NDArray[np.floating],
    offsets_2: npt.NDArray[np.int64],
    max_dr2: float,
) -> npt.NDArray[np.int64]:
    partner = np.full(len(eta_1), -1, np.int64)
    taken = np.zeros(len(eta_2), np.bool_)
    room = 0
    for event in range(len(offsets_1) - 1):
        room = max(room, (offsets_1[event + 1] - offsets_1[event]) * (offsets_2[event + 1] - offsets_2[event]))
    distance = np.empty(room, np.float64)
    left = np.empty(room, np.int64)
    right = np.empty(room, np.int64)
    for event in range(len(offsets_1) - 1):
        pairs = 0
        for i in range(offsets_1[event], offsets_1[event + 1]):
            for j in range(offsets_2[event], offsets_2[event + 1]):
                squared = delta_r2(float(eta_1[i]), float(phi_1[i]), float(eta_2[j]), float(phi_2[j]))
                if squared < max_dr2:
                    distance[pairs] = squared
                    left[pairs] = i
                    right[pairs] = j
                    pairs += 1
        # A stable sort, so that equal distances are taken in the order of the rows.
        for pair in np.argsort(distance[:pairs], kind="mergesort"):
            i, j = left[pair], right[pair]
            if partner[i] < 0 and not taken[j]:
                partner[i] = j
                taken[j] = True
    return partner


def _flatten(
    collection: ak.Array, which: str
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating], npt.NDArray[np.int64]]:
    fields = ak.fields(collection)
    if "eta" not in fields or "phi" not in fields:
        raise InputError(
            f"the {which} collection to match has no eta and phi: fields {fields[:8]}; give a jagged collection."
        )
    try:
        eta, phi = (ak.to_numpy(ak.flatten(collection[name], axis=1), allow_missing=False) for name in ("eta", "phi"))
        counts = ak.to_numpy(ak.num(collection["eta"], axis=1), allow_missing=False)
    except ValueError:
        raise InputError(
            f"the {which} collection to match must be one list of objects per event, got {ak.type(collection['eta'])}; "
            "remove missing values with ak.drop_none first."
        ) from None
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return eta, phi, offsets
