"""Hyperparameter search: short trainings of one recipe with other settings, chosen by optuna, kept in a study.

The study is an SQLite file and goes on where it was; its table is written anew after every trial. What defines the loss
(split, selection, sampling) is never varied: losses would not compare. A recipe with data is judged by what both show
of the weights that are kept: the loss of the simulation and the term of the data, whatever factor they were trained by.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder, whole_file
from training.learning.recipe import AnyRecipe, Recipe, TreesRecipe, parse_recipe
from training.learning.run_folder import read_run
from training.learning.tables import write_table
from training.learning.train import train
from training.networks.architecture import Architecture
from training.random_streams import search_seed

__all__ = ["search", "suggest"]


def search(recipe: AnyRecipe, trials: int, progress: bool = True) -> Path:
    """Train with other settings until the study has so many finished trials; return its folder.

    Parameters
    ----------
    recipe : Recipe or TreesRecipe
        The first trial is the recipe itself.
    trials : int
        Finished trials in all, those of an interrupted study included.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    Path
        ``runs/NAME-search`` with ``study.db``, ``study.csv``, ``study.md``, ``study.png``, and each trial's run.

    Raises
    ------
    InputError
        If optuna is missing.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("the search needs optuna: pip install 'coffea-mljec[train]', or make train-env") from None
    folder = recipe.runs / f"{recipe.name}-search"
    make_folder(folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    try:
        study = optuna.create_study(
            study_name=recipe.name, storage=storage, direction="minimize", load_if_exists=True,
        )  # fmt: skip
        study.sampler = optuna.samplers.TPESampler(seed=search_seed(recipe.seed, len(study.trials)))

        def objective(trial: Any) -> float:
            tried = recipe if trial.number == 0 else suggest(trial, recipe)
            named = parse_recipe(tried.model_dump() | {"name": f"trial-{trial.number:03d}", "runs": folder})
            run = read_run(train(named, progress=progress))
            trial.set_user_attr("parameters", run["parameters"])
            trial.set_user_attr("test_loss", run["metrics"].get("test_loss"))
            if "speed" in run:
                trial.set_user_attr("jets_per_second", round(run["speed"]["jets_per_second"]))
            if "in_situ" not in run:
                return float(run["metrics"]["val_loss"])
            kept = run["in_situ"]["kept_line"]
            for name in ("epoch", "supervised", "term", "largest_shift"):
                trial.set_user_attr(name, kept[name])
            return float(kept["supervised"] + kept["term"])

        while (left := trials - len(_done(study))) > 0:
            study.optimize(objective, n_trials=1, catch=())
            _write_tables(folder, study)
            if progress:
                typer.echo(f"{left - 1} trials left; best validation loss {study.best_value:.5f}", err=True)
        _write_tables(folder, study)
        _draw(folder / "study.png", _done(study))
    finally:
        storage.remove_session()
        storage.engine.dispose()
    return folder


def suggest(trial: Any, recipe: AnyRecipe) -> AnyRecipe:
    """Return the recipe with the settings of a trial.

    Networks: learning rate, batch size and batch norm's momentum; particle flow networks also the layers' widths and
    whether the constituents are pooled by their pT too.
    With data, the network being given: learning rate, factor of the term, and a particle flow network's dropout.
    Trees: learning rate, leaves, least jets in a leaf and penalty.
    """
    if isinstance(recipe, TreesRecipe):
        trees = {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
            "leaves": trial.suggest_int("leaves", 15, 255, log=True),
            "min_jets_in_leaf": trial.suggest_int("min_jets_in_leaf", 20, 1000, log=True),
            "l2": trial.suggest_float("l2", 1e-3, 30.0, log=True),
        }
        return parse_recipe(recipe.model_dump() | {"trees": recipe.trees.model_dump() | trees})
    if recipe.learning.in_situ.factor > 0:
        return _suggest_with_data(trial, recipe)
    learning = {
        "learning_rate": trial.suggest_float("learning_rate", 5e-4, 8e-3, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [256, 512, 1024, 2048]),
    }
    widths = recipe.widths.model_dump() | {"momentum": trial.suggest_float("momentum", 0.01, 0.2, log=True)}
    if isinstance(recipe.widths, Architecture):
        phi, head = trial.suggest_int("phi", 32, 128, step=16), trial.suggest_int("head", 64, 256, step=32)
        depth = trial.suggest_int("head_layers", 2, 5)
        widths |= {
            "phi_candidate": (phi // 4, phi // 2, phi),
            "phi_vertex": (phi // 8, phi // 4, phi // 2),
            "head": tuple(max(8, head >> layer) for layer in range(depth)),
            "pooling": tuple(trial.suggest_categorical("pooling", ["sum", "sum pt"]).split()),
        }
    changes = {"learning": recipe.learning.model_dump() | learning, "architecture": widths}
    return Recipe.model_validate(recipe.model_dump() | changes)


def _suggest_with_data(trial: Any, recipe: Recipe) -> Recipe:
    """The space of the slides that the term comes from, for the head."""
    content, widths = recipe.model_dump(), recipe.widths.model_dump()
    content["learning"]["learning_rate"] = trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)
    content["learning"]["in_situ"]["factor"] = trial.suggest_float("factor", 0.01, 10.0)
    if isinstance(recipe.widths, Architecture):
        widths["dropout"] = trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
    return Recipe.model_validate(content | {"architecture": widths})


def _done(study: Any) -> list[Any]:
    return [trial for trial in study.trials if trial.state.name == "COMPLETE"]


def _draw(path: Path, trials: list[Any]) -> None:
    """Draw the validation losses of the trials: in their order with the best so far, and over the parameters."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    order, size = figure.subplots(1, 2, sharey=True)
    numbers, losses = [trial.number for trial in trials], [trial.value for trial in trials]
    best = [min(losses[: i + 1]) for i in range(len(losses))]
    order.plot(numbers, losses, "o", numbers, best, "-")
    order.set_xlabel("trial (0: the recipe)")
    order.set_ylabel("validation loss")
    size.plot([trial.user_attrs["parameters"] for trial in trials], losses, "o")
    for trial in trials:
        size.annotate(str(trial.number), (trial.user_attrs["parameters"], trial.value), fontsize=7)
    size.set_xscale("log")
    size.set_xlabel("parameters")
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=80)


def _write_tables(folder: Path, study: Any) -> None:
    """Write the finished trials, best first, as ``study.csv`` and ``study.md``."""
    trials = sorted(_done(study), key=lambda trial: trial.value)
    parameters = sorted({name for trial in trials for name in trial.params})
    extra = ["test_loss", "parameters", "jets_per_second"]
    if any("term" in trial.user_attrs for trial in trials):
        extra += ["epoch", "supervised", "term", "largest_shift"]
    rows = [
        [str(trial.number), f"{trial.value:.6f}"]
        + [_text(trial.user_attrs.get(name)) for name in extra]
        + [_text(trial.params.get(name, "recipe" if not trial.params else "")) for name in parameters]
        for trial in trials
    ]
    columns = ["trial", "val_loss", *extra, *parameters]
    write_table(folder, "study", columns, rows)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
