"""The provider whose closure and resolution are derived, and the jets of a file that it corrects."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC, FactorizedJEC
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.models import bundled
from coffea_mljec.nano.opening import open_nano, quiet_coffea
from coffea_mljec.payloads import level_files
from coffea_mljec.status import StatusArray, no_status
from coffea_mljec.support.digest import digest

__all__ = ["STANDARD", "corrected_jets", "describe", "digest_of", "events_with", "open_provider", "slug", "tag_of"]

#: The provider that is derived here itself: L1FastJet x L2Relative x L3Absolute.
STANDARD = "standard"
_EVENTS = 1_000


def open_provider(text: str, algorithm: str | None = None) -> Provider:
    """Open a bundled model by name, a model folder, or a folder of text payloads (of this algorithm).

    Raises
    ------
    InputError
        If it is none of these.
    """
    folder = Path(text)
    payloads = level_files(folder, algorithm)
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


def tag_of(provider: Provider | None) -> str:
    """Return campaign, version and MC of what is derived: of a provider's closure, or of the standard correction."""
    return "MLJECSim_V1_MC" if provider is None else f"MLJECSim-{slug(provider)}_V1_MC"


def describe(name: str, n_jets: int) -> str:
    """Return what payloads were derived from, for their description."""
    return f"{name} on {n_jets} jets of the parametrised simulation of coffea-mljec"


def digest_of(provider: Provider) -> str:
    """Return a digest of the numbers that the provider applies."""
    if isinstance(provider, MLJEC):
        return provider.card.sha256
    if isinstance(provider, FactorizedJEC):
        return digest(repr(provider.payload).encode())
    raise InputError(f"provider {provider!r}: expected a network or a factorized correction")


def corrected_jets(
    path: Path, provider: Provider, rows: NDArray[np.int64], collection: str = "Jet"
) -> tuple[NDArray[np.float64], StatusArray]:
    """Return the corrected pT (GeV) and the status of some jets of a file.

    The others are cut before the provider sees them (it finds the rest again in the file): two thirds of a simulated
    sample's jets have no generator jet, and a graph network takes a millisecond for each.

    Parameters
    ----------
    path : Path
    provider : Provider
    rows : int64 array [n]
        Which jets, ascending, among all of the file's, flat.
    collection : str

    Returns
    -------
    pt : float64 array [n]
    status : array [n] of `coffea_mljec.status.STATUS_TYPE`
    """
    pt, status = [np.zeros(0)], [no_status(0)]
    for events in events_with(path, rows, collection):
        jets = provider.apply(events, collection)
        pt.append(ak.to_numpy(ak.flatten(jets.pt)).astype(np.float64))
        status.append(ak.to_numpy(ak.flatten(jets.mljec_status)))
    return np.concatenate(pt), np.concatenate(status)


def events_with(path: Path, rows: NDArray[np.int64], collection: str = "Jet") -> Iterator[Any]:
    """Yield a file's events, some at a time, with some jets alone in a collection: see `corrected_jets`."""
    with warnings.catch_warnings(), open_nano(path) as file:
        quiet_coffea()
        first = 0
        for start in range(0, file.entries, _EVENTS):
            events = file.events(start, min(start + _EVENTS, file.entries))
            counts = ak.to_numpy(ak.num(events[collection]))
            wanted = np.zeros(int(counts.sum()), np.bool_)
            begin, end = np.searchsorted(rows, [first, first + len(wanted)])
            wanted[rows[begin:end] - first] = True
            first += len(wanted)
            events[collection] = events[collection][ak.unflatten(wanted, counts)]
            yield events
