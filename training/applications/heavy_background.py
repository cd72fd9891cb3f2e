"""Jet pT under a large background: embedding, subtraction by every method, delta pT, a table and a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder, write_text
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.workers.pool import Workers, in_order
from training.applications.background_jets import EmbeddedJets, embed_batch, read_batches
from training.applications.background_report import draw, report
from training.applications.embedding import Embedding
from training.applications.numbers import with_error
from training.applications.subtraction import METHODS, subtract
from training.dataset import SPLITS, split_of

__all__ = ["POINTS", "Delta", "compare", "heavy_background"]

POINTS = {"20": (15.0, 25.0), "50": (40.0, 60.0), "100": (80.0, 120.0), "all": (15.0, 120.0)}
"""True pT in GeV -> window about it."""

_SPLIT = (0.5, 0.1, 0.4)
_BATCH = 100
_SOFTENED_FROM = 1000  # number of the first batch of softened jets: other hard scatters
_REPLICAS = 200

Floats = NDArray[np.float64]


class Delta(NamedTuple):
    """delta pT = pT_rec - pT_true of some jets, in GeV, each number with its bootstrap error.

    ``width`` is half of the interval that holds the central 68 %; ``gain`` that of the area method over this one's, on
    the same resampled jets.
    """

    jets: int
    mean: tuple[float, float]
    width: tuple[float, float]
    gain: tuple[float, float]


def compare(
    pt_rec: Mapping[str, Floats], pt_true: Floats, window: tuple[float, float], seed: int = 1
) -> dict[str, Delta]:
    """Return the mean and width of delta pT of every method for jets of a true pT.

    Parameters
    ----------
    pt_rec : mapping of str to float64 array [n]
        Method -> pT; ``area`` is what the others are compared with.
    pt_true : float64 array [n]
    window : (float, float)
        Range of the true pT.
    seed : int
        Of the resampling.

    Raises
    ------
    InputError
        If less than ten jets lie in the window.
    """
    rows = np.flatnonzero((pt_true > window[0]) & (pt_true < window[1]))
    if len(rows) < 10:
        raise InputError(
            f"{len(rows)} test jets of a true pT of {window[0]:g} to {window[1]:g} GeV are too few for a width: embed "
            "more hard scatters (--scatters)"
        )
    drawn = np.random.default_rng(seed).integers(0, len(rows), (_REPLICAS, len(rows)))
    resampled = np.vstack([np.arange(len(rows)), drawn])
    delta = {method: (values - pt_true)[rows][resampled] for method, values in pt_rec.items()}
    widths = {method: _width(values) for method, values in delta.items()}
    return {
        method: Delta(
            len(rows),
            with_error(values.mean(axis=1)),
            with_error(widths[method]),
            with_error(widths["area"] / widths[method]),
        )
        for method, values in delta.items()
    }


def _width(values: Floats) -> Floats:
    low, high = np.quantile(values, [0.15865, 0.84135], axis=1)
    return np.asarray(0.5 * (high - low))


def heavy_background(
    output: Path,
    scatters: int = 6000,
    density: float = 1800.0,
    radii: tuple[float, ...] = (0.2, 0.4, 0.6),
    epochs: int = 60,
    seed: int = 1,
    workers: Workers = 1,
    progress: bool = True,
) -> dict[str, Any]:
    """Embed jets, subtract the background in every way, and write ``report.md``, ``results.json`` and a figure.

    Parameters
    ----------
    output : Path
        Also keeps the embedded jets, batch by batch: an interrupted run goes on.
    scatters : int
        Hard scatters; a fifth as many again have a changed fragmentation.
    density : float
        Background particles a unit of pseudorapidity.
    radii : tuple of float
    epochs : int
        Of the networks.
    seed : int
    workers : int or ClusterExecutor
        Processes of the embedding.
    progress : bool

    Raises
    ------
    InputError
        For impossible settings, a folder with other jets, or too few jets.
    """
    settings = Embedding.create(density=density, radii=radii, seed=seed)
    output = make_folder(output).resolve()  # workers of a cluster have a working directory of their own
    _same_settings(output / "settings.json", settings)
    jobs = _jobs(settings, scatters, output)
    with progress_bar("embedding jets", len(jobs), f"batches of {_BATCH} hard scatters", shown=progress) as bar:
        written = []
        for path in in_order(embed_batch, jobs, workers):
            written.append(path)
            bar.advance()
    paths = {name: [path for path in written if path.parent.name == name] for name in _SAMPLES}
    found: dict[str, Any] = {"settings": settings.model_dump(mode="json"), "scatters": scatters, "radii": {}}
    for radius in radii:
        jets, other = (read_batches(paths[name], radius) for name in _SAMPLES)
        split = split_of(jets["scatter"].astype(np.int64), _SPLIT)
        rows = {name: np.flatnonzero(split == i) for i, name in enumerate(SPLITS)}
        pt = subtract(jets, rows, {"softened": other}, output / f"networks-{radius}", epochs, seed, progress)
        found["radii"][str(radius)] = _judge(pt, jets.take(rows["test"]), other, len(rows["train"]))
    write_text(output / "results.json", json.dumps(found, indent=1))
    write_text(output / "report.md", report(found))
    draw(found, output / "heavy_background.png")
    return found


_SAMPLES = ("jets", "softened")


def _jobs(settings: Embedding, scatters: int, output: Path) -> list[tuple[Embedding, int, int, Path]]:
    jobs = []
    for name, number, first in (("jets", scatters, 0), ("softened", scatters // 5, _SOFTENED_FROM)):
        own = settings.model_copy(update={"softened": name == "softened"})
        folder = make_folder(output / name)
        jobs += [(own, _BATCH, first + i, folder) for i in range(max(1, number // _BATCH))]
    return jobs


def _same_settings(path: Path, settings: Embedding) -> None:
    text = settings.model_dump_json()
    if path.is_file() and path.read_text() != text:
        raise InputError(f"{path.parent} holds jets of other settings ({path.read_text()}): give another folder")
    write_text(path, text)


def _judge(
    pt: Mapping[str, Mapping[str, Floats]], test: EmbeddedJets, other: EmbeddedJets, trained_on: int
) -> dict[str, Any]:
    """Return the numbers of one radius: delta pT in every window, and the bias by fragmentation."""
    reconstructed = {method: values["test"] for method, values in pt.items()}
    true = test["pt_true"]
    points = {
        point: {method: delta._asdict() for method, delta in compare(reconstructed, true, window).items()}
        for point, window in POINTS.items()
    }
    low, high = POINTS["all"]
    inside, inside_other = ((sample["pt_true"] > low) & (sample["pt_true"] < high) for sample in (test, other))
    bias = {}
    for method in METHODS:
        delta = reconstructed[method] - true
        changed = (pt[method]["softened"] - other["pt_true"])[inside_other]
        quark, gluon = (delta[inside & mask] for mask in (_is_quark(test), test["flavour"] == 21))
        bias[method] = {"gluon - quark": _difference(gluon, quark), "softened": _difference(changed, delta[inside])}
    return {"trained_on": trained_on, "points": points, "bias": bias}


def _is_quark(jets: EmbeddedJets) -> NDArray[np.bool_]:
    return (jets["flavour"] >= 1) & (jets["flavour"] <= 5)


def _difference(first: Floats, second: Floats) -> tuple[float, float]:
    """The difference of two means, with its error."""
    if min(len(first), len(second)) < 2:
        raise InputError("too few quark or gluon jets to compare: embed more hard scatters (--scatters)")
    variance = first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)
    return float(first.mean() - second.mean()), float(np.sqrt(variance))
