"""The target of a classification: the number of a jet's class, told by its flavour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.dataset import PreparedJets

__all__ = ["class_numbers", "with_classes"]


def class_numbers(flavour: NDArray[np.integer], classes: Mapping[str, tuple[int, ...]]) -> NDArray[np.int64]:
    """Return the number of each jet's class in the order of ``classes``, -1 for flavours that are in none.

    Raises
    ------
    InputError
        If a class has no jet.
    """
    numbers = np.full(len(flavour), -1, np.int64)
    for number, flavours in enumerate(classes.values()):
        numbers[np.isin(flavour, flavours)] = number
    counts = {name: int(np.count_nonzero(numbers == number)) for number, name in enumerate(classes)}
    if empty := [name for name, count in counts.items() if count == 0]:
        raise InputError(
            f"the sample has no jet of class {', '.join(empty)}; jets by class: {counts}. Simulate some, or leave the "
            "class out"
        )
    return numbers


def with_classes(jets: PreparedJets, classes: Mapping[str, tuple[int, ...]]) -> tuple[PreparedJets, NDArray[np.bool_]]:
    """Return the jets with the number of their class as target, and which of them are in one."""
    numbers = class_numbers(jets.columns["flavour"], classes)
    return replace(jets, columns=jets.columns | {"target": numbers.astype(np.float32)}), numbers >= 0
