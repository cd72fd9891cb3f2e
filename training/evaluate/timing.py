"""What a provider costs: processor time a jet of the whole of apply."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from pathlib import Path

from coffea_mljec.corrections.provider import Provider
from coffea_mljec.nano import open_nano, quiet_coffea
from coffea_mljec.nano.jagged import offsets_of
from coffea_mljec.nano.opening import NanoFile

__all__ = ["time_per_jet"]

_EVENTS = 100
_QUICK = 0.5
_REPEATS = 3


def time_per_jet(path: Path, providers: Mapping[str, Provider]) -> dict[str, float]:
    """Return microseconds of processor time a jet of every provider's apply: the best of some repeats.

    Its branches are read before. A fast provider is timed on more events, where what a call costs by itself is spread.
    """
    result = {}
    with warnings.catch_warnings(), open_nano(path) as file:
        quiet_coffea()
        for name, provider in providers.items():
            seconds, n_jets = _timed(file, provider, min(_EVENTS, file.entries))
            if seconds < _QUICK and file.entries > _EVENTS:
                seconds, n_jets = _timed(file, provider, file.entries)
            result[name] = 1e6 * seconds / max(n_jets, 1)
    return result


def _timed(file: NanoFile, provider: Provider, n_events: int) -> tuple[float, int]:
    """Return the processor time (s) of apply on so many events, and their jets."""
    events = file.events(0, n_events)
    n_jets, best = 0, float("inf")
    # The first call reads the branches and compiles.
    for attempt in range(_REPEATS + 1):
        start = time.process_time()
        jets = provider.apply(events, "Jet")
        n_jets = int(offsets_of(jets["mljec_status"], "mljec_status")[-1])
        if attempt:
            best = min(best, time.process_time() - start)
    return best, n_jets
