"""``python -m training evaluate``: judge, close, measure, write tables and figures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec import MLJEC, defaults
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.nano import open_nano, quiet_coffea
from coffea_mljec.nano.jagged import offsets_of
from coffea_mljec.nano.opening import NanoFile
from coffea_mljec.payloads import Payload
from coffea_mljec.status import Status
from coffea_mljec.validation.common.binning import REGIONS
from coffea_mljec.validation.response.figures import draw
from coffea_mljec.validation.response.summary import Measured, Summary
from training.evaluate.judged import JudgedJets, judge, spread
from training.evaluate.measured import (
    Losses,
    closure_weights,
    effective_entries,
    fill,
    losses,
    replicas_of,
    spectrum_weights,
    summary_of,
)
from training.evaluate.providers import STANDARD, closed, closures, open_providers
from training.evaluate.seeds import apart, open_seeds, seed_spread
from training.evaluate.tables import closure_rows, report
from training.learning.sampling import Sampling

__all__ = ["command", "evaluate"]

LABEL = "coffea-mljec simulation"
_TIMED_EVENTS = 100
_QUICK = 0.5
_REPEATS = 3
DEFAULT_JEC = Path("coffea_mljec/data/jec")


def command(
    productions: Annotated[list[Path], typer.Argument(help="Test productions: folders with ROOT files, or files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report.")],
    models: Annotated[str, typer.Option(help="Bundled names or model folders, smallest first, with commas.")],
    jec: Annotated[Path, typer.Option(help="Folder with the standard path's text payloads.")] = DEFAULT_JEC,
    closure: Annotated[
        Path | None,
        typer.Option("--closures", help="Folder with the providers' closure payloads; OUTPUT/closures if absent."),
    ] = None,
    closure_from: Annotated[
        list[Path] | None, typer.Option(help="Training production from which missing closure payloads are derived.")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(help="name=production: another sample, judged with the same closures; repeat it."),
    ] = None,
    seeds: Annotated[
        list[str] | None,
        typer.Option(help="model=folder,folder: the same model trained with other seeds, for the spread of its loss."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keeps what was computed of each file: an evaluation can go on.")
    ] = None,
    files: Annotated[int | None, typer.Option(min=1, help="Only so many files of each sample.")] = None,
    closure_files: Annotated[
        int | None,
        typer.Option(min=1, help="Derive closure payloads from only so many files: a slow network takes long."),
    ] = None,
    train_share: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Leave out of --closure-from what a training split of this share holds (0.8 in training/configs).",
        ),
    ] = 0.0,
    replicas: Annotated[int, typer.Option(min=2, help="Bootstrap resamples behind the errors.")] = defaults.REPLICAS,
    workers: Annotated[int, typer.Option("--workers", "-j", help="Processes.")] = 1,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Compare models with the standard path on a test production, and write the thesis's tables and figures."""
    samples = {}
    for text in variant or []:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise InputError(f"--variant {text!r}: give a name and a production, pileup50=productions/pileup50")
        samples[name] = Path(path)
    trained_again = {}
    for text in seeds or []:
        name, equals, folders = text.partition("=")
        if not equals or not name or not folders:
            raise InputError(f"--seeds {text!r}: give a model and model folders, pfn-r-lite=/tmp/lite-2,/tmp/lite-3")
        trained_again[name] = [folder for folder in folders.split(",") if folder]
    names = [name for name in models.split(",") if name]
    folder = evaluate(
        productions, output, names, jec, closure or output / "closures", closure_from or [], samples, cache, files,
        replicas, not quiet, closure_files, trained_again, workers, train_share,
    )  # fmt: skip
    typer.echo(f"written: {folder / 'report.md'}, evaluation.json, card.json and figures")


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
    replicas: int = defaults.REPLICAS,
    progress: bool = True,
    closure_files: int | None = None,
    seeds: Mapping[str, Sequence[str]] | None = None,
    workers: int = 1,
    train_share: float = 0.0,
) -> Path:
    """Evaluate models on a test production and return the report's folder.

    Parameters
    ----------
    productions, output, models, jec, closure, closure_from, variants, cache, max_files, replicas, progress
        See `command`; so is ``closure_files``.
    seeds : mapping, optional
        Model -> folders of the same model trained with other seeds: judged for the spread of the test loss alone.
    workers : int
        Processes.
    train_share : float
        Share of the training split that is left out of ``closure_from``.

    Returns
    -------
    Path
        ``output`` with ``report.md``, ``evaluation.json`` (every number), ``card.json`` (model -> figures for its card,
        which ``python -m training export --evaluation`` takes) and ``*.png``.

    Raises
    ------
    InputError
        See `open_providers`, `closures` and `judge`; also if a production is both tested on and derived from.
    """
    shared = {path.resolve() for path in productions} & {path.resolve() for path in closure_from}
    if shared:
        raise InputError(
            f"{sorted(shared)[0]} is tested on and derived from: a closure means something on other events"
        )
    providers = open_providers(models, jec)
    payloads = closures(providers, closure, spread(closure_from, closure_files), cache, progress, workers, train_share)
    again = open_seeds(seeds or {}, providers)
    jets, judged_again = apart(judge(productions, providers | again, cache, max_files, progress, workers), again)
    replica_weights = replicas_of(jets, replicas)
    after = closed(jets, payloads)
    physical, mix = spectrum_weights(jets), closure_weights(jets)
    filled = fill(jets, after, replica_weights)
    summaries = {
        "after": summary_of(filled, STANDARD),
        "before": summary_of(fill(jets, jets.pt, replica_weights), STANDARD),
        "spectrum": summary_of(fill(jets, after, replica_weights, physical), STANDARD),
        "mix": summary_of(fill(jets, after, replica_weights, mix), STANDARD),
        "mix before": summary_of(fill(jets, jets.pt, replica_weights, mix), STANDARD),
    }
    found = losses(jets, jets.pt, replica_weights, Sampling())
    times = _times(jets.files[0], providers)
    others = {
        name: _variant(path, providers, payloads, cache, max_files, replicas, progress, workers)
        for name, path in (variants or {}).items()
    }
    content = {
        "productions": [str(path) for path in productions],
        "files": len(jets.files),
        "counts": jets.counts,
        "replicas": replicas,
        "effective_entries": {
            "sampled mix": effective_entries(jets, physical * 0.0 + 1.0),
            "spectrum": effective_entries(jets, physical),
        },
        "providers": {name: _described(name, providers[name], jets, found, times) for name in providers},
        "seeds": seed_spread(found.of, losses(jets, judged_again, replica_weights, Sampling()).of),
        "closure": {name: closure_rows(summaries[name]) for name in ("mix", "mix before")},
        "summaries": {name: _compact(summary, curves=name in ("after", "mix")) for name, summary in summaries.items()},
        "variants": others,
    }
    output.mkdir(parents=True, exist_ok=True)
    _write(output / "report.md", report(content, summaries, others).encode())
    _write(output / "evaluation.json", (json.dumps(_rounded(content), separators=(",", ":")) + "\n").encode())
    cards = {name: _card(name, content, summaries["after"], others) for name in providers if name != STANDARD}
    _write(output / "card.json", (json.dumps(cards, indent=1) + "\n").encode())
    draw(summaries["after"], filled["response"], _saver(output), LABEL)
    return output


def _variant(
    path: Path, providers: Mapping[str, Provider], payloads: Mapping[str, Payload], cache: Path | None,
    max_files: int | None, replicas: int, progress: bool, workers: int,
) -> dict[str, Any]:  # fmt: skip
    """Return a variant's numbers: provider -> region -> beta, median, SAE above 30 GeV and the largest |median - 1| of
    the fine bins there (as `closure_rows` finds it), each (value, error).
    """
    jets = judge([path], providers, cache, max_files, progress, workers)
    summary = summary_of(fill(jets, closed(jets, payloads), replicas_of(jets, replicas)), STANDARD)
    result: dict[str, Any] = {}
    worst = {(row["provider"], row["region"]): (row["largest"], row["error"]) for row in closure_rows(summary)}
    for name in providers:
        result[name] = {}
        for region in REGIONS:
            cell = summary.cell(name, region, ">30", "all")
            result[name][region] = {
                "jets": cell.jets,
                "beta": None if cell.beta is None else _pair(cell.beta),
                "median": _pair(cell.median),
                "sae": _pair(summary.flavour_dependence(name, region, ">30").sae),
                "closure": worst[name, region],
            }
    return result


def _pair(measured: Measured) -> tuple[float | None, float | None]:
    return measured.value, measured.error


def _described(
    name: str, provider: Provider, jets: JudgedJets, found: Losses, times: Mapping[str, float]
) -> dict[str, Any]:
    card = provider.card if isinstance(provider, MLJEC) else None
    less = next((value for (one, _), value in found.less.items() if one == name), None)
    applied = sum(
        number for code, number in jets.status[name].items() if code & Status.APPLIED and not code & Status.FALLBACK
    )
    return {
        "parameters": None if card is None else card.parameters,
        "training_jets": None if card is None else card.training.n_jets,
        "sha256": None if card is None else card.sha256,
        "test_loss": found.of[name],
        "less_than_the_one_above": less,
        "us_per_jet": times[name],
        "applied": applied / len(jets),
    }


def _times(path: Path, providers: Mapping[str, Provider]) -> dict[str, float]:
    """Return microseconds of processor time a jet of every provider's apply: the best of some repeats.

    Its branches are read before. A fast provider is timed on more events, where what a call costs by itself is spread.
    """
    import warnings

    result = {}
    with warnings.catch_warnings(), open_nano(path) as file:
        quiet_coffea()
        for name, provider in providers.items():
            seconds, n_jets = _timed(file, provider, min(_TIMED_EVENTS, file.entries))
            if seconds < _QUICK and file.entries > _TIMED_EVENTS:
                seconds, n_jets = _timed(file, provider, file.entries)
            result[name] = 1e6 * seconds / max(n_jets, 1)
    return result


def _timed(file: NanoFile, provider: Provider, n_events: int) -> tuple[float, int]:
    """Return the processor time (s) of apply on so many events, and their jets."""
    events = file.events(0, n_events)
    n_jets, best = 0, float("inf")
    # The first call reads the branches and compiles.
    for attempt in range(_REPEATS + 1):
        start = time.process_time()
        jets = provider.apply(events, "Jet")
        n_jets = int(offsets_of(jets["mljec_status"], "mljec_status")[-1])
        if attempt:
            best = min(best, time.process_time() - start)
    return best, n_jets


def _card(
    name: str, content: Mapping[str, Any], summary: Summary, variants: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """Return a model's figures for its card, flat: on the test production, and on each variant beside the standard."""
    figures: dict[str, float | None] = {"evaluated_loss": content["providers"][name]["test_loss"].value}
    for region in REGIONS:
        for flavour in ("all", "uds", "c", "b", "g"):
            beta = summary.cell(name, region, ">30", flavour).beta
            figures[f"beta_{region}_{flavour}"] = None if beta is None else beta.value
        alpha = summary.flavour_dependence(name, region, ">30").alpha
        figures[f"alpha_{region}"] = None if alpha is None else alpha.value
    for row in content["closure"]["mix"]:
        if row["provider"] == name:
            figures[f"closure_{row['region']}"] = row["largest"]
    if name in content["seeds"]:
        spread_of_seeds = content["seeds"][name]
        figures |= {f"seeds_{what}": spread_of_seeds[what] for what in ("mean", "deviation", "trainings")}
    for variant, providers in variants.items():
        for region in REGIONS:
            own, standard = providers[name][region], providers[STANDARD][region]
            figures[f"{variant}_beta_{region}"] = own["beta"][0]
            for what in ("median", "sae", "closure"):
                figures[f"{variant}_{what}_{region}"] = own[what][0]
                figures[f"{variant}_{what}_{region}_standard"] = standard[what][0]
    return {key: float(f"{value:.4g}") for key, value in figures.items() if value is not None}


def _compact(summary: Summary, curves: bool) -> dict[str, Any]:
    """Return a summary as plain data; the curves in fine bins, most of it, only if asked for."""
    data = summary.to_dict()
    return data if curves else {name: part for name, part in data.items() if name != "curves"}


def _rounded(value: Any) -> Any:
    """Return plain JSON with five significant digits: a report of ours is kept in the repository."""
    if isinstance(value, Measured):
        return [_rounded(value.value), _rounded(value.error)] if value.note is None else value.note
    if isinstance(value, dict):
        if set(value) == {"value", "error", "note"}:
            return _rounded(Measured(**value))
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _saver(folder: Path) -> Callable[[str, Any], None]:
    def save(name: str, figure: Any) -> None:
        path = folder / f"{name}.png"
        temporary = folder / f"{name}.png.part"
        # A report is kept in the repository: fewer points an inch than the default.
        figure.savefig(temporary, format="png", dpi=65)
        temporary.replace(path)

    return save


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(content)
    temporary.replace(path)
