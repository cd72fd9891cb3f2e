"""``mljec validate``: response, resolution and flavour dependence of corrections on simulated files."""

from __future__ import annotations

from typing import Annotated, Any

import awkward as ak
import typer

from coffea_mljec.cli.executors import ExecutorKind, executor, run_processor
from coffea_mljec.cli.options import (
    Algo,
    Collection,
    Inputs,
    Jec,
    JecJson,
    Output,
    Tag,
    Tree,
    Workers,
    standard_path,
    stored_regression,
)
from coffea_mljec.cli.terminal import err, out, output_folder
from coffea_mljec.errors import InputError
from coffea_mljec.io import open_nano

__all__ = ["AsStored", "print_report", "validate"]


class AsStored:
    """The jets as the file has them, as one more provider to compare with."""

    name = "as stored"

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return the collection with an ``mljec_status`` of 0: nothing was corrected."""
        jets = events[collection]
        return ak.with_field(jets, ak.values_astype(ak.zeros_like(jets["pt"]), "uint8"), "mljec_status")


def validate(
    inputs: Inputs,
    output: Output,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|PATH", help="A bundled model or a model folder; repeat it for several."),
    ] = None,
    regression: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A regression that the files store, such as PNet+neutrino; repeat it."),
    ] = None,
    jec: Jec = None,
    jec_json: JecJson = None,
    tag: Tag = None,
    algo: Algo = None,
    collection: Collection = "Jet",
    gen_collection: Annotated[str, typer.Option(help="Generator jets to match to.")] = "GenJet",
    weight: Annotated[
        str | None, typer.Option(help="Event weight, such as genWeight. Without it every event counts once.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=0, help="Bootstrap replicas behind the errors.")] = 30,
    plots: Annotated[bool, typer.Option(help="Draw the plots (needs matplotlib).")] = True,
    kind: Annotated[
        ExecutorKind | None, typer.Option("--executor", help="Default: iterative, or futures with --workers above 1.")
    ] = None,
    workers: Workers = 1,
    tree: Tree = "Events",
    chunk_size: Annotated[int, typer.Option(min=1, help="Events a chunk.")] = 50_000,
) -> None:
    """Compare corrections on the same simulated jets: median response, resolution, beta, alpha, closure, with errors.

    Judged are the models, stored regressions and the standard path that are named (the bundled model if none is), and
    always the jets as the file stores them. beta and alpha compare to the standard path, or to the stored jets without
    one.

    [bold]Examples[/]

    mljec validate pfnano_*.root -o validation --model pfn-r-lite --jec L1FastJet.txt --jec L2Relative.txt

    mljec validate nano.root -o validation --jec-json jet_jerc.json.gz --tag Summer22_22Sep2023_V3_MC --algo AK4PFPuppi

    mljec validate nano.root -o validation --regression PNet --regression UParT
    """
    from coffea_mljec.report import write_report
    from coffea_mljec.validation.processor import ResponseProcessor

    standard = standard_path(jec, jec_json, tag, algo)
    providers = _providers(model or [], regression or [], standard)
    repeated = sorted({name for name in inputs if inputs.count(name) > 1})
    if repeated:
        raise InputError(f"given more than once: {', '.join(repeated)}; give each input file once.")
    for name in inputs:
        with open_nano(name, tree):
            pass  # A bad file is refused here, before any worker starts.
    folder = output_folder(output)
    judge = ResponseProcessor(providers, collection, gen_collection, weight=weight, replicas=replicas)
    kind = kind or (ExecutorKind.futures if workers > 1 else ExecutorKind.iterative)
    with executor(kind, workers, desc="Validating") as run:
        accumulated = run_processor(run, {"events": inputs}, judge, treename=tree, chunk_size=chunk_size)
    name_of_standard = AsStored.name if standard is None else standard.name
    report = write_report(accumulated, folder, name_of_standard, formats=("png", "pdf") if plots else ())
    print_report(report)
    out.print(f"in {folder}: {report.numbers.name}, {report.table.name}" + (", plots/" if report.plots else ""))


def _providers(models: list[str], regressions: list[str], standard: Any) -> dict[str, Any]:
    """Name -> provider, in the order of the tables."""
    from coffea_mljec import MLJEC
    from coffea_mljec.models import DEFAULT_MODEL

    if not models and not regressions and standard is None:
        models = [DEFAULT_MODEL]
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
    from coffea_mljec.validation.table import rich_table

    out.print(rich_table(report.summary))
    lost = {name: count for name, count in report.summary.non_finite.items() if count}
    if lost:
        err.print(f"left out, because a correction was not finite: {lost}")
