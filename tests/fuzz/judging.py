"""What an exception or a collection of corrected jets says about a case."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coffea_mljec.errors import MLJECError
from coffea_mljec.status import Status
from tests.fuzz.case import Outcome

PACKAGE = Path(__file__).resolve().parents[2] / "coffea_mljec"
LEAST, MOST = 0.05, 20.0
"""A factor beyond is no correction of a jet."""

UNTOUCHED, MUST, FREE = 0, 1, 2
"""A jet of which nothing is broken; one that must be flagged, or keep its number where the damage cannot matter; one
whose number may be another, such as a measured quantity that was changed to another possible value."""


def outcome_of(error: BaseException) -> Outcome:
    """A clear error, or a foreign one."""
    where = _where(error)
    text = f"{type(error).__name__}: {error}"[:500]
    if not isinstance(error, MLJECError):
        return Outcome("foreign", text, where)
    if (system := _system_error(error)) is not None:
        return Outcome("foreign", f"{text} (chains {type(system).__name__}, which coffea swallows)", where)
    return Outcome("clear error", text, where)


def _system_error(error: BaseException) -> BaseException | None:
    """The OSError that it is or chains; coffea's ``skipbadfiles`` looks at the whole chain."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError):
            return seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return None


def _where(error: BaseException) -> str:
    """``TypeError in nano/links.py:grouped``: innermost function of the package."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(PACKAGE)]
    if not frames:
        frames = list(traceback.extract_tb(error.__traceback__))[-1:]
    place = f"{frames[-1].filename}:{frames[-1].name}" if frames else "nowhere"
    return f"{type(error).__name__} in {place.removeprefix(f'{PACKAGE}/')}"


@dataclass(frozen=True)
class Numbers:
    """Of the jets of a chunk, flat: an identity that travels with each jet, pT, factor and status."""

    identity: np.ndarray
    pt: np.ndarray
    factor: np.ndarray
    status: np.ndarray

    @classmethod
    def of(cls, jets: Any) -> Numbers:
        """Of a corrected collection with a field ``fuzzId``."""
        import awkward as ak

        columns = [np.asarray(ak.flatten(jets[name], axis=None)) for name in FIELDS]
        return cls(*columns)


FIELDS = ("fuzzId", "pt", "jet_energy_correction", "mljec_status")


def compare(
    found: Numbers,
    expected: Numbers | None,
    touched: Mapping[int, int],
    everything: int = UNTOUCHED,
    tolerance: float = 0.0,
) -> Outcome:
    """Judge corrected jets.

    Parameters
    ----------
    found : Numbers
    expected : Numbers or None
        Of the unbroken input; None where that is refused: then only the bounds are asked for.
    touched : mapping of int to int
        Identity -> MUST or FREE.
    everything : int
        What counts for jets that are not in `touched`.
    tolerance : float
        Relative; how far the number of a jet may move that nothing was done to. 0 asks for the same bits.
    """
    applied = (found.status & int(Status.APPLIED)) != 0
    corrected = applied | ((found.status & int(Status.FALLBACK)) != 0)
    with np.errstate(invalid="ignore"):
        sound = np.isfinite(found.pt) & (found.factor >= LEAST) & (found.factor <= MOST)
    if (wild := np.flatnonzero(corrected & ~sound)).size:
        jet = wild[0]
        return Outcome(
            "silent", f"jet {found.identity[jet]}: pt {found.pt[jet]}, factor {found.factor[jet]}, {_words(found, jet)}"
        )
    if expected is None:
        return Outcome("right" if applied.all() else "flagged")
    row_of = {int(identity): row for row, identity in enumerate(expected.identity)}
    flagged = False
    for jet, identity in enumerate(found.identity):
        kind = touched.get(int(identity), everything)
        if kind == FREE:
            continue
        if int(identity) not in row_of:
            return Outcome("silent", f"a jet with identity {identity} came from nowhere")
        row = row_of[int(identity)]
        same = all(
            _bits(ours[jet]) == _bits(theirs[row]) or abs(ours[jet] - theirs[row]) <= tolerance * abs(theirs[row])
            for ours, theirs in ((found.pt, expected.pt), (found.factor, expected.factor))
        )
        said = found.status[jet] == expected.status[row]
        if same and (said or kind == MUST):
            flagged |= not said
            continue
        if kind == MUST and not applied[jet]:
            flagged = True
            continue
        return Outcome(
            "silent",
            f"{'unbroken ' if kind == UNTOUCHED else ''}jet {identity}: factor {expected.factor[row]:.6g} -> "
            f"{found.factor[jet]:.6g}, pt {expected.pt[row]:.6g} -> {found.pt[jet]:.6g}, {_words(expected, row)} -> "
            f"{_words(found, jet)}",
        )
    flagged |= bool((~applied).any() and (expected.status & int(Status.APPLIED)).all())
    return Outcome("flagged" if flagged else "right")


def _bits(number: Any) -> bytes:
    return np.float32(number).tobytes()


def _words(numbers: Numbers, jet: int) -> str:
    return Status(int(numbers.status[jet])).name or "unchanged"
