"""Train what a recipe describes: prepared jets -> splits -> sampling -> Lightning, or lightgbm -> a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.dataset import PreparedJets
from training.dataset.gather import gather_jagged
from training.learning.figures import plot_losses
from training.learning.flavour_term import LEAST_BATCH
from training.learning.further import further_columns
from training.learning.history import speed
from training.learning.recipe import AnyRecipe, Recipe, TreesRecipe
from training.learning.run_folder import check_resumable, run_record, write_run
from training.learning.sampling import JetWeights
from training.learning.start import Start, keep_start, read_start, train_only
from training.learning.training_data import TrainingData, prepare_data
from training.networks.standardisation import Standardisation, fit_standardisation
from training.random_streams import RunStream, run_generator

__all__ = ["fit_standardisations", "train"]

#: Jets of the training set from which shift and scale of the inputs are fitted.
_JETS_TO_FIT = 50_000

#: Jets of the training set from which norms of a network that was read from a graph get their statistics.
_JETS_TO_SETTLE = 4096


def train(recipe: AnyRecipe, resume: bool = False, progress: bool = True) -> Path:
    """Train as the recipe says and return the run's folder.

    Parameters
    ----------
    recipe : Recipe
        Every setting.
    resume : bool
        Go on after the last finished epoch of the run of this name, whose recipe must be the same (but for limits
        of time, epochs and threads).
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    Path
        ``recipe.runs / recipe.name`` with ``recipe.yaml``, ``network.npz`` (best weights), ``run.json``,
        ``metrics.csv`` (losses and speed of every epoch), ``checkpoints/``, ``sampling.png`` and ``loss.png``; for
        trees see `training.trees.growing.grow`.

    Raises
    ------
    InputError
        If torch is missing, the run exists and ``resume`` is false, there is nothing to resume, or a split is empty.
    """
    if isinstance(recipe, TreesRecipe):
        from training.trees.growing import grow

        return grow(recipe, resume, progress)
    try:
        import lightning
        import torch
    except ImportError:
        raise InputError(
            "training needs torch and lightning: pip install 'coffea-mljec[train]', or make train-env"
        ) from None
    from training.learning.batches import JetBatches
    from training.learning.in_situ_setup import set_up_in_situ
    from training.learning.loop import JetRegression, final_losses, fit
    from training.learning.widths import settle_widths
    from training.networks.layers import parameter_count
    from training.networks.precision import calculating

    gpu = recipe.learning.accelerator != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda:0" if gpu else "cpu")
    recipe = recipe.settled(gpu)
    folder = recipe.folder
    checkpoint = _checkpoint(folder, recipe, resume)
    start = _start(recipe, resume)
    torch.set_num_threads(recipe.learning.threads)
    lightning.seed_everything(recipe.seed, verbose=False)
    whole = prepare_data(recipe, progress)
    data = replace(whole, rows=_limited(whole.rows, recipe))
    rows = data.rows
    further = further_columns(data.jets, recipe, progress)
    network = _fresh(data, recipe) if start is None else _started(start, data, recipe)
    in_situ = None
    if recipe.learning.in_situ.factor > 0:
        in_situ, of_jets = set_up_in_situ(recipe, network.eval(), data.jets, rows, progress)
        further |= of_jets
        network.train()
    weights = {name: values.clone() for name, values in network.state_dict().items()}
    module = JetRegression(network, recipe.learning, recipe.loss_function, in_situ)
    batches = JetBatches(
        data.jets, rows["train"], rows["val"], data.weights, recipe.learning, recipe.seed, device, further
    )
    _check_batches(recipe, batches.epoch_jets)
    with calculating(network, recipe.learning.precision):
        best = fit(module, batches, folder, recipe.learning, checkpoint, progress)
    if in_situ is None or in_situ.improved:
        state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
        weights = {name.removeprefix("network."): values for name, values in state.items()}
    network.load_state_dict(weights)
    # Lightning brought the network back to the CPU.
    network.to(device).eval()
    widths = settle_widths(network, batches, whole.rows["val"], recipe.loss_function) if in_situ is None else {}
    metrics = final_losses(network, batches, rows, recipe.loss_function)
    network.cpu()
    record = run_record(recipe, data, parameter_count(network), metrics, ("torch", "lightning"))
    record |= {"speed": speed(folder / "metrics.csv"), "device": _device(module), "widths_stretched": widths}
    if in_situ is not None:
        record["in_situ"] = in_situ.record()
    write_run(folder, network, record | ({} if start is None else {"started_from": str(start)}))
    plot_losses(folder)
    return folder


def _start(recipe: Recipe, resume: bool) -> Start | None:
    """Return what the recipe starts from, once it is sure that a resumed run started from the same."""
    path = recipe.learning.start_from
    if path is None:
        return None
    start = read_start(path, recipe.widths, recipe.feature_set)
    given = {(c, name): transform for c, part in recipe.transforms.items() for name, transform in part.items()}
    if different := [f"{c}.{name}" for (c, name), own in given.items() if start.transforms.get(c, {}).get(name) != own]:
        raise InputError(
            f"{start.name!r} was trained with other transforms of {', '.join(different)} than the recipe has: leave "
            "transforms out, those of the start are taken"
        )
    keep_start(recipe.folder, start, resume)
    return start


def _check_batches(recipe: Recipe, jets: int) -> None:
    """Refuse a flavour term where an epoch is its only batch, and too small for it."""
    if recipe.learning.flavour.weight > 0 and jets < LEAST_BATCH:
        raise InputError(
            f"the flavour term needs batches of {LEAST_BATCH} jets or more, and an epoch of {recipe.name!r} has about "
            f"{jets}: train on more jets, raise jets_per_epoch, or set flavour.weight to 0"
        )


def _fresh(data: TrainingData, recipe: Recipe) -> Any:
    """Return a network of the recipe with weights drawn anew."""
    from training.networks.layers import start_outputs
    from training.networks.network import make_network

    standardisations = fit_standardisations(data.jets, data.rows["train"], data.weights, recipe)
    network = make_network(recipe.widths, standardisations, len(recipe.loss_function.outputs))
    start_outputs(network, recipe.loss_function.starts)
    return network


def _started(start: Start, data: TrainingData, recipe: Recipe) -> Any:
    """Return the network to start from, its norms with the statistics of the training jets."""
    rows, weights = data.rows["train"], data.weights
    if start.from_graph:
        with_transforms = recipe.model_copy(update={"transforms": start.transforms})
        standardisations = fit_standardisations(data.jets, rows, weights, with_transforms)
        share = weights.acceptance[rows].astype(np.float64)
        drawn = run_generator(recipe.seed, RunStream.SETTLING).choice(rows, _JETS_TO_SETTLE, p=share / share.sum())
        start.settle(data.jets, drawn, standardisations)
    network = start.teach(recipe.loss_function)
    train_only(network, recipe.learning.trained_layers)
    return network


def _device(module: Any) -> str:
    """Return the device that the network was trained on."""
    import torch

    trained_on = module.trainer.strategy.root_device
    return torch.cuda.get_device_name(trained_on) if trained_on.type == "cuda" else str(trained_on)


def _limited(rows: dict[str, NDArray[np.int64]], recipe: Recipe) -> dict[str, NDArray[np.int64]]:
    """Return the rows with those of validation and test thinned to ``validation_jets`` each, drawn by the seed."""
    limit = recipe.learning.validation_jets
    if limit is None:
        return rows
    drawn = {
        name: np.sort(run_generator(recipe.seed, RunStream.VALIDATION).choice(part, limit, replace=False))
        for name, part in rows.items()
        if name != "train" and len(part) > limit
    }
    return rows | drawn


def _checkpoint(folder: Path, recipe: Recipe, resume: bool) -> Path | None:
    check_resumable(folder, recipe, resume)
    if not resume:
        return None
    last = folder / "checkpoints" / "last.ckpt"
    if not last.is_file():
        raise InputError(f"nothing to resume in {folder}: {last} is missing; train without --resume")
    return last


def fit_standardisations(
    jets: PreparedJets, rows: NDArray[np.int64], weights: JetWeights, recipe: Recipe
) -> dict[str, Standardisation]:
    """Fit the treatment of every input on jets of the training set, drawn by acceptance x loss weight.

    Parameters
    ----------
    jets : PreparedJets
        All jets.
    rows : int64 array
        The training set.
    weights : JetWeights
        Of all jets.
    recipe : Recipe
        Features, transforms, seed.
    """
    share = weights.expected[rows].astype(np.float64)
    generator = run_generator(recipe.seed, RunStream.STANDARDISATION)
    drawn = generator.choice(rows, min(_JETS_TO_FIT, len(rows)), p=share / share.sum())
    fitted = {}
    for collection, names in recipe.feature_set.names().items():
        values = jets.features[f"{collection}_features"]
        if collection == "jet":
            values = values[drawn]
        else:
            values, _, _ = gather_jagged(values, jets.features[f"{collection}_offsets"], drawn)
        fitted[collection] = fit_standardisation(collection, names, values, recipe.transforms.get(collection))
    return fitted
