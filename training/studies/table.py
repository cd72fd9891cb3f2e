"""The table of a study: what every variant is, and what it reaches, each number with its bootstrap replicas."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import write_text
from coffea_mljec.validation.common.statistics import spread
from training.learning.tables import write_table

__all__ = ["MEASURES", "Row", "Table", "read_table"]

FORMAT = 1

MEASURES = {"loss": 1.0, "beta_central": 100.0, "beta_forward": 100.0, "alpha_central": 100.0, "alpha_forward": 100.0}
"""What is measured, and the factor with which it is shown: beta and alpha in per cent."""


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes
    ----------
    label : str
        Name of its model.
    settings : dict
        What makes it a variant.
    scatters, jets, parameters : int or None
        Hard scatters and jets of its training split; parameters.
    flavour_weight : float or None
        Of the flavour term.
    us_per_jet : float
        Processor time of its apply.
    measured : dict of str to list of float
        Name in `MEASURES` -> the value, then that of each bootstrap replica; without one that "too few" jets tell.
    """

    label: str
    settings: dict[str, Any]
    scatters: int | None
    jets: int | None
    parameters: int | None
    flavour_weight: float | None
    us_per_jet: float
    measured: dict[str, list[float]] = field(default_factory=dict)

    def values(self, measure: str) -> NDArray[np.float64] | None:
        """The value and its replicas as figures show them, float64 array [1 + replicas]."""
        found = self.measured.get(measure)
        return None if found is None else MEASURES[measure] * np.array(found)

    def series(self, apart: tuple[str, ...]) -> str:
        """What the variant shares with others of a curve: its settings but some."""
        shared = {name.rpartition(".")[2]: value for name, value in self.settings.items() if name not in apart}
        return ", ".join(
            _text(value) if isinstance(value, str) else f"{name} {_text(value)}" for name, value in shared.items()
        )


@dataclass(frozen=True)
class Table:
    """All variants of a study.

    Attributes
    ----------
    name, kind : str
        Of the study.
    sample : dict
        Test productions, files, jets, events, replicas.
    mark : list of str
        Labels of working points.
    rows : list of Row
    """

    name: str
    kind: str
    sample: dict[str, Any]
    mark: list[str]
    rows: list[Row]

    def write(self, folder: Path) -> None:
        """Write ``study.json``, which `read_table` reads, and ``study.csv`` and ``study.md`` for people."""
        content = {"format": FORMAT} | asdict(self)
        write_text(folder / "study.json", json.dumps(content, separators=(",", ":")) + "\n")
        settings = list(dict.fromkeys(name for row in self.rows for name in row.settings))
        fixed = ("scatters", "jets", "parameters", "us_per_jet")
        columns = ["variant", *settings, *fixed]
        for measure in MEASURES:
            columns += [measure, f"{measure} +-", f"{measure} - first", f"{measure} - first +-"]
        lines = [
            [row.label, *(_text(row.settings.get(name)) for name in settings),
             *(_text(getattr(row, name)) for name in fixed),
             *(text for measure in MEASURES for text in _numbers(row, self.rows[0], measure))]
            for row in self.rows
        ]  # fmt: skip
        write_table(folder, "study", columns, lines)


def _numbers(row: Row, first: Row, measure: str) -> list[str]:
    """Value and error, and the difference from the first variant with its own, which is paired."""
    here, there = row.values(measure), first.values(measure)
    if here is None:
        return ["too few", "", "", ""]
    texts = [f"{here[0]:.5g}", f"{spread(here[1:]):.2g}"]
    if there is None or row is first:
        return [*texts, "", ""]
    return [*texts, f"{(here - there)[0]:.3g}", f"{spread((here - there)[1:]):.2g}"]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read_table(folder: Path) -> Table:
    """Read ``study.json``.

    Raises
    ------
    InputError
        If there is none, or one of another format.
    """
    path = folder / "study.json"
    if not path.is_file():
        raise InputError(f"{path} does not exist: give a folder that `python -m training study` wrote")
    content = json.loads(path.read_text())
    if content.pop("format", None) != FORMAT:
        raise InputError(f"{path} has another format than {FORMAT}: run the study again")
    return Table(**content | {"rows": [Row(**row) for row in content["rows"]]})
