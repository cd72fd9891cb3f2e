"""``python -m training realism``: read, measure, draw, write, with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEFAULT_JEC", "command", "draw"]

_ROOT = Path(__file__).resolve().parents[2]
#: The standard correction that comes with the package.
DEFAULT_JEC = _ROOT / "coffea_mljec" / "data" / "jec"


def command(
    productions: Annotated[list[Path], typer.Argument(help="Folders or files of simulated events.")],
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Test sample: other events, on which closure and counts are judged. May be repeated."),
    ] = None,
    jec: Annotated[Path, typer.Option(help="Folder of the standard correction's text files.")] = DEFAULT_JEC,
    reference: Annotated[
        Path | None, typer.Option(help="Real PFNano file for the inputs' distributions; looked for by default.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-j", help="Processes that read files.")] = 1,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if absent.")] = Path(
        "training/reports/realism"
    ),
) -> None:
    """Draw a simulated sample against the targets of CMS and the reference thesis: figures, a table of deviations."""
    draw(productions, test or [], jec, reference, output, workers)


def draw(
    productions: Sequence[Path],
    test: Sequence[Path],
    jec: Path,
    reference: Path | None,
    output: Path,
    workers: int = 1,
) -> None:
    """Make the whole report.

    Parameters
    ----------
    productions, test : sequence of Path
        Simulated samples: those drawn, and independent ones for closure and counts (may be empty).
    jec : Path
        Folder of the text files.
    reference : Path or None
        A real file; None looks where the tests look.
    output : Path
    workers : int
        Processes that read files.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from coffea_mljec.payloads import read_text
    from training.realism.features import find_reference, input_features
    from training.realism.jets import Sample, read_sample
    from training.realism.report import parts, write_report
    from training.realism.row import FEW, MISS, PASS
    from training.simulate.production import correction_files

    payload = read_text(correction_files(jec))
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn(),
        console=console,
    ) as progress:  # fmt: skip

        def read(name: str, inputs: Sequence[Path]) -> Sample:
            task = progress.add_task(f"reading {name}", total=None)

            def tell(done: int, of: int) -> None:
                progress.update(task, completed=done, total=of)

            return read_sample(inputs, payload, tell, workers)

        sample = read("productions", productions)
        other = read("test sample", test) if test else None
        work = progress.add_task("measuring", total=None)

        def step(name: str) -> None:
            progress.update(work, advance=1, description=f"measuring and drawing: {name}")

        found = parts(sample, other, payload, step)
        step("inputs")
        found.append(input_features(find_reference(reference), productions))
        verdicts = write_report(output, found, productions, test, _words(productions, test, jec, output), step)
    console.print(
        f"{output / 'realism.md'}: {verdicts[PASS]} rows pass, {verdicts[MISS]} miss, {verdicts[FEW]} have too few jets"
    )


def _words(productions: Sequence[Path], test: Sequence[Path], jec: Path, output: Path) -> str:
    """Return the command that makes this report."""
    words = ["python -m training realism", *map(str, productions), *(f"--test {path}" for path in test)]
    if jec.resolve() != DEFAULT_JEC:
        words.append(f"--jec {jec}")
    return " ".join([*words, f"-o {output}"])
