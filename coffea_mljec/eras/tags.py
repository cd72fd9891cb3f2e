"""Which tags of a file are an era's: those of its campaigns, of the newest version, each for its runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from coffea_mljec.eras.places import names_in
from coffea_mljec.eras.table import Campaign, campaign_of_run
from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads.run_periods import Runs, in_words, is_within, runs_of_label

__all__ = ["common", "correction_tags", "newest", "resolution_tag", "tag_of_run"]

Tags = tuple[tuple[Runs, str], ...]


def correction_tags(path: Path, campaign: Campaign, data: bool, algorithm: str) -> Tags:
    """Tags of an algorithm's correction, each with the runs that it is for; of simulation one.

    Raises
    ------
    PayloadError
        The file has none of this era, or one whose runs are not known.
    """
    names, kind = names_in(path), "DATA" if data else "MC"
    pattern = rf"(?:_Run(?P<label>\w+?))?_V(?P<version>\d+)_{kind}(?P<end>_L2Relative_){re.escape(algorithm)}"
    found = newest(names, campaign.jec, pattern)
    if not found:
        raise PayloadError(
            f"{path} has no correction of {campaign.name} for {'data' if data else 'simulation'} and {algorithm}: "
            f"looked for {' or '.join(campaign.jec)}_..._{kind}, the file has: {_listed(names)}."
        )
    # A tag for the whole era is newer than those of its periods, which some files keep beside it.
    labels = [""] if "" in found else sorted(found)
    return tuple((_runs_of(path, campaign, label, found[label]), found[label]) for label in labels)


def _runs_of(path: Path, campaign: Campaign, label: str, tag: str) -> Runs:
    runs = runs_of_label(campaign.part, label) if label else campaign.runs
    if runs is None:
        raise PayloadError(f"{path}: the runs of {tag} are not known, so neither is when it may be used.")
    return runs


def tag_of_run(run: int, tags: Tags, era: str) -> Tags:
    """The tag that a run belongs to, alone; raises InputError where it is in none."""
    for runs, tag in tags:
        if is_within(run, runs).all():
            return ((runs, tag),)
    others = [one.name for one in campaign_of_run(run)]
    raise InputError(
        f"run {run} is in no tag of {era}: {'; '.join(f'{tag} ({in_words(runs)})' for runs, tag in tags)}. "
        + (f"It is of the era {' or '.join(others)}." if others else "No era that is known has it.")
    )


def resolution_tag(path: Path, campaign: Campaign, algorithm: str) -> str:
    """The tag of resolution and scale factors; raises PayloadError where the file has none of this era."""
    names = names_in(path)
    pattern = rf"_JRV(?P<version>\d+)_MC(?P<end>_PtResolution_){re.escape(algorithm)}"
    found = newest(names, campaign.jer, pattern)
    if not found:
        raise PayloadError(
            f"{path} has no resolution of {campaign.name} for {algorithm}: looked for "
            f"{' or '.join(campaign.jer)}_JRV..._MC, the file has: {_listed(names)}."
        )
    return found[""]


def newest(names: Sequence[str], starts: Sequence[str], pattern: str) -> dict[str, str]:
    """Tags of the newest version, by the periods that they name ("" for none).

    Parameters
    ----------
    names : sequence of str
        Of a file.
    starts : sequence of str
        Campaigns, best first: the first that the file has counts.
    pattern : str
        What follows the campaign: a regular expression with a group ``version``, and perhaps one ``label``. The tag
        ends where the group ``end`` begins.
    """
    for start in starts:
        found: dict[int, dict[str, str]] = {}
        for name in names:
            match = re.fullmatch(re.escape(start) + pattern, name)
            if match is not None:
                label = match.groupdict().get("label") or ""
                found.setdefault(int(match["version"]), {})[label] = name[: match.start("end")]
        if found:
            return found[max(found)]
    return {}


def common(tag: str) -> str:
    """The tag without its periods."""
    start, _, rest = tag.partition("_Run")
    return f"{start}_{rest.partition('_')[2]}" if rest else tag


def _listed(names: Sequence[str]) -> str:
    marks = ("_L2Relative_", "_PtResolution_")
    found = sorted({name.replace(mark, " ") for name in names for mark in marks if mark in name})
    return ", ".join(found) or "no correction"
