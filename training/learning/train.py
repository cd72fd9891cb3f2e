"""Train what a recipe describes: prepared jets -> splits -> sampling -> Lightning, or lightgbm -> a run folder."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.dataset import PreparedJets
from training.dataset.gather import gather_jagged
from training.learning.material import gather, refuse_another_recipe
from training.learning.outcome import losses, plot_losses, record, speed
from training.learning.recipe import AnyRecipe, Recipe, TreesRecipe, read_recipe
from training.learning.run_folder import read_run, write_run
from training.learning.sampling import Sampled
from training.networks.standardisation import Standardisation, fit_standardisation

__all__ = ["command", "fit_standardisations", "told", "train"]

#: Jets of the training set from which shift and scale of the inputs are fitted.
_JETS_TO_FIT = 50_000


def command(
    recipe: Annotated[Path, typer.Argument(help="Recipe: YAML or TOML, such as training/configs/pfn-r-lite.yaml.")],
    resume: Annotated[bool, typer.Option(help="Go on after the last finished epoch of this recipe's run.")] = False,
    max_minutes: Annotated[float | None, typer.Option(help="End when this time is over.")] = None,
    production: Annotated[
        list[Path] | None, typer.Option(help="ROOT files or folders, in place of the recipe's.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder for runs, in place of the recipe's.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of torch, in place of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the recipe's.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of run and model, in place of the recipe's.")] = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Train a network, or boosted trees, as the recipe says; the run's folder is RUNS/NAME."""
    read = read_recipe(recipe)
    changes: dict[str, Any] = {}
    if production:
        changes["productions"] = tuple(production)
    if runs is not None:
        changes["runs"] = runs
    if seed is not None:
        changes["seed"] = seed
    if name is not None:
        changes["name"] = name
    limits = {name: value for name, value in (("max_minutes", max_minutes), ("threads", threads)) if value is not None}
    if isinstance(read, TreesRecipe):
        if "max_minutes" in limits:
            raise InputError("--max-minutes is for networks: the trees of a recipe are limited by its trees.rounds")
        changes["trees"] = read.trees.model_dump() | limits
    else:
        changes["learning"] = read.learning.model_dump() | limits
    folder = train(read_recipe(recipe, **changes), resume=resume, progress=not quiet)
    typer.echo(told(read_run(folder)))
    typer.echo(f"trained: {folder}; next: python -m training export {folder} -o FOLDER")


def told(run: dict[str, Any]) -> str:
    """Return a few lines on what a run did: jets, losses, speed."""
    sampling = run["sampling"]["train"]
    lines = [
        f"jets: {run['jets']}; after sampling {sampling['accepted_in_an_epoch']:,.0f} of the training split "
        f"({100 * sampling['left']:.0f} %), worth {sampling['effective_size']:,.0f} of equal weight, "
        f"{100 * sampling['in_capped']:.1f} % of the weight at the cap",
        "losses: " + ", ".join(f"{name} {value:.5f}" for name, value in run["metrics"].items()),
    ]
    if "speed" in run:
        lines.append(
            f"{run['speed']['jets_per_second']:,.0f} jets a second reached the network, "
            f"{100 * run['speed']['waiting']:.1f} % of the time spent waiting for them"
        )
    return "\n".join(lines)


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
    from training.learning.loop import JetBatches, Regression
    from training.networks.layers import parameter_count
    from training.networks.network import make_network
    from training.networks.precision import calculating

    gpu = recipe.learning.accelerator != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda:0" if gpu else "cpu")
    recipe = recipe.settled(gpu)
    folder = recipe.folder
    checkpoint = _checkpoint(folder, recipe, resume)
    torch.set_num_threads(recipe.learning.threads)
    lightning.seed_everything(recipe.seed, verbose=False)
    material = gather(recipe, progress)
    rows = _limited(material.rows, recipe)
    material = replace(material, rows=rows)
    network = make_network(recipe.widths, fit_standardisations(material.jets, rows["train"], material.sampled, recipe))
    module = Regression(network, recipe.learning)
    batches = JetBatches(
        material.jets, rows["train"], rows["val"], material.sampled, recipe.learning, recipe.seed, device
    )
    with calculating(network, recipe.learning.precision):
        best = _fit(module, batches, folder, recipe, checkpoint, progress)
    state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): values for name, values in state.items()})
    # Lightning brought the network back to the CPU.
    network.to(device).eval()
    metrics = losses(network, batches, rows)
    network.cpu()
    kept = record(recipe, material, parameter_count(network), metrics, ("torch", "lightning"))
    write_run(folder, network, kept | {"speed": speed(folder), "device": _device(module)})
    plot_losses(folder)
    return folder


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
        name: np.sort(np.random.default_rng((recipe.seed, 3)).choice(part, limit, replace=False))
        for name, part in rows.items()
        if name != "train" and len(part) > limit
    }
    return rows | drawn


def _checkpoint(folder: Path, recipe: Recipe, resume: bool) -> Path | None:
    refuse_another_recipe(folder, recipe, resume)
    if not resume:
        return None
    last = folder / "checkpoints" / "last.ckpt"
    if not last.is_file():
        raise InputError(f"nothing to resume in {folder}: {last} is missing; train without --resume")
    return last


def fit_standardisations(
    jets: PreparedJets, rows: NDArray[np.int64], sampled: Sampled, recipe: Recipe
) -> dict[str, Standardisation]:
    """Fit the treatment of every input on jets of the training set, drawn by acceptance x weight.

    Parameters
    ----------
    jets : PreparedJets
        All jets.
    rows : int64 array
        The training set.
    sampled : Sampled
        Acceptance and weight of all jets.
    recipe : Recipe
        Features, transforms, seed.
    """
    share = (sampled.acceptance * sampled.weight)[rows].astype(np.float64)
    drawn = np.random.default_rng((recipe.seed, 2)).choice(rows, min(_JETS_TO_FIT, len(rows)), p=share / share.sum())
    fitted = {}
    for collection, names in recipe.feature_set.names().items():
        values = jets.features[f"{collection}_features"]
        if collection == "jet":
            values = values[drawn]
        else:
            values, _, _ = gather_jagged(values, jets.features[f"{collection}_offsets"], drawn)
        fitted[collection] = fit_standardisation(collection, names, values, recipe.transforms.get(collection))
    return fitted


def _fit(module: Any, batches: Any, folder: Path, recipe: Recipe, checkpoint: Path | None, progress: bool) -> Path:
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar, Timer

    from training.learning.loop import History
    from training.learning.schedule import Pace

    # What it says of accelerators and of services to buy is of no use here; warnings still come through.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    learning = recipe.learning
    best = ModelCheckpoint(
        folder / "checkpoints", "epoch-{epoch:03d}", monitor="val_loss", save_last=True, auto_insert_metric_name=False,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[Any] = [
        best,
        History(folder / "metrics.csv"),
    ]
    if learning.schedule == "cosine":
        callbacks.append(Pace(learning, batches.scheduled_batches))
    else:
        callbacks.append(
            EarlyStopping("val_loss", min_delta=learning.least_gain, patience=learning.stop_patience, mode="min")
        )
        if learning.max_minutes is not None:
            callbacks.append(Timer(timedelta(minutes=learning.max_minutes), interval="epoch", verbose=False))
    if progress:
        callbacks.append(RichProgressBar())
    trainer = Trainer(
        accelerator=learning.accelerator,
        devices=1,
        max_epochs=learning.max_epochs,
        callbacks=callbacks,
        logger=_logger(folder),
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        # lightning 2.6 asks torch 2.13 in a way that torch deprecates: nothing a reader can act on.
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
        # A resumed run goes on in its own folder.
        warnings.filterwarnings(
            "ignore", message="Checkpoint directory .* exists and is not empty", category=UserWarning
        )
        trainer.fit(module, datamodule=batches, ckpt_path=checkpoint, weights_only=True)
    return Path(best.best_model_path)


def _logger(folder: Path) -> Any:
    """TensorBoard where it is installed; ``metrics.csv`` is there in any case."""
    from lightning.pytorch.loggers import TensorBoardLogger

    try:
        metadata.version("tensorboard")
    except metadata.PackageNotFoundError:
        return False
    return TensorBoardLogger(folder, name="tensorboard", version=0)
