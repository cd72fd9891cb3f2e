"""Flat columns by name: the checks that everything which evaluates jet by jet begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError

__all__ = ["flat_columns"]


def flat_columns(
    columns: Mapping[str, npt.ArrayLike], names: Sequence[str], user: str
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the named columns as flat float64 arrays of one length.

    Parameters
    ----------
    columns : mapping of str to array_like
        May hold more than is asked for.
    names : sequence of str
        What is needed; the first sets the length.
    user : str
        Who needs them, for the message.

    Raises
    ------
    InputError
        A column is missing, not flat or not numeric, or lengths differ.
    """
    missing = [name for name in names if name not in columns]
    if missing:
        raise InputError(
            f"{user} needs the columns {', '.join(names)}: "
            f"missing {', '.join(missing)}, got {', '.join(columns) or 'none'}"
        )
    flat: dict[str, npt.NDArray[np.float64]] = {}
    for name in names:
        try:
            column = np.asarray(columns[name], dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"column '{name}' is not a flat array of numbers: flatten the jets first") from None
        if column.ndim != 1 or column.size != np.size(columns[names[0]]):
            raise InputError(
                f"column '{name}' has shape {column.shape}, {names[0]} has {np.shape(columns[names[0]])}: expected "
                "flat columns of one length (an event's rho is repeated for each of its jets)"
            )
        flat[name] = column
    return flat
