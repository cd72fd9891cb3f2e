"""A whole study: trainings, models, measurements, table and figure."""

from __future__ import annotations

from pathlib import Path

from coffea_mljec.support.atomic import make_folder, write_text
from training.studies.figures import Curve, curves_of, draw_study
from training.studies.measuring import measure
from training.studies.running import trained_rows
from training.studies.settings import Study
from training.studies.table import Table, read_table

__all__ = ["redraw_study", "run_study"]


def run_study(study: Study, progress: bool = True) -> Path:
    """Train every variant, measure all, write table and figure; return the study's folder.

    Trainings that are finished are kept, an interrupted one goes on, and so does an interrupted evaluation.

    Parameters
    ----------
    study : Study
    progress : bool
        Whether to show progress.

    Returns
    -------
    Path
        ``RUNS/NAME-study`` with ``study.json`` (every number), ``study.csv``, ``study.md``, ``study.png``, ``runs``,
        ``models`` and ``closures``.

    Raises
    ------
    InputError
        See `training.studies.running.trained_rows` and `training.studies.measuring.measure`.
    """
    folder = study.base().runs / f"{study.name}-study"
    make_folder(folder)
    rows = trained_rows(study, folder, progress)
    table = measure(study, rows, folder, progress)
    table.write(folder)
    redraw_study(folder)
    return folder


def redraw_study(folder: Path) -> list[Path]:
    """Draw a study's figure again, from its table, and fit its learning curves; return the files."""
    table = read_table(folder)
    written = draw_study(table, folder)
    if table.kind == "learning-curve":
        path = folder / "laws.md"
        write_text(path, _laws(table))
        written.append(path)
    return written


def _laws(table: Table) -> str:
    lines = [
        "a + b (n / smallest)^-c by least squares; errors by bootstrap of the test's scatters, and by how far the "
        "trainings are off the law. beta and alpha in per cent.",
        "",
        "| series | measure | points | a | b | c | at | there | gain over the largest |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_law(curve) for curve in curves_of(table)),
    ]
    return "\n".join(lines) + "\n"


def _law(curve: Curve) -> str:
    law, digits = curve.law, 5 if curve.measure == "loss" else 1
    start = f"| {curve.series or 'the recipe'} | {curve.measure} | {len(curve.scatters)} |"
    if law is None:
        return f"{start} too few points | | | | | |"
    return (
        f"{start} {law.limit:.{digits}f} | {law.amplitude:.{digits}f} | "
        f"{law.exponent:.2f} ± {law.exponent_error:.2f} | "
        f"{law.beyond:,.0f} | {law.there:.{digits}f} ± {law.there_error:.{digits}f} | "
        f"{law.gain:+.{digits}f} ± {law.gain_error:.{digits}f} |"
    )
