"""A study of unfolding: simulated events with another shower take the place of data, and their truth is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC, FactorizedJEC
from coffea_mljec.support.atomic import make_folder, whole_file, write_text
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.validation.common.style import colour, head, legend, marker, new_figure, style
from training import defaults
from training.applications.multifold import Paired, binned, unfold
from training.applications.unfolding import VARIABLES, JetEvents, leading_jets, purity, replicas, write_weights
from training.dataset.files import shards_of
from training.simulate.plan import Plan
from training.simulate.production import produce

__all__ = ["draw", "report", "simulate_samples", "study", "unfolding"]

_BINS = 5
_SCALE = 1.02  # of the energy of the jets in data, as an uncertainty

Floats = NDArray[np.float64]


def unfolding(
    output: Path,
    events: int = 3000,
    model: str | None = None,
    number: int = 10,
    iterations: int = 3,
    seed: int = 1,
    workers: int = 1,
    progress: bool = True,
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
    number : int
        Bootstrap replicas.
    iterations : int
    seed : int
    workers : int
    progress : bool
    """
    files = simulate_samples(output, events, seed, workers)
    standard = FactorizedJEC.from_txt(sorted(defaults.JEC.glob("*.jec.txt")))
    learnt = MLJEC(fallback=standard) if model is None else MLJEC(model, fallback=standard)
    corrections = {"standard": standard, "learnt": learnt}
    simulation, data = (leading_jets(files[name], corrections) for name in ("simulation", "data"))
    found, factors = study(simulation, data, number, iterations, seed, progress)
    write_text(output / "results.json", json.dumps(found, indent=1))
    write_text(output / "report.md", report(found))
    draw(found, output / "unfolding.png")
    for path in files["simulation"]:
        friend = output / f"{path.stem}_weights.root"
        friend.unlink(missing_ok=True)
        write_weights(path, friend, simulation.identity, factors)
    return found


def simulate_samples(output: Path, events: int, seed: int = 1, workers: int = 1) -> dict[str, list[Path]]:
    """Simulate dijets with the simple shower, and half as many with Vincia's; what is there is kept."""
    files = {}
    for name, shower, number, own in (
        ("simulation", "simple", events, seed),
        ("data", "vincia", events // 2, seed + 1),
    ):
        plan = Plan.create(
            seed=own, events=number, shard_events=min(number, 500), shares={"qcd": 1.0}, pool_events=400,
            settings={"pileup_mean": 20.0, "pt_hat_min": 45.0, "pt_hat_max": 600.0, "shower": shower},
            selection={"ak8": False},
        )  # fmt: skip
        produce(make_folder(output / name), plan, workers, resume=True)
        files[name] = shards_of([output / name])
    return files


def study(
    simulation: JetEvents, data: JetEvents, number: int = 10, iterations: int = 3, seed: int = 1, progress: bool = True
) -> tuple[dict[str, Any], Floats]:
    """Unfold the data with every correction and compare with their truth.

    Parameters
    ----------
    simulation, data : JetEvents
    number : int
        Bootstrap replicas.
    iterations, seed : int
    progress : bool

    Returns
    -------
    found : dict
        Per variable: edges, truth of data and simulation; per correction: share of events that stay in their bin, with
        error, spectrum, covariance, closure and the effect of the energy scale.
    factors : float64 array [2 + number, n]
        Weights of the simulation with the last correction: nominal, with the scale shifted, then the replicas'.

    Raises
    ------
    InputError
        If a bin is empty, or there are too few events.
    """
    every = {v: _edges(simulation.true[:, v]) for v in range(len(VARIABLES))}
    found: dict[str, Any] = {
        "events": {"simulation": len(simulation.true), "data": len(data.true)}, "replicas": number, "variables": {}
    }  # fmt: skip
    for v, name in enumerate(VARIABLES):
        found["variables"][name] = {
            "edges": every[v].tolist(),
            "truth": _shares(data.true[:, v], every[v]).tolist(),
            "simulation": _shares(simulation.true[:, v], every[v]).tolist(),
            "corrections": {},
        }
    factors = np.ones((1, len(simulation.true)))
    with progress_bar("unfolding", len(simulation.measured), "corrections", shown=progress) as bar:
        for correction, measured in simulation.measured.items():
            own = Paired(measured, simulation.true, np.ones(len(measured)))
            nominal, spectra = replicas(data.measured[correction], own, every, number, iterations, seed)
            closed, half = _closure(own, iterations, seed)
            moved = data.measured[correction] * np.array([_SCALE, _SCALE, 1.0])
            shifted = unfold(moved, own, iterations, seed)
            factors = np.vstack([nominal[:1], shifted, nominal[1:]])
            for v, name in enumerate(VARIABLES):
                covariance = np.cov(spectra[v][1:].T)
                closure = _shares(own.true[half, v], every[v], closed) - _shares(own.true[~half, v], every[v])
                found["variables"][name]["corrections"][correction] = {
                    "stays": purity(own.true[:, v], measured[:, v], every[v], seed),
                    "unfolded": spectra[v][0].tolist(),
                    "covariance": covariance.tolist(),
                    "closure": closure.tolist(),
                    "scale": (_shares(own.true[:, v], every[v], shifted) - spectra[v][0]).tolist(),
                }
            bar.advance()
    return found, factors


def _edges(values: Floats) -> Floats:
    """Bins with equal numbers of simulated events; the outermost hold everything beyond."""
    inner = np.unique(np.round(np.quantile(values, np.linspace(0.0, 1.0, _BINS + 1)[1:-1])))
    return np.concatenate([[0.0], inner, [1e4]])


def _shares(values: Floats, edges: Floats, weight: Floats | None = None) -> Floats:
    spectrum = binned(values, edges, np.ones(len(values)) if weight is None else weight)
    return np.asarray(spectrum / spectrum.sum())


def _closure(own: Paired, iterations: int, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Unfold one half of the simulation with the other; return the factors, and which half they belong to."""
    half = np.random.default_rng(seed).random(len(own.weight)) < 0.5
    sample = Paired(own.measured[half], own.true[half], own.weight[half])
    return unfold(own.measured[~half], sample, iterations, seed), half


def _pull(difference: Sequence[float], errors: Floats) -> float:
    """The root mean square of differences in units of their errors."""
    return float(np.sqrt(np.mean((np.asarray(difference) / errors) ** 2)))


def report(found: Mapping[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = [
        "# Unfolding", "",
        f"{found['events']['simulation']} simulated events, {found['events']['data']} of data, {found['replicas']} "
        "replicas. 'Stays': mean share of events that are measured in their own bin. Deviations are from the truth of "
        "the data, root mean square over the bins in units of the error of the unfolded spectrum.", "",
        "| variable | correction | stays, % | before unfolding | unfolded | closure | scale + 2 % |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, content in found["variables"].items():
        for correction, own in content["corrections"].items():
            errors = np.sqrt(np.diag(own["covariance"]))
            truth = np.array(content["truth"])
            cells = [
                _pull(np.array(content["simulation"]) - truth, errors),
                _pull(np.array(own["unfolded"]) - truth, errors),
            ]
            cells += [_pull(own["closure"], errors), _pull(own["scale"], errors)]
            stays = f"{100 * own['stays'][0]:.1f} ± {100 * own['stays'][1]:.1f}"
            lines.append(f"| {name} | {correction} | {stays} | {' | '.join(f'{cell:.1f}' for cell in cells)} |")
    return "\n".join([*lines, ""])


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the unfolded spectra over the truth of the data, a panel a variable."""
    labels = {"pt": "Jet $p_T$ (GeV)", "mass": "Jet mass (GeV)", "multiplicity": "Particles"}
    with style():
        figure, panels = new_figure(1, len(labels), (14.5, 5.2), (1.0, 0.2, 0.85, 0.45), wspace=0.25)
        for axes, (name, content) in zip(panels, found["variables"].items(), strict=True):
            bins = range(len(content["truth"]))
            truth = np.array(content["truth"])
            axes.axhline(1.0, color="0.6", linewidth=1.0, zorder=0)
            axes.plot(
                bins, np.array(content["simulation"]) / truth, "--", color="0.4", label="simulation, not unfolded"
            )
            for index, (correction, own) in enumerate(content["corrections"].items()):
                errors = np.sqrt(np.diag(own["covariance"])) / truth
                axes.errorbar(
                    [i + 0.12 * (index - 0.5) for i in bins], np.array(own["unfolded"]) / truth, errors,
                    linestyle="none", marker=marker(index + 1), color=colour(index + 1),
                    label=f"unfolded, {correction}",
                )  # fmt: skip
            edges = content["edges"]
            names = [f"< {edges[1]:.0f}", *(f"{a:.0f}-{b:.0f}" for a, b in pairwise(edges[1:-1]))]
            axes.set_xticks(list(bins), [*names, f"> {edges[-2]:.0f}"], fontsize=12)
            axes.tick_params(axis="x", which="minor", bottom=False, top=False)
            axes.set_ylim(0.55, 1.75)
            axes.set_xlabel(labels[name])
        panels[0].set_ylabel("Spectrum over truth of the data")
        legend(panels[0], fontsize=12)
        head(panels[0], "coffea-mljec simulation")
        with whole_file(path, ".part.png") as temporary:
            figure.savefig(temporary, format="png", dpi=80)
