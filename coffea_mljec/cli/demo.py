"""``mljec demo``: the main job on the sample that comes with the package."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.cli.options import Output, Workers
from coffea_mljec.cli.terminal import out, output_folder
from coffea_mljec.cli.validate import print_report
from coffea_mljec.errors import InputError
from coffea_mljec.nano import open_nano, write_friend
from coffea_mljec.workers import ExecutorKind, executor, run

__all__ = ["demo"]

SAMPLE = "mljec_sample.root"
ENERGY = 13.0
"""TeV, of the sample."""
CORRECTED = "corrected_jets.root"


def demo(
    output: Output = Path("demo-output"),
    workers: Workers = 2,
    kind: Annotated[ExecutorKind, typer.Option("--executor", help="Where the work runs.")] = ExecutorKind.dask,
) -> None:
    """Correct the bundled sample with the bundled model and with the standard path, and compare the two.

    coffea's Runner with a DaskExecutor on a local cluster of two worker processes fills the histograms of both
    corrections on the same jets. The tables are printed; a page with all tables and figures, the plots, the
    numbers and a ROOT file of corrected jets are written.

    [bold]Example[/]

    mljec demo -o demo-output
    """
    from coffea_mljec import MLJEC, FactorizedJEC
    from coffea_mljec.report import find_clouds, write_report
    from coffea_mljec.validation.response.processor import ResponseProcessor

    folder = output_folder(output)
    with as_file(files("coffea_mljec") / "data") as data:
        sample = data / SAMPLE
        payloads = sorted((data / "jec").glob("*.jec.txt"))
        if not sample.is_file() or not payloads:
            raise InputError(f"the sample or its corrections are not in {data}: install coffea-mljec again.")
        standard = FactorizedJEC.from_txt(payloads)
        network = MLJEC(fallback=standard)
        judge = ResponseProcessor({standard.name: standard, network.name: network})
        with open_nano(sample) as nano:
            # Two chunks a worker, so that the work is shared and the results of several chunks are added up.
            chunk_size = max(1, -(-nano.entries // (2 * workers)))
            clouds = find_clouds(nano.events(0, min(500, nano.entries)), judge.providers)
        with executor(kind, workers, desc="Validating") as where:
            outcome = run(where, {"mljec_sample": [str(sample)]}, judge, chunk_size=chunk_size)
        corrected = write_friend(sample, folder / CORRECTED, network, force=True)
    summary = judge.summary(outcome.result, standard=standard.name)
    report = write_report({"response": summary}, folder, energy=ENERGY, clouds=clouds)
    print_report(report)
    _say_where(folder, report, corrected.path, corrected.jets)


def _say_where(folder: Path, report: Any, corrected: str, jets: int) -> None:
    for what, where in (
        ("report", f"{report.page} (open it in a browser)"),
        ("numbers", report.numbers),
        ("tables", report.table),
        ("plots", f"{folder / 'plots'} ({len(report.plots)} files)"),
        ("corrected jets", f"{corrected} ({jets} jets; opens with NanoEvents)"),
    ):
        out.print(f"{what:<15} {where}", soft_wrap=True)
