"""Where payloads are: the two layouts of CMS's JSON repository, and the names in a file."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from coffea_mljec.eras.table import CAMPAIGNS, Campaign
from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads.payload import payload_content
from coffea_mljec.support.paths import checked_path

__all__ = ["CVMFS", "VARIABLE", "file_of", "folder_of", "names_in", "roots"]

VARIABLE = "MLJEC_JSONPOG"

CVMFS = (
    # Where CMS publishes payloads since 2025; the other is no longer filled.
    "/cvmfs/cms-griddata.cern.ch/cat/metadata",
    "/cvmfs/cms.cern.ch/rsync/cms-nanoAOD/jsonpog-integration",
)
"""Looked through in this order where nobody says where."""

JETS = "jet_jerc.json.gz"


def roots(directory: str | os.PathLike[str] | None) -> tuple[Path, ...]:
    """The directories to look into: the one given, or that of `VARIABLE`, or those of cvmfs."""
    given = directory or os.environ.get(VARIABLE)
    return tuple(checked_path(one, "a directory with POG/JME or JME in it") for one in ([given] if given else CVMFS))


def folder_of(campaign: Campaign, directory: str | os.PathLike[str] | None) -> Path:
    """The folder of an era's payloads.

    Raises
    ------
    PayloadError
        None of the directories has it; the message lists the eras that they have.
    """
    looked = roots(directory)
    for root in looked:
        for folder in _candidates(root, campaign):
            if (folder / JETS).is_file() or (folder / "fatJet_jerc.json.gz").is_file():
                return folder.resolve()
    # Each root of cvmfs has one layout; a directory of one's own may have either.
    candidates = [_candidates(root, campaign) for root in looked]
    folders = candidates[0] if len(looked) == 1 else (candidates[0][1], candidates[1][0])
    tried = " or ".join(str(path / JETS) for path in folders)
    there = [one.name for one in CAMPAIGNS if any(path.is_dir() for root in looked for path in _candidates(root, one))]
    has = f"of eras, it has: {', '.join(there)}" if there else "it has no era that is known"
    raise PayloadError(
        f"no payloads of {campaign.name}: looked for {tried}; {has}. Say where CMS's JSON repository is, "
        f"era(..., directory=...) or the variable {VARIABLE}; the default is {' and '.join(CVMFS)}."
    )


def _candidates(root: Path, campaign: Campaign) -> tuple[Path, ...]:
    return root / "POG" / "JME" / campaign.name, root / "JME" / campaign.metadata / "latest"


def file_of(folder: Path, *names: str) -> Path | None:
    """The first of the files that is there, packed or not."""
    for name in names:
        for one in (name, name.removesuffix(".gz")):
            if (folder / one).is_file():
                return folder / one
    return None


def names_in(path: Path) -> tuple[str, ...]:
    """The names in a correctionlib file, without parsing it: those of 30 MB take a tenth of the time."""
    state = path.stat()
    return _names_in(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=32)
def _names_in(path: Path, changed: int, size: int) -> tuple[str, ...]:
    content = payload_content(path, "copy the whole file again")
    found = re.findall(rb'"name"\s*:\s*"([^"\\]+)"', content)
    return tuple(dict.fromkeys(name.decode(errors="replace") for name in found))
