"""A whole evaluation: read the jets through the providers, close, measure, write tables and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.defaults import REPLICAS
from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder, write_text
from coffea_mljec.validation.response.summary import Measured, Summary
from coffea_mljec.validation.width.summary import WidthSummary
from coffea_mljec.workers.pool import Workers
from training.derive.jets import files_of
from training.evaluate.figures import DRAWN, draw_figures
from training.evaluate.figures_of_merit import card_metrics, provider_numbers, region_numbers
from training.evaluate.histograms import fill, summary_of
from training.evaluate.jets import EvaluatedJets, files_evenly, read_evaluated_jets
from training.evaluate.losses import losses
from training.evaluate.providers import STANDARD, closed, closures, open_providers
from training.evaluate.seeds import open_seeds, seed_spread, split_seeds
from training.evaluate.tables import closure_rows, report
from training.evaluate.timing import time_per_jet
from training.evaluate.weights import closure_weights, effective_entries, replicas_of, spectrum_weights
from training.evaluate.widths import widths_of
from training.learning.sampling import SamplingSettings
from training.simulate.nanoaod import algorithm_of

__all__ = ["evaluate", "refuse_shared"]

#: What a summary holds for figures alone.
_FOR_FIGURES = ("coarse", "distributions")
#: Summaries of which the curves in fine bins are kept.
_WITH_CURVES = (DRAWN, "mix")


def evaluate(
    productions: Sequence[Path],
    output: Path,
    models: Sequence[str],
    jec: Path,
    closure: Path,
    closure_from: Sequence[Path] = (),
    variants: Mapping[str, Path] | None = None,
    cache: Path | None = None,
    max_files: int | None = None,
    replicas: int = REPLICAS,
    progress: bool = True,
    closure_files: int | None = None,
    seeds: Mapping[str, Sequence[str]] | None = None,
    workers: Workers = 1,
    train_share: float = 0.0,
    neutrinos: bool = False,
) -> Path:
    """Evaluate models on a test production and return the report's folder.

    Parameters
    ----------
    productions : sequence of Path
        Test productions: folders with ROOT files, or files.
    output : Path
        Folder for the report.
    models : sequence of str
        Bundled names or model folders, smallest first.
    jec : Path
        Folder with the standard path's text payloads.
    closure : Path
        Folder with the providers' closure payloads.
    closure_from : sequence of Path
        Training production that missing closure payloads are derived from.
    variants : mapping of str to Path, optional
        Name -> another sample, evaluated with the same closures.
    cache : Path, optional
        Keeps what was computed of each file: an interrupted evaluation goes on where it was.
    max_files, closure_files : int, optional
        Only so many files of each sample, and of ``closure_from``.
    replicas : int
        Bootstrap resamples behind the errors.
    progress : bool
        Whether to show progress bars.
    seeds : mapping, optional
        Model -> folders of the same model trained with other seeds, for the spread of the test loss alone.
    workers : int or ClusterExecutor
        Processes.
    train_share : float
        Share of the training split that is left out of ``closure_from``.
    neutrinos : bool
        Whether the generator pT includes the jet's neutrinos, for networks that restore them.

    Returns
    -------
    Path
        ``output`` with ``report.md``, ``evaluation.json`` (every number), ``card.json`` (model -> figures for its card,
        which ``python -m training export --evaluation`` takes) and ``*.png``.

    Raises
    ------
    InputError
        See `open_providers`, `closures` and `read_evaluated_jets`; also if a production is both tested on and derived
        from.
    """
    refuse_shared(productions, closure_from)
    providers = open_providers(models, jec, algorithm_of(files_of(productions)[0]))
    files = files_evenly(closure_from, closure_files)
    payloads = closures(providers, closure, files, cache, progress, workers, train_share, neutrinos)
    again = open_seeds(seeds or {}, providers)
    jets, pt_again = split_seeds(
        read_evaluated_jets(productions, providers | again, cache, max_files, progress, workers, neutrinos), again
    )
    replica_weights = replicas_of(jets, replicas)
    summaries = _summaries(jets, closed(jets, payloads), replica_weights)
    test_losses = losses(jets, jets.pt, replica_weights, SamplingSettings())
    losses_again = losses(jets, pt_again, replica_weights, SamplingSettings())
    widths = widths_of(jets, replica_weights)
    times = time_per_jet(jets.files[0], providers)
    others = {}
    for name, path in (variants or {}).items():
        other = read_evaluated_jets([path], providers, cache, max_files, progress, workers, neutrinos)
        other = other.of_known_flavour()
        filled = fill(other, closed(other, payloads), replicas_of(other, replicas))
        others[name] = region_numbers(summary_of(filled, STANDARD))
    content = {
        "productions": [str(path) for path in productions],
        "files": len(jets.files),
        "counts": jets.counts,
        "neutrinos": neutrinos,
        "replicas": replicas,
        "effective_entries": {
            "sampled mix": effective_entries(jets, np.ones(len(jets))),
            "spectrum": effective_entries(jets, spectrum_weights(jets)),
        },
        "providers": {name: provider_numbers(name, providers[name], jets, test_losses, times) for name in providers},
        "seeds": seed_spread(test_losses.of, losses_again.of),
        "closure": {name: closure_rows(summaries[name]) for name in ("mix", "mix before")},
        "summaries": {name: _compact(summary, name) for name, summary in summaries.items()},
        "widths": None if widths is None else widths.to_dict(),
        "variants": others,
    }
    _write(output, content, summaries, widths)
    draw_figures(summaries[DRAWN], output, widths)
    return output


def refuse_shared(productions: Sequence[Path], closure_from: Sequence[Path | str]) -> None:
    """Refuse a production that is both tested on and derived from."""
    shared = {path.resolve() for path in productions} & {Path(path).resolve() for path in closure_from}
    if shared:
        raise InputError(
            f"{sorted(shared)[0]} is tested on and derived from: a closure means something on other events"
        )


def _summaries(
    jets: EvaluatedJets, after: Mapping[str, NDArray[np.float64]], replica_weights: NDArray[np.uint8]
) -> dict[str, Summary]:
    """Return the summaries that `report` takes."""
    physical, mix = spectrum_weights(jets), closure_weights(jets)
    return {
        "after": summary_of(fill(jets, after, replica_weights), STANDARD),
        "before": summary_of(fill(jets, jets.pt, replica_weights), STANDARD),
        "spectrum": summary_of(fill(jets, after, replica_weights, physical), STANDARD),
        "mix": summary_of(fill(jets, after, replica_weights, mix), STANDARD),
        "mix before": summary_of(fill(jets, jets.pt, replica_weights, mix), STANDARD),
    }


def _write(
    output: Path, content: Mapping[str, Any], summaries: Mapping[str, Summary], widths: WidthSummary | None
) -> None:
    make_folder(output)
    write_text(output / "report.md", report(content, summaries, content["variants"], widths))
    write_text(output / "evaluation.json", json.dumps(_rounded(content), separators=(",", ":")) + "\n")
    models = [name for name in content["providers"] if name != STANDARD]
    cards = {name: card_metrics(name, content, summaries["after"], content["variants"]) for name in models}
    write_text(output / "card.json", json.dumps(cards, indent=1) + "\n")


def _compact(summary: Summary, name: str) -> dict[str, Any]:
    """Return a summary as plain data; figures' parts, most of it, only of those that are drawn or fitted to."""
    data = summary.to_dict()
    dropped = (() if name in _WITH_CURVES else ("curves",)) + (() if name == DRAWN else _FOR_FIGURES)
    return {part: value for part, value in data.items() if part not in dropped}


def _rounded(value: Any) -> Any:
    """Return plain JSON with five significant digits: reports are kept in the repository."""
    if isinstance(value, Measured):
        return [_rounded(value.value), _rounded(value.error)] if value.note is None else value.note
    if isinstance(value, dict):
        if set(value) == {"value", "error", "note"}:
            return _rounded(Measured(**value))
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
