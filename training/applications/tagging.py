"""Tagging: quark against gluon, b and c against light, top against QCD, by the networks that correct jets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.defaults import MODEL
from coffea_mljec.errors import InputError
from coffea_mljec.models import open_model
from coffea_mljec.support.atomic import make_folder, write_text
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.workers.pool import Workers, in_order
from training.applications.fitting import evaluate_network, fit_network
from training.applications.four_vectors import FourVectorJets, prepared, read_reference
from training.applications.numbers import with_error
from training.applications.rates import rates, roc
from training.applications.tagging_report import draw, report
from training.applications.top_jets import joined, top_jets
from training.learning.classes import class_numbers
from training.learning.further import log_correction
from training.learning.recipe import Recipe, read_recipe
from training.learning.run_folder import read_network
from training.learning.settings import Learning
from training.learning.train import train
from training.learning.training_data import prepare_data
from training.networks.architecture import Architecture
from training.simulate.plan import Plan
from training.simulate.production import produce

__all__ = ["correlation", "tag_flavours", "tag_tops", "tagging"]

_RECIPES = Path(__file__).resolve().parents[1] / "configs" / "tagging"
_SHARES = {"qcd": 0.5, "qcd-b": 0.25, "qcd-c": 0.25}
_TOP = Architecture(phi_candidate=(64, 64, 64), head=(64, 64), momentum=0.2)
_TOP_BATCH = 500
_POINTS = np.linspace(0.02, 1.0, 50)

Floats = NDArray[np.float64]


def tagging(
    output: Path,
    productions: Sequence[Path] = (),
    events: int = 6000,
    top_scatters: int = 8000,
    top_files: Sequence[Path] = (),
    top_jets_at_most: int = 20_000,
    epochs: int = 15,
    seed: int = 1,
    workers: Workers = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Train and judge three taggers; write ``report.md``, ``results.json`` and ``tagging.png``.

    Parameters
    ----------
    output : Path
        Also keeps simulated events and runs.
    productions : sequence of Path
        Folders or files of simulated PFNano; none: ``events`` are simulated, with 20 interactions.
    events : int
    top_scatters : int
        Hard scatters of top pairs, and as many of QCD.
    top_files : sequence of Path
        Files of the top tagging reference set, training and test, in the place of Pythia's.
    top_jets_at_most : int
        Jets that are read of each of them.
    epochs : int
    seed : int
    workers : int or ClusterExecutor
    progress : bool

    Raises
    ------
    InputError
        If a class has no jets, or a file cannot be read.
    """
    make_folder(output)
    parts = [read_reference(path, 0, top_jets_at_most) for path in top_files]
    if not productions:
        plan = Plan.create(
            seed=seed, events=events, shard_events=250, shares=_SHARES, pool_events=1000,
            settings={"pileup_mean": 20.0, "pt_hat_min": 25.0, "pt_hat_max": 800.0}, selection={"ak8": False},
        )  # fmt: skip
        produce(output / "production", plan, workers, resume=True)
        productions = [output / "production"]
    found = {
        task: tag_flavours(task, productions, output, epochs, seed, workers, progress)
        for task in ("quark-gluon", "flavour")
    }
    sample = "the reference set" if parts else "Pythia 8"
    parts = parts or _generated(top_scatters, seed, workers, progress)
    found["top"] = tag_tops(joined(parts), output / "top", epochs, seed, progress) | {"sample": sample}
    write_text(output / "results.json", json.dumps(found, indent=1))
    write_text(output / "report.md", report(found))
    draw(found, output / "tagging.png")
    return found


def tag_flavours(
    task: str, productions: Sequence[Path], output: Path, epochs: int, seed: int, threads: int, progress: bool
) -> dict[str, Any]:
    """Train a recipe of ``training/configs/tagging`` and judge it on the test split, classes with one spectrum."""
    read = read_recipe(
        _RECIPES / f"{task}.yaml", productions=tuple(productions), cache=output / "prepared",
        runs=output / "runs", seed=seed,
    )  # fmt: skip
    assert isinstance(read, Recipe)
    learning = read.learning.model_copy(update={"max_epochs": epochs, "threads": threads})
    recipe = read.model_copy(update={"learning": learning, "name": f"{read.name}-{seed}-{epochs}"})
    done = (recipe.folder / "run.json").is_file()
    started = (recipe.folder / "checkpoints" / "last.ckpt").is_file()
    run = recipe.folder if done else train(recipe, resume=started, progress=progress)
    data = prepare_data(recipe, progress)
    rows = data.rows["test"]
    logits = evaluate_network(read_network(run), data.jets, rows)
    probability = _softmax(logits)
    numbers = class_numbers(data.jets.columns["flavour"][rows], learning.classes)
    weight = data.weights.expected[rows].astype(np.float64)
    scatter = data.jets.columns["scatter"][rows]
    names = list(learning.classes)
    found: dict[str, Any] = {"jets": {name: len(part) for name, part in data.rows.items()}, "rates": {}, "curves": {}}
    for signal, background in _PAIRS[task]:
        s, b = names.index(signal), names.index(background)
        pair = np.isin(numbers, (s, b))
        score = probability[pair, s] / (probability[pair, s] + probability[pair, b])
        label = f"{signal} against {background}"
        found["rates"][label] = rates(score, numbers[pair] == s, weight[pair], scatter[pair])._asdict()
        found["curves"][label] = _curve(score, numbers[pair] == s, weight[pair])
    if task == "quark-gluon":
        gluon, generated = probability[:, names.index("gluon")], data.jets.columns["pt_gen"][rows].astype(np.float64)
        raw = data.jets.columns["pt_raw"][rows] / generated
        corrected = raw * np.exp(log_correction(open_model(MODEL), data.jets)[rows])
        masks = {"all": numbers >= 0, "quarks": numbers == 0, "gluons": numbers == 1}
        found["correlation"] = {
            what: {
                name: correlation(gluon[mask], response[mask], generated[mask], scatter[mask])
                for name, mask in masks.items()
            }
            for what, response in (("raw", raw), (MODEL, corrected))
        }
    return found


_PAIRS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "quark-gluon": (("quark", "gluon"),),
    "flavour": (("b", "light"), ("b", "c"), ("c", "light")),
}


def correlation(
    score: Floats, response: Floats, pt_gen: Floats, scatter: NDArray[np.integer] | None = None, seed: int = 1
) -> tuple[float, float]:
    """Return the rank correlation of a score with the response, at equal generator pT, and its bootstrap error.

    Both are ranked within tenths of the jets by pT: how either changes with pT does not count. Jets of one hard scatter
    are resampled together.

    Raises
    ------
    InputError
        If there are fewer than 100 jets.
    """
    if len(score) < 100:
        raise InputError(f"{len(score)} jets are too few for a correlation: give 100 or more")
    part = np.argsort(np.argsort(pt_gen, kind="stable"), kind="stable") * 10 // len(pt_gen)
    ranks = np.zeros((2, len(score)))
    for i in range(10):
        mine = np.flatnonzero(part == i)
        for row, values in enumerate((score, response)):
            ranks[row, mine] = np.argsort(np.argsort(values[mine], kind="stable"), kind="stable") / len(mine)
    together = np.arange(len(score)) if scatter is None else np.unique(scatter, return_inverse=True)[1]
    drawn = np.random.default_rng(seed).poisson(1.0, (100, int(together.max()) + 1))[:, together]
    weights = np.vstack([np.ones(len(score), np.int64), drawn])
    return with_error(np.array([_correlation(ranks, weight) for weight in weights]))


def _correlation(pairs: Floats, weight: NDArray[np.int64]) -> float:
    covariance = np.cov(pairs, fweights=weight)
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def tag_tops(jets: FourVectorJets, folder: Path, epochs: int, seed: int, progress: bool) -> dict[str, Any]:
    """Train a particle flow network on four-momenta alone and judge it on jets that it has not seen."""
    order = np.random.default_rng(seed).permutation(len(jets))
    ends = np.cumsum([int(0.5 * len(jets)), int(0.1 * len(jets))])
    rows = dict(zip(("train", "val", "test"), np.split(order, ends), strict=True))
    learning = Learning(
        loss="cross-entropy", classes={"QCD": (0,), "top": (6,)}, batch_size=128, learning_rate=3e-3,
        schedule="cosine", max_epochs=epochs, threads=1, accelerator="cpu",
    )  # fmt: skip
    data = prepared(jets)
    network = fit_network(data, rows, _TOP, learning, folder, seed, progress)
    score = _softmax(evaluate_network(network, data, rows["test"]))[:, 1]
    top = jets.top[rows["test"]]
    return {
        "jets": {name: len(part) for name, part in rows.items()},
        "rates": {"top against QCD": rates(score, top)._asdict()},
        "curves": {"top against QCD": _curve(score, top, np.ones(len(top)))},
    }


def _generated(scatters: int, seed: int, workers: Workers, progress: bool) -> list[FourVectorJets]:
    size = min(_TOP_BATCH, scatters)
    jobs = [(process, seed, size, i) for process in ("ttbar", "qcd") for i in range(max(1, scatters // size))]
    parts = []
    with progress_bar("generating top and QCD jets", len(jobs), "batches", shown=progress) as bar:
        for part in in_order(top_jets, jobs, workers):
            parts.append(part)
            bar.advance()
    return parts


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _curve(score: Floats, signal: NDArray[np.bool_], weight: Floats) -> list[float]:
    """Background efficiency at `_POINTS` of signal efficiency, for the figure."""
    kept, passed = roc(score, signal, weight)
    return [float(value) for value in np.interp(_POINTS, kept, passed)]
