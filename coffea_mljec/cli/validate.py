"""``mljec validate``: response, resolution and flavour dependence of corrections on simulated files."""

from __future__ import annotations

from typing import Annotated

import typer

from coffea_mljec.cli.comparison import (
    AsStored,
    Comparison,
    figure_formats,
    print_mass_tables,
    print_tables,
    say_written,
)
from coffea_mljec.cli.first import First
from coffea_mljec.cli.options import Inputs, Output, Running, Where
from coffea_mljec.cli.standard_path import StandardPath
from coffea_mljec.cli.terminal import out
from coffea_mljec.support.atomic import make_folder
from coffea_mljec.workers import Checkpoints, plan_of, process

__all__ = ["validate"]


def validate(
    inputs: Inputs,
    output: Output,
    *,
    comparison: Comparison,
    standard: StandardPath,
    where: Where,
    neutrinos: Annotated[
        bool,
        typer.Option(
            "--neutrinos",
            help="Judge the pT with neutrinos, of corrections that restore them; needs GenJet_ptWithNeutrinos.",
        ),
    ] = False,
    plots: Annotated[bool, typer.Option(help="Draw the figures (needs matplotlib and mplhep).")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a validation that was interrupted.")] = False,
    running: Running,
) -> None:
    """Compare corrections on the same simulated jets: median response, resolution, beta, alpha, closure, with errors.

    Judged are the models, stored regressions and the standard path that are named, and always the jets as the file
    stores them. If none is named, it is the best bundled network that the first file can feed. beta and alpha compare
    to the standard path, or to the stored jets without one. Of AK8 jets ([bold]--collection FatJet[/]) energy and
    mass are judged too, and the peaks of W, Z, H and top. A long validation writes checkpoints into the output folder:
    after an interruption, [bold]--resume[/] goes on from there.

    [bold]Examples[/]

    mljec validate pfnano_*.root -o validation --model pfn-r-lite --jec L1FastJet.txt --jec L2Relative.txt

    mljec validate nano.root -o validation --jec-json jet_jerc.json.gz --tag Summer22_22Sep2023_V3_MC --algo AK4PFPuppi

    mljec validate nano.root -o validation --regression PNet --regression UParT

    mljec validate nano.root -o validation --collection FatJet --jec jec_folder --algo AK8PFPuppi
    """
    from coffea_mljec.report import write_report
    from coffea_mljec.validation.registry import MEASUREMENTS

    formats = figure_formats(plots)
    with running.executor("chunk", "Validating") as run:
        providers = comparison.providers(standard, where, First(run, inputs, running.tree))
        # Masses of generator jets are without neutrinos.
        measured = ("response",) if neutrinos else ("response", "mass")
        options = {"response": {"neutrinos": neutrinos}}
        judges = {
            name: MEASUREMENTS[name].processor(
                providers, **comparison.jets, **comparison.statistics(), **options.get(name, {})
            )
            for name in measured
            if MEASUREMENTS[name].measures(comparison.collection, simulation=True, fields=())
        }
        # A bad file is refused here, before the work and before anything is written.
        plan = plan_of(run, {"events": inputs}, **running.reading())
        folder = make_folder(output)
        checkpoints = {
            name: Checkpoints(folder / ("checkpoints" if name == "response" else f"checkpoints-{name}"), resume=resume)
            for name in judges
        }
        outcomes = {
            name: process(run, plan, judge, skip_bad=running.skip_bad, checkpoints=checkpoints[name])
            for name, judge in judges.items()
        }
    against = standard.name or AsStored.name
    summaries = {
        name: judge.summary(outcomes[name].result, **MEASUREMENTS[name].summary_options(against))
        for name, judge in judges.items()
    }
    report = write_report(summaries, folder, formats=formats)
    for one in checkpoints.values():
        one.clear()
    print_tables(report)
    if "mass" in summaries:
        print_mass_tables(summaries["mass"])
    for outcome in outcomes.values():
        if outcome.resumed:
            out.print(f"{outcome.resumed} of {outcome.chunks} chunks came from checkpoints")
    say_written(report, folder, {failure for outcome in outcomes.values() for failure in outcome.skipped})
