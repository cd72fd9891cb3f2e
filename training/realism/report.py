"""The report: every comparison drawn, and one table of deviations, as Markdown and JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coffea_mljec.payloads import Payload
from coffea_mljec.support.atomic import make_folder, whole_file, write_text
from coffea_mljec.validation.common.style import style
from training.realism.closure import closure
from training.realism.composition import composition
from training.realism.constants import adjusted_constants
from training.realism.flavours import flavour_medians
from training.realism.jets import SimulatedJets
from training.realism.pileup import pileup
from training.realism.productions import differences, summary, table
from training.realism.resolution import against_cms, against_thesis
from training.realism.row import FEW, MISS, PASS, SHOWN, Part, Row
from training.realism.scale import raw_response
from training.realism.size import size
from training.realism.substructure import substructure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["parts", "write_report"]

_HEADER = ["what", "where", "target", "measured", "deviation", "allowed", "verdict"]
_DPI = 72


def parts(
    sample: SimulatedJets, test: SimulatedJets | None, payload: Payload, step: Callable[[str], None] = lambda name: None
) -> list[Part]:
    """Return all parts of the report; ``step`` gets the name of what is measured next."""
    found = []
    measurements: dict[str, Callable[[], Part]] = {
        "resolution against CMS": lambda: against_cms(sample),
        "resolution against the thesis": lambda: against_thesis(sample),
        "raw response": lambda: raw_response(sample),
        "flavours": lambda: flavour_medians(sample),
        "composition": lambda: composition(sample),
        "quark and gluon jets": lambda: substructure(sample),
        "pileup": lambda: pileup(sample, payload),
        "closure": lambda: closure(sample if test is None else test, test is not None),
        "sizes": lambda: size(sample, test),
    }
    for name, measure in measurements.items():
        step(name)
        found.append(measure())
    return found


def write_report(
    folder: Path,
    found: Sequence[Part],
    productions: Sequence[Path],
    test: Sequence[Path],
    command: str,
    step: Callable[[str], None] = lambda name: None,
) -> Counter[str]:
    """Write ``realism.md``, ``realism.json`` and a figure a PNG into a folder, made if absent.

    Returns
    -------
    Counter
        Rows by verdict.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    MLJECError
        Without matplotlib.
    """
    summaries = [summary(path) for path in (*productions, *test)]
    warnings = differences(summaries)
    make_folder(folder)
    with style():
        for part in found:
            for name, _, draw in part.figures:
                step(name)
                _save(folder / f"{name}.png", draw())
    verdicts = Counter(row.verdict for part in found for row in part.rows)
    write_text(folder / "realism.md", _markdown(found, summaries, warnings, command, verdicts))
    write_text(folder / "realism.json", _json(found, summaries, warnings, command))
    return verdicts


def _save(path: Path, figure: Figure) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def _line(row: Row) -> list[str]:
    error = "" if row.error is None or not math.isfinite(row.error) else f" +- {row.error:.{row.digits}f}"
    deviation = row.deviation
    shown = (
        "-" if deviation is None else f"{100 * deviation:+.1f} %" if row.relative else f"{deviation:+.{row.digits}f}"
    )
    allowed = "-"
    if row.low is not None and row.high is not None and math.isfinite(row.low):
        allowed = f"{_number(row.low, row.digits)} to {_number(row.high, row.digits)}"
    elif row.low is not None:
        allowed = f"at least {_number(row.low, row.digits)}"
    elif row.high is not None:
        allowed = f"at most {_number(row.high, row.digits)}"
    verdict = f"**{row.verdict}**" if row.verdict == MISS else row.verdict
    if row.marginal:
        verdict += " (within 2 errors)"
    target = _number(row.target, row.digits)
    return [row.what, row.where, target, _number(row.measured, row.digits) + error, shown, allowed, verdict]


def _rows(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *lines)]


def _markdown(
    found: Sequence[Part],
    summaries: Sequence[dict[str, Any]],
    warnings: Sequence[str],
    command: str,
    verdicts: Counter[str],
) -> str:
    judged = sum(count for verdict, count in verdicts.items() if verdict != SHOWN)
    text = [
        "# How real the simulated sample looks", "",
        f"Made by `{command}`; the numbers are in `realism.json` too.", "",
        f"**{verdicts[PASS]} of {judged} judged rows pass, {verdicts[MISS]} miss, {verdicts[FEW]} have too few jets.** "
        "A row is judged if its statistical error is below a third of its limit; errors count jets as independent and "
        "stand for one standard deviation (where a production passes each scatter through the detector several times, "
        "the passes share its generator jets: errors may be larger, by the root of their number at most). Processes "
        "are mixed as the derivation of the standard correction mixes them: enriched flavours add statistics, never a "
        "share beyond inclusive QCD's (`training.derive.mix.mix_weights`), unless a part says otherwise.", "",
        *_rows(["production", "seed", "events", "settings", "core hours"], table(summaries)), "",
    ]  # fmt: skip
    text += [f"**Warning:** {warning}\n" for warning in warnings]
    text += ["## Table of deviations", "", *_rows(_HEADER, [_line(row) for part in found for row in part.rows]), ""]
    for part in found:
        text += [f"## {part.title}", "", part.text, ""]
        if part.rows:
            sources = sorted({row.source for row in part.rows if row.source})
            text += [f"Targets: {'; '.join(sources)}.", ""]
        for name, caption, _ in part.figures:
            text += [f"![{caption}]({name}.png)", "", f"*{caption}*", ""]
        if part.details:
            lines = [_line(row) for row in part.details]
            text += _folded("Further numbers", _HEADER, lines)
        for caption, header, lines in part.tables:
            text += _folded(caption, header, lines)
    text += _constants()
    return "\n".join(text)


def _folded(caption: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return ["<details>", f"<summary>{caption}</summary>", "", *_rows(header, lines), "", "</details>", ""]


def _constants() -> list[str]:
    lines = [[f"`{one.name}`", f"{one.value:g}", one.comment.replace("|", "\\|")] for one in adjusted_constants()]
    return [
        "## Constants adjusted to these targets", "",
        "From `training/simulate/detector.py` as it is now; a production made with other constants is named above.", "",
        *_rows(["constant", "value", "what it does, and why"], lines), "",
    ]  # fmt: skip


def _json(found: Sequence[Part], summaries: Sequence[dict[str, Any]], warnings: Sequence[str], command: str) -> str:
    def row(one: Row) -> dict[str, Any]:
        numbers = {
            "measured": one.measured, "error": one.error, "target": one.target, "low": one.low, "high": one.high,
            "deviation": one.deviation,
        }  # fmt: skip
        return {
            "what": one.what, "where": one.where.replace("\\", ""), "verdict": one.verdict, "relative": one.relative,
            "source": one.source,
        } | {
            name: None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
            for name, value in numbers.items()
        }  # fmt: skip

    content = {
        "command": command,
        "productions": [{name: value for name, value in one.items() if name != "detector"} for one in summaries],
        "warnings": list(warnings),
        "constants": {one.name: one.value for one in adjusted_constants()},
        "parts": [
            {
                "title": part.title,
                "rows": [row(one) for one in part.rows],
                "details": [row(one) for one in part.details],
                "tables": {caption: {"header": header, "lines": lines} for caption, header, lines in part.tables},
            }
            for part in found
        ],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
