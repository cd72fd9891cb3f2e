"""``mljec validate``: response, resolution and flavour dependence of corrections on simulated files."""

from __future__ import annotations

from typing import Annotated, Any

import awkward as ak
import typer

from coffea_mljec import defaults
from coffea_mljec.cli.options import Collection, Inputs, Output, Running, StandardPath, stored_regression
from coffea_mljec.cli.terminal import err, out, output_folder, say_skipped
from coffea_mljec.errors import InputError
from coffea_mljec.status import STATUS_TYPE
from coffea_mljec.workers import Checkpoints, plan_of, process

__all__ = ["AsStored", "compared", "print_report", "validate"]


class AsStored:
    """The jets as the file has them, as one more provider to compare with."""

    name = "as stored"

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return the collection with an ``mljec_status`` of 0: nothing was corrected."""
        jets = events[collection]
        return ak.with_field(jets, ak.values_astype(ak.zeros_like(jets["pt"]), STATUS_TYPE), "mljec_status")


def validate(
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
    gen_collection: Annotated[str, typer.Option(help="Generator jets to match to.")] = "GenJet",
    weight: Annotated[
        str | None, typer.Option(help="Event weight, such as genWeight. Without it every event counts once.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=0, help="Bootstrap replicas behind the errors.")] = defaults.REPLICAS,
    plots: Annotated[bool, typer.Option(help="Draw the plots (needs matplotlib).")] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a validation that was interrupted.")] = False,
    running: Running,
) -> None:
    """Compare corrections on the same simulated jets: median response, resolution, beta, alpha, closure, with errors.

    Judged are the models, stored regressions and the standard path that are named (the bundled model if none is), and
    always the jets as the file stores them. beta and alpha compare to the standard path, or to the stored jets without
    one. A long validation writes checkpoints into the output folder: after an interruption, [bold]--resume[/] goes on
    from there.

    [bold]Examples[/]

    mljec validate pfnano_*.root -o validation --model pfn-r-lite --jec L1FastJet.txt --jec L2Relative.txt

    mljec validate nano.root -o validation --jec-json jet_jerc.json.gz --tag Summer22_22Sep2023_V3_MC --algo AK4PFPuppi

    mljec validate nano.root -o validation --regression PNet --regression UParT
    """
    from coffea_mljec.report import write_report
    from coffea_mljec.validation.response.processor import ResponseProcessor

    standard_provider = standard.provider()
    providers = compared(model or [], regression or [], standard_provider)
    judge = ResponseProcessor(providers, collection, gen_collection, weight=weight, replicas=replicas)
    files = {"events": inputs}
    with running.executor("chunk", "Validating") as run:
        # A bad file is refused here, before the work and before anything is written.
        plan = plan_of(run, files, treename=running.tree, chunk_size=running.chunk_size, skip_bad=running.skip_bad)
        folder = output_folder(output)
        checkpoints = Checkpoints(folder / "checkpoints", resume=resume)
        outcome = process(run, plan, judge, skip_bad=running.skip_bad, checkpoints=checkpoints)
    name_of_standard = AsStored.name if standard_provider is None else standard_provider.name
    summary = judge.summary(outcome.result, standard=name_of_standard)
    report = write_report({"response": summary}, folder, formats=("png", "pdf") if plots else ())
    checkpoints.clear()
    print_report(report)
    if outcome.resumed:
        out.print(f"{outcome.resumed} of {outcome.chunks} chunks came from checkpoints")
    say_skipped(outcome.skipped, folder / "skipped.json")
    written = [path.name for path in (report.page, report.numbers, report.table) if path]
    written += ["plots/"] if report.plots else []
    out.print(f"in {folder}: {', '.join(written)}")


def compared(models: list[str], regressions: list[str], standard: Any) -> dict[str, Any]:
    """The corrections that the options name, and the stored jets: name -> provider, in the order of the tables.

    Raises
    ------
    InputError
        If two of them have the same name.
    """
    from coffea_mljec import MLJEC, defaults

    if not models and not regressions and standard is None:
        models = [defaults.MODEL]
    found: list[Any] = [AsStored()] if standard is None else [AsStored(), standard]
    found += [MLJEC(model, fallback=standard) for model in models]
    found += [stored_regression(text, fallback=standard) for text in regressions]
    names = [provider.name for provider in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two corrections have the name {', '.join(twice)}; compare corrections with different names.")
    return dict(zip(names, found, strict=True))


def print_report(report: Any) -> None:
    """Print the tables of a `coffea_mljec.report.Report`."""
    from coffea_mljec.validation.response.table import rich_table

    out.print(rich_table(report.summary))
    lost = {name: count for name, count in report.summary.non_finite.items() if count}
    if lost:
        err.print(f"left out, because a correction was not finite: {lost}")
