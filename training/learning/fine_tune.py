"""Fine-tuning: a trained network and data without truth -> a model folder whose card says what data it saw."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from coffea_mljec.errors import InputError
from coffea_mljec.models import ModelFolder, open_model
from training.learning.export import export
from training.learning.losses import LOSSES
from training.learning.recipe import Recipe
from training.learning.run_folder import read_run
from training.learning.train import train
from training.networks.architecture import ARCHITECTURES, AnyArchitecture
from training.refusals import refused

__all__ = ["architecture_of", "fine_tune", "fine_tuning_recipe"]

#: Short and gentle: the network is trained already, and the simulation is there to hold it. Dijets are few, and a pass
#: over a large simulation would be hundreds over them: epochs are short, so that the best one is found.
_LEARNING: Mapping[str, Any] = {
    "learning_rate": 3e-4, "schedule": "cosine", "warm_up": 0.1, "max_epochs": 5, "jets_per_epoch": 12_000,
    "batch_size": 1024, "symmetries": True, "threads": 1,
}  # fmt: skip


def fine_tuning_recipe(
    model: Path, simulation: Sequence[Path], name: str, folder: Path, learning: Mapping[str, Any], **changes: Any
) -> Recipe:
    """Return the recipe that goes on from a network.

    Parameters
    ----------
    model : Path
        Folder of a finished run, or a model folder, or the name of a bundled model.
    simulation : sequence of Path
        ROOT files or folders of simulated events.
    name : str
        Of the run and the model.
    folder : Path
        For the run and prepared jets.
    learning : mapping
        Settings of `training.learning.settings.Learning` in place of a fine-tuning's, ``in_situ`` among them.
    **changes
        Further settings of the recipe in place of the network's.

    Raises
    ------
    InputError
        If the network's architecture is none of `training.networks.architecture.ARCHITECTURES`, it has other outputs
        than any loss teaches, or a setting is impossible.
    """
    own = _of_run(model) if (model / "run.json").is_file() else _of_model(open_model(model))
    given = own | {
        "name": name, "productions": tuple(simulation), "runs": folder, "cache": folder / "prepared",
        "split": (0.7, 0.25, 0.05), "learning": {**_LEARNING, "loss": own.pop("loss"), "start_from": model, **learning},
    }  # fmt: skip
    try:
        return Recipe.model_validate(given | changes)
    except ValidationError as error:
        raise InputError(f"impossible settings of the fine-tuning: {refused(error, 'recipe')}") from None


def _of_run(folder: Path) -> dict[str, Any]:
    """Return the settings that a run's network brings."""
    record = read_run(folder)
    recipe = record["recipe"]
    if "trees" in recipe:
        raise InputError(f"the run {folder} holds trees: fine-tuning goes on with a network")
    kept = ("description", "sample", "fast_simulation", "algorithm", "collections", "features", "selection", "sampling")
    architecture: AnyArchitecture = TypeAdapter(AnyArchitecture).validate_python(record["architecture"])
    own = {setting: recipe[setting] for setting in kept if setting in recipe}
    return own | {"architecture": architecture.model_dump(), "loss": recipe["learning"]["loss"]}


def _of_model(model: ModelFolder) -> dict[str, Any]:
    """Return the settings that a model's card and graph bring."""
    card = model.card
    names = tuple(output.name for output in card.outputs)
    losses = [name for name, loss in LOSSES.items() if tuple(output.name for output in loss.outputs) == names]
    if not losses:
        raise InputError(
            f"model {card.name!r} gives {', '.join(names)}: no loss teaches that. Fine-tune a network of this project"
        )
    return {
        "description": card.description, "sample": card.training.sample, "algorithm": card.algorithm,
        "fast_simulation": card.training.fast_simulation, "collections": card.collections,
        "features": {c: tuple(part) for c, part in card.feature_set.names().items()},
        "architecture": architecture_of(model), "loss": losses[0],
    }  # fmt: skip


def architecture_of(model: ModelFolder) -> str:
    """Return the name of the architecture that a graph has.

    Raises
    ------
    InputError
        If it has none of them, or is the mean of several networks.
    """
    from training.onnx.reader import network_of_model

    for name, architecture in ARCHITECTURES.items():
        try:
            network_of_model(model, architecture)
        except InputError as error:
            if "is the mean of several networks" in str(error):
                raise
            continue
        return name
    raise InputError(
        f"model {model.card.name!r} has none of the architectures {', '.join(ARCHITECTURES)}: give the folder of its "
        "run in place of the model's, which says its widths"
    )


def fine_tune(
    model: Path, simulation: Sequence[Path], data: Sequence[Path], output: Path, *, factor: float, way: str,
    learning: Mapping[str, Any], seed: int = 1, name: str | None = None, run: Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Go on from a network with simulation and data, and write the model folder.

    Parameters
    ----------
    model, simulation
        See `fine_tuning_recipe`.
    data : sequence of Path
        ROOT files or folders of data; truth is not read.
    output : Path
        The model folder.
    factor : float
        f, the weight of the term. 0: simulation alone.
    way : "asymmetry" or "pairs"
    learning : mapping
        Settings of `Learning` in place of a fine-tuning's.
    seed : int
    name : str, optional
        Of the model; the folder's by default.
    run : Path, optional
        Keeps the run, in a folder of this name's; by default it is thrown away.
    progress : bool

    Returns
    -------
    dict
        The run's record, with ``in_situ``.
    """
    in_situ = dict(learning.get("in_situ", {})) | {"factor": factor, "way": way, "data": tuple(data)}
    settings = {**learning, "in_situ": in_situ}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if run is None else run
        recipe = fine_tuning_recipe(model, simulation, name or output.name, folder, settings, seed=seed)
        record = read_run(train(recipe, progress=progress))
        export(recipe.folder, output)
    return record
