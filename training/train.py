"""Train a network: prepared jets -> splits -> sampling -> Lightning -> a run folder with the best weights."""

from __future__ import annotations

import logging
import warnings
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.dataset import SPLITS, PreparedJets, prepare, split_of
from training.dataset.gather import gather_jagged
from training.networks.standardisation import Standardisation, fit_standardisation
from training.outcome import losses, plot_losses, record
from training.recipe import Recipe, read_recipe
from training.run import write_run
from training.sampling import Sampled, plot_sampling, sample

__all__ = ["command", "fit_standardisations", "train"]

#: Jets of the training set from which shift and scale of the inputs are fitted.
_JETS_TO_FIT = 50_000


def command(
    recipe: Annotated[Path, typer.Argument(help="Recipe: YAML or TOML, such as training/configs/pfn-r-lite.yaml.")],
    resume: Annotated[bool, typer.Option(help="Go on after the last finished epoch of this recipe's run.")] = False,
    max_minutes: Annotated[float | None, typer.Option(help="End after the epoch in which this time is over.")] = None,
    production: Annotated[
        list[Path] | None, typer.Option(help="ROOT files or folders, in place of the recipe's.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="Folder for runs, in place of the recipe's.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of torch, in place of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the recipe's.")] = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Train a network as the recipe says; the run's folder is RUNS/NAME."""
    read = read_recipe(recipe)
    changes: dict[str, Any] = {}
    if production:
        changes["productions"] = tuple(production)
    if runs is not None:
        changes["runs"] = runs
    if seed is not None:
        changes["seed"] = seed
    learning = {"max_minutes": max_minutes, "threads": threads}
    learning = {name: value for name, value in learning.items() if value is not None}
    changes["learning"] = read.learning.model_dump() | learning
    folder = train(read_recipe(recipe, **changes), resume=resume, progress=not quiet)
    typer.echo(f"trained: {folder}; next: python -m training export {folder} -o FOLDER")


def train(recipe: Recipe, resume: bool = False, progress: bool = True) -> Path:
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
        ``metrics.csv`` (losses and speed of every epoch), ``checkpoints/``, ``sampling.png`` and ``loss.png``.

    Raises
    ------
    InputError
        If torch is missing, the run exists and ``resume`` is false, there is nothing to resume, or a split is empty.
    """
    try:
        import lightning
        import torch
    except ImportError:
        raise InputError(
            "training needs torch and lightning: pip install 'coffea-mljec[train]', or make train-env"
        ) from None
    from training.learning import JetBatches, Regression
    from training.networks.network import make_network

    folder = recipe.runs / recipe.name
    checkpoint = _checkpoint(folder, recipe, resume)
    torch.set_num_threads(recipe.learning.threads)
    lightning.seed_everything(recipe.seed, verbose=False)
    jets = prepare(recipe.productions, recipe.feature_set, recipe.selection, recipe.cache, progress)
    rows = _split(jets, recipe)
    sampled = _sampled(jets, rows, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    recipe.write(folder / "recipe.yaml")
    columns = jets.columns
    chosen = rows["train"]
    thinned = Sampled(sampled.acceptance[chosen], sampled.weight[chosen], sampled.report)
    plot_sampling(
        folder / "sampling.png", columns["pt_gen"][chosen], columns["eta_gen"][chosen], columns["flavour"][chosen],
        thinned, recipe.sampling,
    )  # fmt: skip
    network = make_network(recipe.widths, fit_standardisations(jets, chosen, sampled, recipe))
    module = Regression(network, recipe.learning)
    batches = JetBatches(jets, chosen, rows["val"], sampled, recipe.learning, recipe.seed)
    best = _fit(module, batches, folder, recipe, checkpoint, progress)
    state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): values for name, values in state.items()})
    network.cpu().eval()
    metrics = losses(network, jets, rows, sampled, recipe)
    write_run(folder, network, record(recipe, jets, rows, sampled, network, metrics))
    plot_losses(folder)
    return folder


def _checkpoint(folder: Path, recipe: Recipe, resume: bool) -> Path | None:
    last = folder / "checkpoints" / "last.ckpt"
    if not resume:
        if (folder / "recipe.yaml").exists():
            raise InputError(
                f"the run {folder} exists: --resume goes on with it; otherwise rename the recipe or remove the run"
            )
        return None
    if not last.is_file():
        raise InputError(f"nothing to resume in {folder}: {last} is missing; train without --resume")
    before = read_recipe(folder / "recipe.yaml")
    limits = {"max_epochs", "max_minutes", "threads", "accelerator"}
    old, new = (r.model_dump(mode="json", exclude={"learning": limits}) for r in (before, recipe))
    if old != new:
        changed = sorted(name for name in old if old[name] != new[name])
        raise InputError(
            f"the recipe of {folder} differs in {', '.join(changed)}: a run goes on with its own recipe only"
        )
    return last


def _split(jets: PreparedJets, recipe: Recipe) -> dict[str, NDArray[np.int64]]:
    split = split_of(jets.columns["scatter"], recipe.split)
    rows = {name: np.flatnonzero(split == i) for i, name in enumerate(SPLITS)}
    if empty := [name for name in ("train", "val") if not len(rows[name])]:
        raise InputError(f"no jets in {', '.join(empty)} of {len(jets)} selected ones: simulate more, or change split")
    return rows


def _sampled(jets: PreparedJets, rows: dict[str, NDArray[np.int64]], recipe: Recipe) -> Sampled:
    # Each split on its own, so that each follows the target and nothing of one enters the weights of another.
    acceptance = np.zeros(len(jets), np.float32)
    weight = np.zeros(len(jets), np.float32)
    reports = {}
    for name, chosen in rows.items():
        if len(chosen):
            pt, eta, flavour = (jets.columns[column][chosen] for column in ("pt_gen", "eta_gen", "flavour"))
            part = sample(pt, eta, flavour, recipe.sampling)
            acceptance[chosen], weight[chosen], reports[name] = part.acceptance, part.weight, part.report
    return Sampled(acceptance, weight, reports)


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

    from training.learning import History

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
        EarlyStopping("val_loss", min_delta=learning.least_gain, patience=learning.stop_patience, mode="min"),
    ]
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
