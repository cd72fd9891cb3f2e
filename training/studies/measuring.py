"""What the models of a study reach on the test production: every one with a closure derived alike, in the same jets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.accumulated import Accumulated
from coffea_mljec.validation.common.binning import FLAVOUR_GROUPS, INTERVALS, REGIONS
from coffea_mljec.validation.common.statistics import grouped_jets, quartiles, resolution, sae_and_floor
from coffea_mljec.validation.response.cells import dependence, statistics
from training.derive.jets import files_of
from training.derive.provider import digest_of
from training.evaluate.histograms import fill
from training.evaluate.jets import files_evenly, read_evaluated_jets
from training.evaluate.losses import replica_losses
from training.evaluate.providers import STANDARD, closed, closures, open_providers
from training.evaluate.timing import time_per_jet
from training.evaluate.weights import replicas_of
from training.evaluate.workflow import refuse_shared
from training.simulate.nanoaod import algorithm_of
from training.studies.settings import Study
from training.studies.table import Row, Table

__all__ = ["measure"]

_INTERVAL = ">30"
_ALL = list(FLAVOUR_GROUPS).index("all")


def measure(study: Study, rows: Sequence[tuple[Row, str]], folder: Path, progress: bool) -> Table:
    """Return the study's table.

    Parameters
    ----------
    study : Study
    rows : sequence of (Row, str)
        Of `training.studies.running.trained_rows`: what each model is, and its folder or bundled name.
    folder : Path
        The study's: keeps closures and what was computed of each file, so that an interrupted study goes on.
    progress : bool

    Raises
    ------
    InputError
        See `training.evaluate.workflow.evaluate`.
    """
    base = study.base()
    training = study.closure_from or base.productions
    refuse_shared(study.test, training)
    cache = folder / "cache"
    algorithm = algorithm_of(files_of(study.test)[0])
    providers = open_providers([model for _, model in rows], study.jec, algorithm)
    files = files_evenly(training, study.closure_files)
    payloads: dict[str, Any] = {}
    for name, provider in providers.items():
        of = folder / "closures" / digest_of(provider)[:16]
        payloads |= closures({name: provider}, of, files, cache, progress, study.workers, study.train_share)
    jets = read_evaluated_jets(study.test, providers, cache, study.files, progress, study.workers)
    weights = replicas_of(jets, study.replicas)
    losses = replica_losses(jets, jets.pt, weights, base.sampling)
    filled = fill(jets, closed(jets, payloads), weights)
    found = _measures(filled, list(providers))
    times = time_per_jet(jets.files[0], providers)
    measured = [
        replace(row, us_per_jet=times[name], measured={"loss": losses[name].tolist()} | found[name])
        for (row, _), name in zip(rows, [name for name in providers if name != STANDARD], strict=True)
    ]
    sample = {
        "productions": [str(path) for path in study.test], "files": len(jets.files), "events": jets.counts["events"],
        "jets": len(jets), "replicas": study.replicas,
    }  # fmt: skip
    return Table(study.name, study.kind, sample, list(study.mark), measured)


def _measures(filled: dict[str, Any], providers: list[str]) -> dict[str, dict[str, list[float]]]:
    """Return provider -> beta and alpha above 30 GeV with their replicas, as far as there are jets enough."""
    accumulated = Accumulated({"test": filled})
    ranges = [INTERVALS[_INTERVAL]]
    response = accumulated.histogram("response")
    jets = grouped_jets(accumulated.histogram("jets"), ranges)[0]
    quartile = dict(zip(response.axes["provider"], quartiles(response, ranges), strict=True))
    against = quartile[STANDARD][0]
    result: dict[str, dict[str, list[float]]] = {}
    for name in providers:
        here: NDArray[np.float64] = quartile[name][0]
        result[name] = {}
        for r, region in enumerate(REGIONS):
            beta = statistics(here[r, _ALL], against[r, _ALL], int(jets[r, _ALL]))[-1]
            if beta is not None and beta.value is not None:
                widths = resolution(here[r, _ALL]) / resolution(against[r, _ALL])
                result[name][f"beta_{region}"] = (1.0 - widths).tolist()
            alpha = dependence(here[r], against[r], jets[r])[-1]
            if alpha is not None and alpha.value is not None:
                sums = sae_and_floor(here[r])[0] / sae_and_floor(against[r])[0]
                result[name][f"alpha_{region}"] = (1.0 - sums).tolist()
    return result
