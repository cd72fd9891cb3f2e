"""What a payload was made for, beside the jets that it meets: algorithm, era, data or simulation, kind of jets."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, JetsChangedError
from coffea_mljec.nano import Layout
from coffea_mljec.nano.algorithm import is_simulation, pileup_scheme, radius
from coffea_mljec.payloads.run_periods import YEARS, Runs, in_words, is_within, label_of, runs_of_label

__all__ = [
    "DEDICATED",
    "Made",
    "MismatchWarning",
    "StandardJetsWarning",
    "check_algorithm",
    "check_kind",
    "check_same_era",
    "check_unchanged",
    "is_for",
    "warn_of_campaign",
    "warn_of_runs",
    "warn_standard_jets",
]

DEDICATED = re.compile(r"(?P<jets>AK\d+PF[A-Za-z]*?)(?P<network>PNet|UParT)\w*?Regression(?P<neutrino>PlusNeutrino)?")
"""Algorithms of the payloads for regressed jets: ``AK4PFPuppiPNetRegressionPlusNeutrino``."""

YEAR = re.compile(r"(?:UL|(?:Spring|Summer|Fall|Autumn|Winter)(?!\d\dUL))(?P<year>\d\d)")
CAMPAIGN = re.compile(r"Run(?:II|3|III20\d\d)(?:Summer|Autumn|Fall|Winter|Spring)\d\d(?:UL\d\d)?(?:APV|EE|BPix)?")
"""CMS's names of productions of simulation: ``RunIISummer20UL16APV``, ``Run3Summer22EE``."""

_ALGORITHM = re.compile(r"AK(\d+)PF(chs|CHS|Puppi|PUPPI)?")
_PROMPT = re.compile(r"Prompt(?P<year>\d\d)")
_PERIODS = ("APV", "EE", "BPix")
_warned: set[str] = set()


class MismatchWarning(UserWarning):
    """A payload meets jets or runs that it was not made for."""


class StandardJetsWarning(UserWarning):
    """What was measured on standard jets is put on other jets."""


class Made(Protocol):
    """Anything with a tag and a jet algorithm."""

    @property
    def tag(self) -> str: ...

    @property
    def algorithm(self) -> str: ...


def check_algorithm(algorithm: str, layout: Layout, what: str) -> None:
    """Refuse jets of another radius; warn once of jets with another pileup scheme.

    Raises
    ------
    InputError
        Naming both radii.
    """
    made_for = _ALGORITHM.match(algorithm)
    expected = radius(layout.collection)
    if made_for is not None and expected is not None and int(made_for[1]) != round(10 * expected):
        raise InputError(
            f"{what} is for jets of radius {int(made_for[1]) / 10:g}; {layout.collection} holds jets of radius "
            f"{expected:g}. Read a payload for AK{round(10 * expected)} jets, or correct another collection."
        )
    scheme = pileup_scheme(layout)
    if made_for is None or made_for[2] is None or scheme is None or made_for[2].lower() == scheme.lower():
        return
    _warn(
        f"{what} is for {made_for[2]} jets ({algorithm}), and the {layout.collection} of these events are {scheme} "
        f"jets: use one for AK{made_for[1]}PF{scheme}.",
        MismatchWarning,
    )


def is_for(algorithm: str, layout: Layout) -> bool:
    """Whether jets are those of an algorithm, as far as their file tells radius and pileup scheme."""
    made_for = _ALGORITHM.match(algorithm)
    if made_for is None:
        return True
    size, scheme = radius(layout.collection), pileup_scheme(layout)
    if size is not None and int(made_for[1]) != round(10 * size):
        return False
    return made_for[2] is None or scheme is None or made_for[2].lower() == scheme.lower()


def check_kind(is_data: bool, layout: Layout, what: str) -> None:
    """Warn once of a payload for data on simulation, or the reverse (of events that are NanoAOD with triggers: skims
    of simulation may have lost their truth)."""
    if is_data == is_simulation(layout) and (is_data or "HLT" in layout.fields):
        files, payload = ("simulation", "DATA") if is_data else ("data", "MC")
        _warn(f"{what} has a tag for {payload}, and these events are {files}: read the other tag.", MismatchWarning)


def check_same_era(first: Made, others: Iterable[Made]) -> None:
    """Warn once of payloads for different years or for different pileup schemes; refuse different radii.

    Raises
    ------
    InputError
        Naming both.
    """
    for other in others:
        years = {match["year"] for match in (YEAR.search(first.tag), YEAR.search(other.tag)) if match is not None}
        radii = {match[1] for match in (re.match(r"AK(\d+)", one.algorithm) for one in (first, other)) if match}
        both = f"{first.tag} {first.algorithm} and {other.tag} {other.algorithm}"
        if len(radii) > 1:
            raise InputError(f"{both} are for jets of different radius: read payloads for one of them.")
        if len(years) > 1:
            _warn(f"{both} are for different years: is that meant?", MismatchWarning)
        schemes = {"chs" in one.algorithm.lower() for one in (first, other) if one.algorithm.startswith("AK")}
        if len(schemes) > 1:
            _warn(f"{both} are for different jets: is that meant?", MismatchWarning)


def warn_of_runs(made: Made, runs: npt.NDArray[np.integer]) -> None:
    """Warn once of data from other runs than the payload's tag is for: of another period that it names, or year."""
    found = _runs_of(made.tag)
    if found is None or runs.size == 0:
        return
    what, expected = found
    if int(runs.min()) > 1 and not is_within(runs, expected).all():
        _warn(
            f"{made.tag} {made.algorithm} is for data of {what} (runs {in_words(expected)}), and these events "
            f"are from runs {runs.min()} to {runs.max()}: read the payload of their era.",
            MismatchWarning,
        )


def _runs_of(tag: str) -> tuple[str, Runs] | None:
    """What a tag is for, in words, and its runs; None where they are not known."""
    era, label = _era(tag), label_of(tag)
    if era is None:
        return None
    year, part = era
    taken = _PROMPT.search(tag)  # corrections of 2025's data bring it to simulation of 2024: Summer24Prompt25
    year = year if taken is None else taken["year"]
    runs = None if label is None else runs_of_label(year + part, label)
    if runs is not None:
        return f"Run20{year}{label}", runs
    return None if int(year) not in YEARS else (f"20{year}", (YEARS[int(year)],))


def warn_of_campaign(made: Made, places: Iterable[str]) -> None:
    """Warn once of simulation of another year, or of another part of the year, than the payload's tag.

    Parameters
    ----------
    made : Made
    places : iterable of str
        What is known of where the events come from: file, data set. Simulation has no runs that would tell; names of
        CMS's campaigns in a path do.
    """
    expected = _era(made.tag)
    if expected is None:
        return
    for place in places:
        for campaign in CAMPAIGN.findall(place):
            if _era(campaign) not in (None, expected):
                _warn(
                    f"{made.tag} {made.algorithm} is for simulation of 20{' '.join(filter(None, expected))}, and these "
                    f"events are from {campaign}: read the payload of their era.",
                    MismatchWarning,
                )
                return


def _era(name: str) -> tuple[str, str] | None:
    """Year and part of the year that a tag or a campaign is named after."""
    match = YEAR.search(name)
    if match is None:
        return None
    first = name.split("_")[0]
    return match["year"], next((period for period in _PERIODS if period in first), "")


def check_unchanged(layout: Layout) -> None:
    """Refuse jets that something else corrected before.

    Raises
    ------
    JetsChangedError
        Their rawFactor no longer belongs to their pT, so that raw pT would be wrong.
    """
    fields = layout.fields[layout.collection]
    if "pt_orig" in fields and "pt_raw" not in fields:
        raise JetsChangedError(
            f"{layout.collection} was corrected before, by something else (it has pt_orig, as from coffea's "
            "CorrectedJetsFactory, and no pt_raw): its rawFactor no longer belongs to its pt, and a second correction "
            "would start from a wrong raw pT. Correct the jets of the file instead, or keep their raw pT and mass as "
            "pt_raw and mass_raw."
        )


def warn_standard_jets(what: str, made: Made, allowed: bool, jets: str) -> None:
    """Refuse, or where it is allowed warn once, that something measured on other jets is put on these.

    Raises
    ------
    InputError
        Naming the option that allows it.
    """
    about = f"the {what} of {made.tag} {made.algorithm} was measured on {made.algorithm} jets, not on those of {jets}"
    if not allowed:
        raise InputError(
            f"{about}, whose response differs. If you want it nevertheless, as an approximation, say so with "
            "standard_jets=True."
        )
    _warn(f"{about}: an approximation (standard_jets=True).", StandardJetsWarning)


def _warn(message: str, category: type[UserWarning]) -> None:
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, category, stacklevel=3)
