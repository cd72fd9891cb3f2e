"""The provider whose closure and resolution are derived, and what it makes of the jets of a file."""

from __future__ import annotations

import hashlib
import re
import warnings
from pathlib import Path

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC, FactorizedJEC
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.io.nano import open_nano, quiet_coffea
from coffea_mljec.models import bundled
from coffea_mljec.status import Status
from training.derive.level import CLOSURE

__all__ = ["STANDARD", "digest_of", "open_provider", "slug", "treated"]

#: The provider that is derived here itself: L1FastJet x L2Relative x L3Absolute.
STANDARD = "standard"
_EVENTS = 1_000


def open_provider(text: str) -> Provider:
    """Open a bundled model by name, a model folder, or a folder of text payloads.

    Raises
    ------
    InputError
        If it is none of these.
    """
    folder = Path(text)
    payloads = sorted(file for file in folder.glob("*.jec.txt") if CLOSURE not in file.name) if folder.is_dir() else []
    if payloads:
        return FactorizedJEC.from_txt(payloads, name=folder.resolve().name)
    if text not in bundled() and not (folder / "card.json").is_file():
        raise InputError(
            f"no provider {text!r}: give '{STANDARD}', a bundled model ({', '.join(bundled())}), a model folder (with "
            "card.json) or a folder with *.jec.txt"
        )
    return MLJEC(text)


def slug(provider: Provider) -> str:
    """Return the provider's name as a part of file names, which split at underscores and dots."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", provider.name).strip("-")


def digest_of(provider: Provider) -> str:
    """Return a digest of the numbers that the provider applies."""
    if isinstance(provider, MLJEC):
        return provider.card.sha256
    if isinstance(provider, FactorizedJEC):
        return hashlib.sha256(repr(provider.payload).encode()).hexdigest()
    raise InputError(f"provider {provider!r}: expected a network or a factorized correction")


def treated(path: Path, provider: Provider, collection: str = "Jet") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the corrected pT (GeV) of all jets of a file, flat, and whether the provider itself corrected them."""
    pt, applied = [], []
    with warnings.catch_warnings(), open_nano(path) as file:
        quiet_coffea()
        for start in range(0, file.entries, _EVENTS):
            jets = provider.apply(file.events(start, min(start + _EVENTS, file.entries)), collection)
            pt.append(ak.to_numpy(ak.flatten(jets.pt)).astype(np.float64))
            applied.append((ak.to_numpy(ak.flatten(jets.mljec_status)) & int(Status.APPLIED)) != 0)
    if not pt:
        return np.zeros(0), np.zeros(0, np.bool_)
    return np.concatenate(pt), np.concatenate(applied)
