"""Runs of proton collisions, by year and by the periods that tags are named after (RunCD, RunE)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["PERIODS", "YEARS", "Runs", "in_words", "is_within", "label_of", "periods_of", "runs_of_label"]

Runs = tuple[tuple[int, int], ...]
"""First and last run of each stretch, both included."""

YEARS: Mapping[int, tuple[int, int]] = {
    16: (271036, 284044), 17: (294927, 306462), 18: (314472, 325175),
    22: (352319, 362760), 23: (365753, 370790), 24: (378134, 387121), 25: (390000, 399999),
    26: (401000, 409999),
}  # fmt: skip
"""First and last run of a year's proton collisions (CMS run registry); 2025 and 2026 with room on both sides."""

# 2016 to 2018: the header of CMS's MET xy corrections for Run 2 (XYMETCorrection_withUL17andUL18andUL16.h). 2016F has
# runs before and after the fix of the strip tracker (HIPM) in turn. 2022 and 2023: PdmV's table of eras
# (twiki CMS/PdmVRun3Analysis); the READMEs of github.com/cms-jet/JECDatabase give 2023D. A period lasts until the next
# one begins: runs between them are not certified, and files have them before the golden JSON is applied.
PERIODS: Mapping[str, Mapping[str, Runs]] = {
    "16APV": {
        "B": ((272007, 275656),), "C": ((275657, 276314),), "D": ((276315, 276830),), "E": ((276831, 277771),),
        "F": ((277772, 278768), (278770, 278800)),
    },
    "16": {"F": ((278769, 278769), (278801, 278819)), "G": ((278820, 280918),), "H": ((280919, 284044),)},
    "17": {
        "B": ((297020, 299329),), "C": ((299330, 302029),), "D": ((302030, 303434),), "E": ((303435, 304826),),
        "F": ((304827, 306462),),
    },
    "18": {"A": ((315252, 316997),), "B": ((316998, 319312),), "C": ((319313, 320393),), "D": ((320394, 325273),)},
    "22": {"C": ((355794, 357486),), "D": ((357487, 359021),)},
    "22EE": {"E": ((359022, 360331),), "F": ((360332, 362349),), "G": ((362350, 362760),)},
    "23": {
        "C": ((367080, 369802),), "Cv123": ((367080, 367764),), "Cv1234": ((367080, 369802),),
        "Cv4": ((367765, 369802),),
    },
    "23BPix": {"D": ((369803, 372415),)},
}  # fmt: skip
"""Year, with the part of it that simulation has a production of -> period -> its runs."""

_LABEL = re.compile(r"_Run(?P<label>(?:[A-Z](?:v\d+)?)+)_")


def label_of(tag: str) -> str | None:
    """The periods that a tag is for, ``CD`` of ``Summer22_22Sep2023_RunCD_V3_DATA``; None where it names none."""
    match = _LABEL.search(tag)
    return None if match is None else match["label"]


def runs_of_label(part: str, label: str) -> Runs | None:
    """The runs of periods: those of all its letters; None where one of them is not known."""
    periods = PERIODS.get(part, {})
    letters = re.findall(r"[A-Z](?:v\d+)?", label)
    if not letters or any(letter not in periods for letter in letters):
        return None
    return _joined(run for letter in letters for run in periods[letter])


def periods_of(part: str) -> Runs | None:
    """The runs of all periods of a part of a year; None where they are not known."""
    return _joined(run for runs in PERIODS.get(part, {}).values() for run in runs) or None


def _joined(runs: Iterable[tuple[int, int]]) -> Runs:
    """The same runs, in order, those that follow one another as one stretch."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def is_within(values: npt.ArrayLike, runs: Runs) -> npt.NDArray[np.bool_]:
    """Which run numbers lie in one of the stretches, in the shape of `values`."""
    numbers = np.asarray(values)
    inside = np.zeros(numbers.shape, np.bool_)
    for first, last in runs:
        inside |= (numbers >= first) & (numbers <= last)
    return inside


def in_words(runs: Runs) -> str:
    """``355794 to 359021``, several with commas."""
    return ", ".join(f"{first} to {last}" if first < last else str(first) for first, last in runs)
