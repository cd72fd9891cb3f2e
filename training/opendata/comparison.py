"""Networks on the public sample, in the bins of the published results, beside the published numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC
from coffea_mljec.defaults import REPLICAS
from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder, write_text
from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, FLAVOURS, SIX_FLAVOURS
from coffea_mljec.workers.pool import Workers
from training.evaluate.jets import EvaluatedJets, read_evaluated_jets
from training.evaluate.weights import replicas_of

__all__ = ["INTERVALS", "REGIONS", "Measure", "compare", "measured"]

REGIONS = {"|eta| < 1.3": (0.0, 1.3), "1.3 < |eta| < 2.5": (1.3, 2.5)}
"""Published regions of the generator jet's |eta|."""
INTERVALS = {
    ">30": (30.0, np.inf), "30-100": (30.0, 100.0), "100-300": (100.0, 300.0), "300-1000": (300.0, 1000.0),
    ">1000": (1000.0, np.inf),
}  # fmt: skip
"""Published intervals of the generator jet's pT (GeV)."""

STORED = "stored L1L2L3"
PUBLISHED = ("PFN", "ParticleNet")
FEWEST = 50
"""Jets below which a number says nothing."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """A number in per cent with its bootstrap error; NaN where there are too few jets."""

    value: float
    error: float

    def __str__(self) -> str:
        return "-" if np.isnan(self.value) else f"{self.value:.1f} ± {self.error:.1f}"


def compare(
    productions: Sequence[Path],
    output: Path,
    models: Sequence[str],
    *,
    cache: Path | None = None,
    replicas: int = REPLICAS,
    workers: Workers = 1,
    progress: bool = True,
) -> Path:
    """Measure models against the stored pT; write ``report.md`` and ``opendata.json`` into a folder.

    As published: the same jets for all, without numerical inversion, every jet once.

    Parameters
    ----------
    productions : sequence of Path
        Converted tuples that no model was trained on: folders, or files.
    output : Path
    models : sequence of str
        Bundled names or model folders.
    cache, workers, progress
        As of `training.evaluate.jets.read_evaluated_jets`.
    replicas : int
        Bootstrap resamples behind the errors.

    Returns
    -------
    Path
        ``report.md``.

    Raises
    ------
    InputError
        If there is no model, two have one name, or no jet can be judged.
    """
    providers = [MLJEC(name) for name in models]
    names = [provider.name for provider in providers]
    if not names or len(set(names)) < len(names):
        raise InputError(f"give models of different names, got {', '.join(names) or 'none'}.")
    jets = read_evaluated_jets(productions, dict(zip(names, providers, strict=True)), cache, None, progress, workers)
    found = measured(jets, replicas_of(jets, replicas))
    make_folder(output)
    numbers = {
        "productions": [str(path) for path in productions], "counts": jets.counts, "published": _published()["source"],
        "models": {name: provider.card.training.model_dump() for name, provider in zip(names, providers, strict=True)},
        "measured": _plain(found),
    }  # fmt: skip
    write_text(output / "opendata.json", json.dumps(numbers, indent=1) + "\n")
    samples = {name: provider.card.training.sample for name, provider in zip(names, providers, strict=True)}
    write_text(output / "report.md", _report(found, jets, samples))
    return output / "report.md"


def measured(jets: EvaluatedJets, replicas: NDArray[np.uint8]) -> dict[str, Any]:
    """Beta and alpha of every model relative to the stored pT, in every published bin.

    Parameters
    ----------
    jets : EvaluatedJets
    replicas : uint8 array, shape (n, R)
        How often each jet enters each bootstrap replica.

    Returns
    -------
    dict
        ``beta`` -> model -> region -> flavour -> interval -> `Measure`; ``alpha`` -> model -> region -> interval.
    """
    weights = np.column_stack([np.ones(len(jets), np.uint8), replicas])
    stored = jets["pt_stored"].astype(np.float64)
    responses = {name: pt / jets["pt_gen"] for name, pt in ({STORED: stored} | jets.pt).items()}
    index = {name: [FLAVOURS.index(one) for one in group] for name, group in FLAVOUR_GROUPS.items()}
    beta: dict[str, Any] = {name: {} for name in jets.pt}
    alpha: dict[str, Any] = {name: {} for name in jets.pt}
    for region, (low, high) in REGIONS.items():
        inside = (jets["abs_eta_gen"] >= low) & (jets["abs_eta_gen"] < high)
        for interval, (least, most) in INTERVALS.items():
            cell = inside & (jets["pt_gen"] >= least) & (jets["pt_gen"] < most)
            for group in _published()["beta"][region]:
                rows = np.flatnonzero(cell & np.isin(jets["flavour"], index[group]))
                width = {name: _width(response[rows], weights[rows]) for name, response in responses.items()}
                for name in jets.pt:
                    value = _in_per_cent(1.0 - width[name] / width[STORED])
                    beta[name].setdefault(region, {}).setdefault(group, {})[interval] = value
            spread = {name: _spread(response, cell, jets, weights) for name, response in responses.items()}
            for name in jets.pt:
                alpha[name].setdefault(region, {})[interval] = _in_per_cent(1.0 - spread[name] / spread[STORED])
    return {"beta": beta, "alpha": alpha}


def _width(response: FloatArray, weights: NDArray[np.uint8]) -> FloatArray:
    """(Q75 - Q25) / Q50 of the jets and of every replica."""
    low, median, high = _quantiles(response, weights, (0.25, 0.5, 0.75))
    return (high - low) / median


def _spread(
    response: FloatArray, cell: NDArray[np.bool_], jets: EvaluatedJets, weights: NDArray[np.uint8]
) -> FloatArray:
    """Sum over the six flavours of |median - mean of the six medians|."""
    medians = []
    for flavour in SIX_FLAVOURS:
        rows = np.flatnonzero(cell & (jets["flavour"] == FLAVOURS.index(flavour)))
        medians.append(_quantiles(response[rows], weights[rows], (0.5,))[0])
    found = np.array(medians)
    return np.abs(found - found.mean(axis=0)).sum(axis=0)


def _quantiles(values: FloatArray, weights: NDArray[np.uint8], levels: Sequence[float]) -> FloatArray:
    """Weighted quantiles, shape (levels, columns of weights); NaN of too few jets."""
    if len(values) < FEWEST:
        return np.full((len(levels), weights.shape[1]), np.nan)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    found = np.empty((len(levels), weights.shape[1]))
    for column in range(weights.shape[1]):
        total = np.cumsum(weights[order, column], dtype=np.float64)
        # The middle of each jet's share of the total.
        middle = total - 0.5 * weights[order, column]
        found[:, column] = np.interp(np.asarray(levels) * total[-1], middle, ordered)
    return found


def _in_per_cent(values: FloatArray) -> Measure:
    """The first is the value, the others are replicas."""
    return Measure(float(100 * values[0]), float(100 * np.std(values[1:], ddof=1)))


@cache
def _published() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(__file__).parent / "published.json").read_text())
    return content


def _plain(found: Any) -> Any:
    if isinstance(found, Measure):
        return None if np.isnan(found.value) else [round(found.value, 3), round(found.error, 3)]
    return {name: _plain(value) for name, value in found.items()}


def _report(found: Mapping[str, Any], jets: EvaluatedJets, samples: Mapping[str, str]) -> str:
    names = list(jets.pt)
    lines = [
        "# Networks on CMS Open Data record 12100, beside published results",
        "",
        f"{len(jets):,} jets of {len(jets.files)} files, all relative to the pT that the tuples store (L1L2L3), in per "
        "cent. beta: how much narrower the response is, (Q75 - Q25) / Q50. alpha: how much less the six flavours' "
        "medians differ. No numerical inversion; every jet counts once; errors are bootstrap.",
        "",
        *(f"- {name} was trained on: {sample}" for name, sample in samples.items()),
        f"- published: {_published()['source']}",
    ]
    head = [*names, *(f"{name}, published" for name in PUBLISHED)]
    for region in REGIONS:
        lines += ["", f"## {region}", "", f"| what | pT of the generator jet (GeV) | {' | '.join(head)} |"]
        lines += [f"|{'---|' * (len(head) + 2)}"]
        for group, intervals in _published()["beta"][region].items():
            for interval, theirs in intervals.items():
                ours = [str(found["beta"][name][region][group][interval]) for name in names]
                lines.append(_row(f"beta, {group}", interval, ours, theirs))
        for interval, theirs in _published()["alpha"][region].items():
            ours = [str(found["alpha"][name][region][interval]) for name in names]
            lines.append(_row("alpha", interval, ours, theirs))
    return "\n".join(lines) + "\n"


def _row(what: str, interval: str, ours: Sequence[str], theirs: Mapping[str, float]) -> str:
    return f"| {' | '.join([what, interval, *ours, *(f'{theirs[name]:.1f}' for name in PUBLISHED)])} |"
