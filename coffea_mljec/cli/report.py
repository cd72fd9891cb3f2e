"""``mljec report``: everything that the validation can tell about files, as one page."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from coffea.processor import IterativeExecutor

from coffea_mljec.cli.comparison import AsStored, Comparison, figure_formats, print_tables, say_written
from coffea_mljec.cli.first import First
from coffea_mljec.cli.options import Inputs, Output, Running, Where
from coffea_mljec.cli.standard_path import StandardPath
from coffea_mljec.errors import InputError
from coffea_mljec.nano import detect, open_nano
from coffea_mljec.support.atomic import make_folder
from coffea_mljec.workers import plan_of, process

__all__ = ["BalanceReference", "report"]

_EVENTS_FOR_DISPLAY = 500


class BalanceReference(StrEnum):
    """What a jet is balanced against."""

    zll = "zll"
    zmumu = "zmumu"
    zee = "zee"
    photon = "photon"


def report(
    inputs: Inputs,
    output: Output,
    *,
    comparison: Comparison,
    standard: StandardPath,
    where: Where,
    dijets: Annotated[bool, typer.Option(help="Measure the resolution from dijets too.")] = True,
    balance: Annotated[
        BalanceReference | None, typer.Option(help="Measure the balance against Z bosons or photons too.")
    ] = None,
    met: Annotated[str | None, typer.Option(help="Missing momentum for the balance; none without it.")] = None,
    plots: Annotated[bool, typer.Option(help="Draw the figures (needs matplotlib and mplhep).")] = True,
    label: Annotated[
        str | None,
        typer.Option(
            help="Above the figures: whose jets these are. The first word is bold. Default: what the files say."
        ),
    ] = None,
    energy: Annotated[
        float | None, typer.Option(metavar="TEV", help="Centre-of-mass energy, above the figures.")
    ] = None,
    title: Annotated[str, typer.Option(help="Of the page.")] = "Jet energy corrections compared",
    running: Running,
) -> None:
    """Write one page, report.html, with figures, tables and numbers of everything that the files can tell.

    Models may stand among the files: bundled ones by name, others by folder. All that are given are compared, and the
    page says of each whether it was made for such events. Without any correction it is the best bundled network that
    the first file can feed.

    On simulation: response, resolution and flavour dependence (as [bold]mljec validate[/]); on data and simulation: the
    resolution from dijets, with [bold]--balance[/] the balance against Z bosons or photons, and the particles of single
    jets. Figures come as PNG and PDF too, numbers as JSON.

    [bold]Examples[/]

    mljec report pfnano_*.root -o report --jec jec_folder --workers 4

    mljec report pfn-r-lite models/mine pfnano_*.root -o report

    mljec report dimuons.root -o report --balance zmumu --met PuppiMET --jec jec_folder --label "CMS Preliminary"
    """
    from coffea_mljec.report import write_report
    from coffea_mljec.validation.registry import MEASUREMENTS

    inputs, comparison = _without_models(inputs, comparison)
    providers = comparison.providers(standard, where, First(IterativeExecutor(), inputs, running.tree))
    simulation, given, clouds, caveat = _first_events(inputs[0], running.tree, providers, comparison)
    chosen: dict[str, Any] = {
        "dijets": {} if dijets else None,
        "balance": None if balance is None else {"reference": balance.value, "met": met},
    }
    judges = _judges(providers, comparison, simulation, given, chosen)
    formats = figure_formats(plots)
    folder, results, skipped = _measured(inputs, output, judges, running)
    against = standard.name or AsStored.name
    written = write_report(
        {
            name: judge.summary(results[name], **MEASUREMENTS[name].summary_options(against))
            for name, judge in judges.items()
        },
        folder,
        formats=formats,
        label=label,
        energy=energy,
        title=title,
        clouds=clouds,
        caveat=caveat,
        made=_made(inputs, skipped),
    )
    print_tables(written)
    say_written(written, folder, skipped)


def _first_events(
    file: str, tree: str, providers: Mapping[str, Any], comparison: Comparison
) -> tuple[bool, set[str], list[Any], str]:
    """Whether the first file is simulation, which fields corrected jets have, some jets to display, and a caveat."""
    from coffea_mljec.report import find_clouds

    with open_nano(file, tree) as nano:
        events = nano.events(0, min(_EVENTS_FOR_DISPLAY, nano.entries))
        jets = comparison.jets
        simulation = jets["gen_collection"] in events.fields
        given = {field for one in providers.values() for field in one.apply(events, comparison.collection).fields}
        clouds = find_clouds(events, providers, **jets)
        caveat = _caveat(providers, detect(events, comparison.collection).simulation)
        return simulation, given, clouds, caveat


def _without_models(inputs: list[str], comparison: Comparison) -> tuple[list[str], Comparison]:
    """The files among what was given, and the comparison with the models among it."""
    from coffea_mljec.models import bundled

    known = {name for name in bundled() if not Path(name).exists()}
    given = [name for name in inputs if name in known or (Path(name) / "card.json").is_file()]
    files = [name for name in inputs if name not in given]
    if not files:
        raise InputError(f"there are no files to compare {', '.join(given)} on: give NanoAOD files too.")
    return files, replace(comparison, model=[*given, *(comparison.model or ())]) if given else comparison


def _caveat(providers: Mapping[str, Any], parametrised: bool) -> str:
    """Which networks were made for another sample than the events, in words; empty for none."""
    cards = {name: one.card for name, one in providers.items() if hasattr(one, "card")}
    foreign = [
        f"{name} (trained on {'parametrised' if card.training.fast_simulation else 'other'} simulation: "
        f"{card.training.sample})"
        for name, card in cards.items()
        if card.training.fast_simulation != parametrised
    ]
    if not foreign:
        return ""
    events = "this project's parametrised simulation" if parametrised else "not from this project's simulation"
    return (
        f"Judged on another sample than it was made for: {'; '.join(foreign)}. The events are {events}. Numbers of "
        "such a network show how it carries over, not what a network trained on these events can do."
    )


def _judges(
    providers: Mapping[str, Any],
    comparison: Comparison,
    simulation: bool,
    given: set[str],
    chosen: Mapping[str, dict[str, Any] | None],
) -> dict[str, Any]:
    """The processors of what is to be measured: all that there are, but for those whose options are None."""
    from coffea_mljec.validation.registry import MEASUREMENTS

    judges: dict[str, Any] = {}
    for name, measurement in MEASUREMENTS.items():
        own = chosen.get(name, {})
        if own is not None and measurement.measures(comparison.collection, simulation, given):
            judges[name] = measurement.processor(providers, **comparison.jets, **own, **comparison.statistics())
    return judges


def _measured(
    inputs: list[str], output: Path, judges: Mapping[str, Any], running: Running
) -> tuple[Path, dict[str, Any], set[Any]]:
    """The output folder, what each processor accumulated, and what was left out."""
    results: dict[str, Any] = {}
    skipped: set[Any] = set()
    with running.executor("chunk", "Measuring") as run:
        # Bad files are refused here, before the work and before anything is written.
        plan = plan_of(run, {"events": inputs}, **running.reading())
        folder = make_folder(output)
        for name, judge in judges.items():
            outcome = process(run, plan, judge, skip_bad=running.skip_bad)
            results[name] = outcome.result
            skipped |= set(outcome.skipped)
    return folder, results, skipped


def _made(inputs: list[str], skipped: Iterable[Any]) -> dict[str, str]:
    """How the page was made, for its end."""
    return {
        "command": shlex.join(["mljec", *sys.argv[1:]]),
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "files": ", ".join(inputs),
        "left out": ", ".join(str(failure) for failure in sorted(skipped)) or "nothing",
    }
