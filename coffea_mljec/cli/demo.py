"""``mljec demo``: the main job on the sample that comes with the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec import defaults
from coffea_mljec.cli.comparison import figure_formats
from coffea_mljec.cli.options import Output, Workers
from coffea_mljec.cli.terminal import out, say_note
from coffea_mljec.errors import InputError
from coffea_mljec.nano import open_nano, write_friend
from coffea_mljec.support.atomic import make_folder
from coffea_mljec.workers import ExecutorKind, executor, run

__all__ = ["demo"]

SAMPLE = "mljec_sample.root"
ENERGY = 13.0
"""TeV, of the sample."""
JETS = "AK4PFchs"
CORRECTED = "corrected_jets.root"


def demo(
    output: Output = Path("demo-output"),
    workers: Workers = 2,
    kind: Annotated[
        ExecutorKind | None,
        typer.Option("--executor", help="Where the work runs. Default: dask, futures where dask is not installed."),
    ] = None,
) -> None:
    """Correct the bundled sample with the bundled model and with the standard path, and compare the two.

    coffea's Runner fills the histograms of both corrections on the same jets, on a local dask cluster of two worker
    processes, which nobody else can reach. A small table is printed; a page with all tables and figures, the numbers
    and a ROOT file of corrected jets are written.

    [bold]Example[/]

    mljec demo -o demo-output
    """
    from coffea_mljec import MLJEC, FactorizedJEC
    from coffea_mljec.report import find_clouds, write_report
    from coffea_mljec.validation.response.processor import ResponseProcessor
    from coffea_mljec.validation.response.table import short_table

    folder = make_folder(output)
    formats = figure_formats(wanted=True)
    with _material() as (sample, payloads):
        standard = FactorizedJEC.from_txt(payloads)
        network = MLJEC(defaults.MODEL, fallback=standard)
        judge = ResponseProcessor({standard.name: standard, network.name: network})
        with open_nano(sample) as nano:
            # Two chunks a worker, so that the work is shared and the results of several chunks are added up.
            chunk_size = max(1, -(-nano.entries // (2 * workers)))
            clouds = find_clouds(nano.events(0, min(500, nano.entries)), judge.providers)
        with executor(kind or _kind(), workers, desc="Validating") as where:
            outcome = run(where, {"mljec_sample": [str(sample)]}, judge, chunk_size=chunk_size)
        corrected = write_friend(sample, folder / CORRECTED, network, force=True)
    summary = judge.summary(outcome.result, standard=standard.name)
    report = write_report({"response": summary}, folder, formats=formats, energy=ENERGY, clouds=clouds)
    out.print(short_table(summary).rich())
    _say_where(folder, report, corrected.path, corrected.jets)


@contextmanager
def _material() -> Iterator[tuple[Path, list[Path]]]:
    """The sample and the standard path's payloads."""
    from coffea_mljec.payloads import level_files

    with as_file(files("coffea_mljec") / "data") as data:
        sample, payloads = data / SAMPLE, level_files(data / "jec", JETS)
        if not sample.is_file() or not payloads:
            raise InputError(f"the sample or its corrections are not in {data}: install coffea-mljec again.")
        yield sample, payloads


def _kind() -> ExecutorKind:
    if all(find_spec(name) is not None for name in ("distributed", "cryptography")):
        return ExecutorKind.dask
    say_note("dask is not installed (pip install 'coffea-mljec[dask]'): the work runs on local processes instead.")
    return ExecutorKind.futures


def _say_where(folder: Path, report: Any, corrected: str, jets: int) -> None:
    rows = [("report", f"{report.page} (open it in a browser)"), ("numbers", report.numbers), ("tables", report.table)]
    if report.plots:
        rows.append(("plots", f"{folder / 'plots'} ({len(report.plots)} files)"))
    rows.append(("corrected jets", f"{corrected} ({jets} jets; opens with NanoEvents)"))
    for what, where in rows:
        out.print(f"{what:<15} {where}", soft_wrap=True)
