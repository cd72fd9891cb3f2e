"""A study of unfolding: simulated events with another tune take the place of data, and their truth is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC, FactorizedJEC
from coffea_mljec.support.atomic import make_folder, write_text
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.workers.pool import Workers
from training import defaults
from training.applications.multifold import Paired
from training.applications.numbers import with_error
from training.applications.unfolding import VARIABLES, JetEvents, leading_jets, write_weights
from training.applications.unfolding_replicas import Replicas, migrations, replicas, spectra
from training.applications.unfolding_report import draw, report
from training.dataset.files import shards_of
from training.simulate.plan import Plan
from training.simulate.production import produce

__all__ = ["Unfolding", "simulate_samples", "study", "unfolding"]

_SCALE = 1.02  # of the energy of the jets in data, as an uncertainty

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Unfolding:
    """How samples are unfolded.

    Attributes
    ----------
    bins : int
        Of each variable, with equal numbers of simulated events.
    number : int
        Bootstrap replicas.
    iterations, seed : int
    workers : int or ClusterExecutor
        Processes.
    progress : bool
    """

    bins: int = 8
    number: int = 10
    iterations: int = 3
    seed: int = 1
    workers: Workers = 1
    progress: bool = True


def unfolding(
    output: Path, events: int = 10_000, model: str | None = None, how: Unfolding | None = None
) -> dict[str, Any]:
    """Simulate two samples, unfold one with the other; write ``report.md``, ``results.json``, a figure and weights.

    Parameters
    ----------
    output : Path
        Also keeps the simulated events.
    events : int
        Of the simulation; the data have half as many.
    model : str, optional
        Bundled model or model folder of the learnt correction; the default model.
    how : Unfolding, optional
        Its seed and workers are those of the simulation too.
    """
    how = how or Unfolding()
    files = simulate_samples(output, events, how.seed, how.workers)
    standard = FactorizedJEC.from_txt(sorted(defaults.JEC.glob("*.jec.txt")))
    learnt = MLJEC(fallback=standard) if model is None else MLJEC(model, fallback=standard)
    corrections = {"standard": standard, "learnt": learnt}
    simulation, data = (leading_jets(files[name], corrections) for name in ("simulation", "data"))
    found, factors = study(simulation, data, how)
    write_text(output / "results.json", json.dumps(found, indent=1))
    write_text(output / "report.md", report(found))
    draw(found, output / "unfolding.png")
    for path in files["simulation"]:
        friend = output / f"{path.stem}_weights.root"
        friend.unlink(missing_ok=True)
        write_weights(path, friend, simulation.identity, factors)
    return found


def simulate_samples(output: Path, events: int, seed: int = 1, workers: Workers = 1) -> dict[str, list[Path]]:
    """Simulate dijets, and half as many with ATLAS's tune A14, whose jets are slimmer; what is there is kept."""
    files = {}
    for name, tune, number, own in (("simulation", 14, events, seed), ("data", 21, events // 2, seed + 1)):
        plan = Plan.create(
            seed=own, events=number, shard_events=min(number, 500), shares={"qcd": 1.0}, pool_events=400,
            settings={"pileup_mean": 20.0, "pt_hat_min": 45.0, "pt_hat_max": 600.0, "tune": tune},
            selection={"ak8": False},
        )  # fmt: skip
        produce(make_folder(output / name), plan, workers, resume=True)
        files[name] = shards_of([output / name])
    return files


def study(simulation: JetEvents, data: JetEvents, how: Unfolding) -> tuple[dict[str, Any], Floats]:
    """Unfold the data with every correction and compare with their truth.

    Parameters
    ----------
    simulation, data : JetEvents
    how : Unfolding

    Returns
    -------
    found : dict
        Per variable: edges, truth of data and simulation, how far their means are apart; per correction: the fields of
        `Migration`, spectrum, covariance, and relative differences of means, with errors: ``unfolded`` from the truth
        of the data, ``closure`` (one half of the simulation unfolded with the other), ``scale`` (what an energy scale
        2 % higher changes).
    factors : float64 array [2 + number, n]
        Weights of the simulation with the last correction: nominal, with the scale shifted, then the replicas'.

    Raises
    ------
    InputError
        If a bin is empty, or there are too few events.
    """
    found: dict[str, Any] = {
        "events": {"simulation": len(simulation.true), "data": len(data.true)}, "replicas": how.number,
        "bins": how.bins, "variables": {},
    }  # fmt: skip
    for v, name in enumerate(VARIABLES):
        ours, theirs = simulation.true[:, v], data.true[:, v]
        edges = _edges(ours, how.bins)
        compared = migrations(
            ours, {c: values[:, v] for c, values in simulation.measured.items()}, edges, seed=how.seed
        )
        truth, before = (spectra(values, edges, np.ones((1, len(values))))[0].tolist() for values in (theirs, ours))
        found["variables"][name] = {
            "edges": edges.tolist(), "truth": truth, "simulation": before, "before": _apart(ours, theirs),
            "corrections": {c: one._asdict() | {"diagonal": one.diagonal.tolist()} for c, one in compared.items()},
        }  # fmt: skip
    half = np.random.default_rng(how.seed).random(len(simulation.true)) < 0.5
    factors = np.ones((1, len(simulation.true)))
    with progress_bar("unfolding", 3 * len(simulation.measured), "samples", shown=how.progress) as bar:

        def repeated(measured: Floats, sample: Paired) -> Replicas:
            bar.advance()
            return replicas(measured, sample, how.number, how.iterations, how.seed, how.workers)

        for correction, measured in simulation.measured.items():
            own = Paired(measured, simulation.true, np.ones(len(measured)))
            one = Paired(measured[half], simulation.true[half], np.ones(int(half.sum())))
            nominal = repeated(data.measured[correction], own)
            shifted = repeated(data.measured[correction] * np.array([_SCALE, _SCALE, 1.0]), own)
            closed = repeated(measured[~half], one)
            factors = np.vstack([nominal.factors[:1], shifted.factors[:1], nominal.factors[1:]])
            for v, name in enumerate(VARIABLES):
                content = found["variables"][name]
                values = simulation.true[:, v]
                unfolded = spectra(values, np.array(content["edges"]), nominal.factors)
                mean = _means(values, nominal.factors)
                content["corrections"][correction] |= {
                    "spectrum": unfolded[0].tolist(),
                    "covariance": np.cov(unfolded[1:].T).tolist(),
                    "unfolded": with_error(mean / _means(data.true[:, v], nominal.drawn) - 1.0),
                    "closure": with_error(
                        _means(values[half], closed.factors) / _means(values[~half], closed.drawn) - 1.0
                    ),
                    "scale": with_error(_means(values, shifted.factors) / mean - 1.0),
                }
    return found, factors


def _edges(values: Floats, bins: int) -> Floats:
    """Bins with equal numbers of simulated events; the outermost hold everything beyond."""
    inner = np.unique(np.round(np.quantile(values, np.linspace(0.0, 1.0, bins + 1)[1:-1])))
    return np.concatenate([[0.0], inner, [1e4]])


def _means(values: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ values / weights.sum(axis=1))


def _apart(first: Floats, second: Floats) -> tuple[float, float]:
    """The relative difference of two means, with its error."""
    ratio = float(first.mean() / second.mean())
    errors = [values.std(ddof=1) / values.mean() / np.sqrt(len(values)) for values in (first, second)]
    return ratio - 1.0, ratio * float(np.hypot(*errors))
