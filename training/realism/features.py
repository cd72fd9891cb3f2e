"""The part on the networks' inputs: `training.realism.inputs` as rows and a table, or why there is none."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coffea_mljec.nano.opening import quiet_coffea
from training.realism.inputs import GROSS, compare_inputs
from training.realism.productions import finished
from training.realism.row import Part, Row

__all__ = ["REFERENCE", "find_reference", "input_features"]

#: 64 jets of ten simulated CMS events, public.
REFERENCE = "pfnano_ul17_mc.root"
_ROOT = Path(__file__).resolve().parents[2]
_EVENTS = 20_000
_FILES = 60
_TEXT = (
    "Distributions of every feature of the catalogue in this sample, weighted to the real file's pT, |eta|, rho and "
    "flavour, against a public CMS file of ten events. The distance is the largest difference of the cumulative "
    f"distributions; gross is one that exceeds by more than {GROSS:g} what chance gives with so few jets (its 95 % "
    "quantile)."
)


def find_reference(given: Path | None) -> Path | None:
    """Return the real file: the one given, or `REFERENCE` where the tests look for real files, or None."""
    if given is not None:
        return given
    where = os.environ.get("MLJEC_REAL_DATA")
    folder = Path(where) if where else _ROOT.parent / "shared" / "data"
    path = folder / "nano" / REFERENCE
    return path if path.is_file() else None


def input_features(reference: Path | None, productions: Sequence[Path], limit: int = _EVENTS) -> Part:
    """Compare the features with the reference's; without one the part says so."""
    if reference is None:
        return Part(
            "Inputs against real jets",
            f"**Not compared: no real file here.** Give one with --reference, or the folder of nano/{REFERENCE} in "
            "MLJEC_REAL_DATA.",
        )
    files = finished(productions)
    # Some files of all processes say as much, and opening a file costs more than reading it.
    chosen = files[:: max(1, len(files) // _FILES)]
    with warnings.catch_warnings():
        quiet_coffea()
        rows = compare_inputs(reference, chosen, limit)
    part = Part("Inputs against real jets", f"{_TEXT} Reference: `{reference.name}`.")
    for collection in dict.fromkeys(row["collection"] for row in rows):
        compared = [row for row in rows if row["collection"] == collection and row["distance"] is not None]
        if not compared:
            continue
        worst = max(compared, key=_excess)
        gross = [row["name"] for row in compared if row["gross"]]
        verdict = f"gross: {', '.join(gross)}" if gross else f"worst: {worst['name']}"
        what = "constituents a jet" if collection == "count" else f"{collection} features"
        part.rows.append(Row(
            f"{what}: distance beyond chance", f"{len(compared)} compared; {verdict}", _excess(worst), high=GROSS,
            source="limit ours",
        ))  # fmt: skip
    header = ["feature", "real: 5, 25, 50, 75, 95 %", "this sample", "means", "distance", "by chance", "verdict"]
    part.tables.append(("All features", header, [_line(row) for row in rows]))
    return part


def _excess(row: dict[str, Any]) -> float:
    return float(row["distance"] - row["expected"])


def _line(row: dict[str, Any]) -> list[str]:
    def numbers(values: Sequence[float] | None) -> str:
        return "-" if values is None else ", ".join(f"{value:.3g}" for value in values)

    name = f"{row['collection']}.{row['name']}"
    if row["distance"] is None:
        return [name, "-", numbers(row["simulation"]), f"- / {row['simulation_mean']:.3g}", "-", "-", "not in the file"]
    verdict = "**gross**" if row["gross"] else "fine"
    means = f"{row['reference_mean']:.3g} / {row['simulation_mean']:.3g}"
    distance, expected = f"{row['distance']:.3f}", f"{row['expected']:.3f}"
    return [name, numbers(row["reference"]), numbers(row["simulation"]), means, distance, expected, verdict]
