"""Any correction of a correctionlib file, by its name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads.correctionlib_content import load
from coffea_mljec.payloads.library import LibraryCorrection
from coffea_mljec.payloads.payload import payload_path
from coffea_mljec.support.suggestions import did_you_mean

__all__ = ["read_correction"]


def read_correction(path: str | Path, name: str, inputs: Iterable[str]) -> LibraryCorrection:
    """Read one correction, whatever it is.

    Parameters
    ----------
    path : str or Path
    name : str
        In the file.
    inputs : iterable of str
        The inputs that are known here; the correction may have fewer.

    Raises
    ------
    PayloadError
        The file is unreadable, does not have it (the message names what it has), or it has other inputs.
    """
    path = payload_path(path)
    content = load(path)
    entries = {entry["name"]: entry for entry in content["corrections"]}
    if name not in entries:
        raise PayloadError(
            f"{path.name} has no {name}. {did_you_mean(name, entries)}It has: {', '.join(entries) or 'nothing'}."
        )
    alone = {"schema_version": content["schema_version"], "corrections": [entries[name]]}
    found = LibraryCorrection(json.dumps(alone), name)
    try:
        names = found.inputs
    except Exception as error:
        raise PayloadError(f"{path.name}: correctionlib cannot read {name}: {error}: copy the file again") from None
    known = tuple(inputs)
    if unknown := [one for one in names if one not in known]:
        raise PayloadError(f"{path.name}: {name} needs {', '.join(unknown)}; known are {', '.join(known)}.")
    return found
