"""What a loss reads of each jet beside its features, target and weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import models
from coffea_mljec.errors import InputError
from coffea_mljec.support.progress import progress as progress_bar
from training.dataset import PreparedJets
from training.dataset.selection import RAW_MASS_FEATURES, mass_column, mass_weight_column
from training.learning.classes import class_numbers
from training.learning.flavour_term import flavour_groups
from training.learning.recipe import Recipe

__all__ = ["CLASS", "GROUP", "TAUGHT", "further_columns", "log_correction"]

CLASS = "class_number"
"""Number of the class, int64, of a regression with classes; -1 of jets in none (`training.learning.classes`)."""

GROUP = "flavour_group"
"""Cell and flavour, int64 (`training.learning.flavour_term`)."""

TAUGHT = "taught"
"""The teachers' logarithm of the correction, float32."""

_BATCH = 4096


def further_columns(jets: PreparedJets, recipe: Recipe, shown: bool) -> dict[str, NDArray[Any]]:
    """Return the columns of all jets that the recipe's loss needs.

    Raises
    ------
    InputError
        If a teacher reads other features than the recipe, or gives no correction of pT; if a class has no jet; if
        masses count by the raw mass and the features lack it.
    """
    columns = {mass_column(name): jets.columns[mass_column(name)] for name in recipe.selection.masses}
    columns |= {mass_weight_column(name): _mass_weight(jets, recipe, name) for name in recipe.selection.masses}
    learning = recipe.learning
    if learning.classes and learning.classes_weight > 0 and not learning.loss_function.of_classes:
        columns[CLASS] = class_numbers(jets.columns["flavour"], learning.classes)
    if recipe.learning.flavour.weight > 0:
        columns[GROUP] = flavour_groups(*(jets.columns[name] for name in ("pt_gen", "eta_gen", "flavour")))
    if recipe.learning.teachers:
        columns[TAUGHT] = _taught(jets, recipe, shown)
    return columns


def _mass_weight(jets: PreparedJets, recipe: Recipe, name: str) -> NDArray[np.float32]:
    """What each jet counts where a mass is learnt, 0 to 1: a function of the input alone, so medians stay medians."""
    full = recipe.learning.mass_from
    if full is None:
        return np.ones(len(jets), np.float32)
    feature, names = RAW_MASS_FEATURES[name], recipe.feature_set.jet
    if feature not in names:
        raise InputError(
            f"learning.mass_from {full:g}: jets count by their raw mass, and the features have no jet.{feature}. Add "
            "it, or set mass_from to null."
        )
    raw = jets.features["jet_features"][:, names.index(feature)]
    return np.clip(raw / full, 0.0, 1.0).astype(np.float32)


def _taught(jets: PreparedJets, recipe: Recipe, shown: bool) -> NDArray[np.float32]:
    """The mean of the teachers' logarithms of the correction, of every jet."""
    teachers = [models.open_model(path) for path in recipe.learning.teachers]
    for teacher in teachers:
        if teacher.card.feature_set != recipe.feature_set:
            raise InputError(
                f"teacher {teacher.card.name!r} reads other features than the recipe {recipe.name!r}: a teacher and "
                "its pupil see the same jets. Name teachers with the recipe's features."
            )
        if not any(output.quantity == "pt" for output in teacher.card.outputs):
            raise InputError(f"teacher {teacher.card.name!r} gives no correction of pT.")
    total = np.zeros(len(jets), np.float64)
    with progress_bar("asking the teachers", len(teachers) * len(jets), "jets", shown=shown) as bar:
        for teacher in teachers:
            total += log_correction(teacher, jets, bar.advance)
    return (total / len(teachers)).astype(np.float32)


def log_correction(
    model: models.ModelFolder, jets: PreparedJets, done: Callable[[int], object] = lambda number: None
) -> NDArray[np.float64]:
    """Return a model's logarithm of the correction of every jet.

    Parameters
    ----------
    model : ModelFolder
        With an output of quantity ``pt``, and the features of the jets.
    jets : PreparedJets
    done : callable
        Called with the number of jets of every batch.
    """
    output = next(one for one in model.card.outputs if one.quantity == "pt")
    found = np.empty(len(jets), np.float64)
    for start in range(0, len(jets), _BATCH):
        stop = min(start + _BATCH, len(jets))
        values = models.run(model, _batch(jets, start, stop))[output.source]
        found[start:stop] = values if output.column is None else values[:, output.column]
        done(stop - start)
    return found


def _batch(jets: PreparedJets, start: int, stop: int) -> dict[str, NDArray[Any]]:
    """The inputs of some jets that lie one after the other."""
    batch = {"jet_features": jets.features["jet_features"][start:stop]}
    for collection in jets.feature_set.constituents:
        offsets = jets.features[f"{collection}_offsets"][start : stop + 1]
        batch[f"{collection}_features"] = jets.features[f"{collection}_features"][offsets[0] : offsets[-1]]
        batch[f"{collection}_offsets"] = offsets - offsets[0]
    return batch
