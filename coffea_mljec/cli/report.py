"""``mljec report``: everything that the validation can tell about files, as one page."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from coffea_mljec import defaults
from coffea_mljec.cli.options import Collection, Inputs, Output, Running, StandardPath
from coffea_mljec.cli.terminal import out, output_folder, say_skipped
from coffea_mljec.cli.validate import AsStored, compared, print_report
from coffea_mljec.nano import open_nano
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
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|PATH", help="A bundled model or a model folder; repeat it for several."),
    ] = None,
    regression: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A regression that the files store, such as PNet+neutrino; repeat it."),
    ] = None,
    standard: StandardPath,
    collection: Collection = "Jet",
    gen_collection: Annotated[str, typer.Option(help="Generator jets; without them the files are data.")] = "GenJet",
    weight: Annotated[
        str | None, typer.Option(help="Event weight, such as genWeight. Without it every event counts once.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=0, help="Bootstrap replicas behind the errors.")] = defaults.REPLICAS,
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

    On simulation: response, resolution and flavour dependence (as [bold]mljec validate[/]); on data and simulation: the
    resolution from dijets, with [bold]--balance[/] the balance against Z bosons or photons, and the particles of single
    jets. Figures come as PNG and PDF too, numbers as JSON.

    [bold]Examples[/]

    mljec report pfnano_*.root -o report --jec jec_folder --workers 4

    mljec report dimuons.root -o report --balance zmumu --met PuppiMET --jec jec_folder --label "CMS Preliminary"
    """
    from coffea_mljec.report import find_clouds, write_report
    from coffea_mljec.validation import BalanceProcessor, DijetProcessor, ResponseProcessor

    path = standard.provider()
    providers = compared(model or [], regression or [], path)
    with open_nano(inputs[0], running.tree) as nano:
        some = nano.events(0, min(_EVENTS_FOR_DISPLAY, nano.entries))
        simulation = gen_collection in some.fields
        clouds = find_clouds(some, providers, collection, gen_collection)
    shared: dict[str, Any] = {"weight": weight, "replicas": replicas}
    judges: dict[str, Any] = {}
    if simulation:
        judges["response"] = ResponseProcessor(providers, collection, gen_collection, **shared)
    if dijets:
        judges["dijets"] = DijetProcessor(providers, collection, gen_collection, **shared)
    if balance is not None:
        judges["balance"] = BalanceProcessor(providers, balance.value, collection, gen_collection, met=met, **shared)
    found: dict[str, Any] = {}
    skipped: set[Any] = set()
    with running.executor("chunk", "Measuring") as run:
        # Bad files are refused here, before the work and before anything is written.
        plan = plan_of(
            run, {"events": inputs}, treename=running.tree, chunk_size=running.chunk_size, skip_bad=running.skip_bad
        )
        folder = output_folder(output)
        for name, judge in judges.items():
            outcome = process(run, plan, judge, skip_bad=running.skip_bad)
            found[name] = outcome.result
            skipped |= set(outcome.skipped)
    standard_name = AsStored.name if path is None else path.name
    options: dict[str, dict[str, Any]] = {
        "response": {"standard": standard_name},
        "dijets": {"coarse": True},
        "balance": {"coarse": True},
    }
    written = write_report(
        {name: judge.summary(found[name], **options[name]) for name, judge in judges.items()},
        folder,
        formats=("png", "pdf") if plots else (),
        label=label,
        energy=energy,
        title=title,
        clouds=clouds,
        made={
            "command": shlex.join(["mljec", *sys.argv[1:]]),
            "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "files": ", ".join(inputs),
            "left out": ", ".join(str(failure) for failure in sorted(skipped)) or "nothing",
        },
    )
    if written.summary is not None:
        print_report(written)
    say_skipped(tuple(sorted(skipped)), folder / "skipped.json")
    names = [each.name for each in (written.page, written.numbers, written.table) if each]
    out.print(f"in {folder}: {', '.join(names + (['plots/'] if written.plots else []))}")
