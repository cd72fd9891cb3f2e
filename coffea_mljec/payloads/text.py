"""Classic JEC text files (``<tag>_<MC|DATA>_<level>_<algorithm>.jec.txt``, plain or gzipped).

coffea reads these too, but hands the formula to ``eval``, keeps parameters in 32 bits, and takes a file that was cut
short for a whole one; so they are read here, and compared with coffea in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads.payload import Payload, payload_path
from coffea_mljec.payloads.table import FormulaTable
from coffea_mljec.payloads.textheader import file_name
from coffea_mljec.payloads.textrows import formula_table

__all__ = ["LEVEL_ORDER", "level_files", "read_soft_drop_text", "read_text"]

LEVEL_ORDER = {
    "L1FastJet": 1, "L1RC": 1, "L1Offset": 1,
    "L2Relative": 2,
    "L3Absolute": 3,
    "MLClosure": 4,
    "L2L3Residual": 5, "L2Residual": 5,
}  # fmt: skip
"""Known levels and the step of the sequence that each of them is. ``MLClosure`` is ours: it flattens a provider."""

NOT_LEVELS = {
    "UncertaintySources": "uncertainty sources", "Uncertainty": "an uncertainty", "PtResolution": "a resolution",
    "PhiResolution": "a resolution", "SF": "resolution scale factors",
    "SoftDropMass": "a correction of the soft-drop mass",
}  # fmt: skip


_SOFT_DROP = "SoftDropMass"
_BESIDE = ("MLClosure", _SOFT_DROP)
"""Corrections of something else than the raw pT, in the same folder and format."""


def level_files(folder: Path, algorithm: str | None = None) -> list[Path]:
    """Return the text files of the one correction in a folder; none where it has none.

    Closures (``MLClosure``) and corrections of the soft-drop mass (``SoftDropMass``) are none of its levels.

    Parameters
    ----------
    folder : Path
        May hold the corrections of several jet algorithms: the names of files say for which each is.
    algorithm : str, optional
        The jet algorithm that is wanted, such as ``AK4PFPuppi``.

    Raises
    ------
    InputError
        If the folder has several and none is asked for, or others than the one that is.
    PayloadError
        If the name of a file does not say what it is for.
    """
    if not folder.is_dir():
        return []
    files = [path for path in sorted(folder.iterdir()) if path.name.endswith((".jec.txt", ".jec.txt.gz"))]
    named = [(path, *file_name(path)[1:]) for path in files]
    found = sorted({made_for for _, level, made_for in named if level not in _BESIDE})
    if algorithm is None and len(found) > 1:
        raise InputError(f"{folder} has corrections for {' and '.join(found)} jets: say which algorithm is meant")
    if algorithm is not None and found and algorithm not in found:
        raise InputError(f"{folder} has no correction for {algorithm} jets, only for {' and '.join(found)}")
    return [path for path, level, made_for in named if level not in _BESIDE and algorithm in (None, made_for)]


def read_text(paths: Sequence[str | Path]) -> Payload:
    """Read the levels of one correction; the order of the files does not matter.

    Parameters
    ----------
    paths : sequence of str or Path
        One file a level. Names say tag, level and algorithm: ``Summer22_22Sep2023_V3_MC_L1FastJet_AK4PFPuppi.jec.txt``
        (``.jec`` and ``.gz`` may be absent).

    Returns
    -------
    Payload
        Levels in the standard order L1, L2Relative, L3Absolute, residual.

    Raises
    ------
    InputError
        `paths` is a single path, or empty.
    PayloadError
        A file is missing, unreadable, cut short or damaged (message: file, line, got, expected), its level is unknown
        or given twice, or files of different tags or algorithms are mixed.
    """
    if isinstance(paths, (str, Path)) or not isinstance(paths, Iterable) or not paths:
        raise InputError(f"expected a sequence of JEC text files, one a level, got {paths!r}: write from_txt([...])")
    tables: dict[int, tuple[Path, FormulaTable]] = {}
    named: tuple[Path, str, str] | None = None
    for path in map(payload_path, paths):
        tag, level, algorithm = _name(path)
        if named is not None and named[1:] != (tag, algorithm):
            raise PayloadError(
                f"{path.name} is for {tag} {algorithm}, {named[0].name} for {named[1]} {named[2]}: "
                "levels of one correction must share campaign, version, MC or DATA, and jet algorithm"
            )
        named = (path, tag, algorithm)
        step = LEVEL_ORDER[level]
        if step in tables:
            raise PayloadError(
                f"{path.name} and {tables[step][0].name} are both step {step} of the sequence "
                f"({tables[step][1].level}, {level}): give one file a step"
            )
        tables[step] = (path, formula_table(path, level))
    assert named is not None
    return Payload(tuple(tables[step][1] for step in sorted(tables)), named[1], named[2])


def read_soft_drop_text(path: str | Path) -> Payload:
    """Read a correction of the soft-drop mass, a function of eta and corrected pT.

    Parameters
    ----------
    path : str or Path
        ``<tag>_SoftDropMass_AK8PFPuppi.jec.txt``, which ``python -m training derive --collection FatJet`` writes.

    Returns
    -------
    Payload
        Its ``pt_raw`` is the corrected pT.

    Raises
    ------
    PayloadError
        If the file is another, missing or damaged.
    """
    found = payload_path(path)
    tag, level, algorithm = file_name(found)
    if level != _SOFT_DROP:
        raise PayloadError(f"{found.name} holds {level}, expected {_SOFT_DROP}: give the correction of that mass")
    return Payload((formula_table(found, level),), tag, algorithm)


def _name(path: Path) -> tuple[str, str, str]:
    tag, level, algorithm = file_name(path)
    if level in NOT_LEVELS:
        raise PayloadError(
            f"{path.name} holds {NOT_LEVELS[level]}, not a level of the correction: give the levels only "
            f"({', '.join(LEVEL_ORDER)})"
        )
    if level not in LEVEL_ORDER:
        raise PayloadError(f"{path.name}: unknown level '{level}', expected one of {', '.join(LEVEL_ORDER)}")
    return tag, level, algorithm
