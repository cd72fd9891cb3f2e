"""Boosted trees on plain columns: lightgbm with one set of settings, for small samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.trees.growing import lightgbm_module

__all__ = ["boost"]

_ROUNDS = 300


def boost(
    columns: NDArray[np.floating],
    target: NDArray[np.floating],
    rows: Mapping[str, NDArray[np.int64]],
    objective: str,
    seed: int = 1,
    weight: NDArray[np.floating] | None = None,
    leaves: int = 15,
) -> Any:
    """Grow trees until the loss of the validation rows no longer falls, and return lightgbm's booster.

    Parameters
    ----------
    columns : float array [n, F]
    target : float array [n]
        0 or 1 with the objective ``binary``.
    rows : mapping of str to int64 array
        ``train`` and ``val``.
    objective : str
        Of lightgbm.
    seed : int
    weight : float array [n], optional
    leaves : int
        Of a tree: few where the sample says little of each event.

    Raises
    ------
    InputError
        If lightgbm is missing or a part has no rows.
    """
    lightgbm = lightgbm_module()
    if empty := [name for name in ("train", "val") if not len(rows[name])]:
        raise InputError(f"no rows in {', '.join(empty)} of {len(target)}: give more")
    settings = {
        "objective": objective, "learning_rate": 0.1, "num_leaves": leaves, "min_data_in_leaf": 40, "num_threads": 1,
        "seed": seed, "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    sets = [
        lightgbm.Dataset(columns[part], target[part], weight=None if weight is None else weight[part],
                         params={"verbosity": -1, "min_data_in_bin": 1})
        for part in (rows["train"], rows["val"])
    ]  # fmt: skip
    return lightgbm.train(
        settings, sets[0], _ROUNDS, valid_sets=[sets[1]], callbacks=[lightgbm.early_stopping(20, verbose=False)]
    )
