"""One call of `apply` with the bundled network, part by part, against reading its input branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

import coffea_mljec as mljec
from coffea_mljec import models
from coffea_mljec.corrections.record import correction_columns
from coffea_mljec.features import compute
from coffea_mljec.nano import JetChunk
from coffea_mljec.nano.jagged import with_columns
from tests.benchmarks.material import events_of
from tests.benchmarks.timing import Topic, Way, in_turn

__all__ = ["apply", "cut"]

GOAL = 10.0

CUT_LIMIT = 1.3
"""What a jet of selected events may take over what one of whole events takes."""


def apply(files: Mapping[str, Path], rounds: int) -> list[Topic]:
    """Shares of (a) reading and decompressing, (b) layout, (c) features, (d) network, (e) the output record.

    Parameters
    ----------
    files : mapping of str to Path
        Compression -> the same events, so compressed.
    rounds : int
    """
    corrector = mljec.MLJEC("pfn-r-lite")
    needed = corrector.card.feature_set
    size = corrector.card.batch_size
    events = events_of(next(iter(files.values())))
    branches = corrector.required_branches(events)
    jets = corrector(events)  # reads the columns
    n = int(ak.sum(ak.num(jets)))

    def layout() -> Any:
        return corrector.pipeline.correction.network.flat(JetChunk.of(events))

    flat = layout()
    starts = range(0, n, size)
    batches = [compute(flat, needed, start, min(start + size, n)) for start in starts]
    factor, kept = ak.flatten(jets.jet_energy_correction).to_numpy().astype(float), np.zeros(n, bool)

    def record() -> Any:
        return with_columns(events.Jet, correction_columns(JetChunk.of(events), factor, kept, flat.flags, {}))

    def read(path: Path) -> Any:
        with uproot.open(path) as file:
            tree = file["Events"]
            return [tree[name].array() for name in branches]

    ways = {
        "apply": Way(lambda: corrector(events), n),
        **{f"(a) reading its branches, {name}": Way(lambda path=path: read(path), n) for name, path in files.items()},
        "(b) layout": Way(layout, n),
        "(c) features": Way(lambda: [compute(flat, needed, i, min(i + size, n)) for i in starts], n),
        "(d) network": Way(lambda: [models.run(corrector.model, batch) for batch in batches], n),
        "(e) output record": Way(record, n),
    }
    candidates = sum(flat.collections[c].offsets[-1] for c in ("charged", "neutral")) / n
    note = (
        f"{n} simulated jets, {n / len(events):.1f} an event, {candidates:.1f} candidates each of "
        f"{ak.count(events.PFCands.pt) / n:.0f} a jet in the file; {len(branches)} branches, warm file."
    )
    topic = Topic("apply, PFN-r Lite", "us/jet", in_turn(ways, rounds), {"(a) reading its branches, lzma": GOAL}, note)
    part = events_of(next(iter(files.values())), entry_stop=max(1, len(events) // 10))
    n_part = int(ak.sum(ak.num(part.Jet)))
    others = {}
    for name, card in models.bundled().items():
        jets, count = (part, n_part) if card.engine == "edgeconv" else (events, n)
        others[name] = Way(partial(mljec.MLJEC(name), jets), count)
    note = f"the same jets, {n_part} of them for ParticleNets; columns in memory."
    return [topic, Topic("apply, bundled models", "us/jet", in_turn(others, rounds), note=note)]


def cut(path: Path, jec: Sequence[Path], rounds: int) -> list[Topic]:
    """Jets of selected events, ``events[mask]``, beside those of as many whole events; columns in memory.

    Parameters
    ----------
    path : Path
        Of many events: what a call costs however few jets it gets must not count.
    jec : sequence of Path
        Text payloads of the standard path.
    rounds : int
    """
    providers: dict[str, Any] = {
        "PFN-r Lite": mljec.MLJEC("pfn-r-lite"),
        "standard path": mljec.FactorizedJEC.from_txt(jec),
    }
    topics = []
    for name, provider in providers.items():
        events = events_of(path)
        kept = np.random.default_rng(1).random(len(events)) < 0.5
        ways = {
            "whole events": events_of(path, entry_stop=int(kept.sum())),
            "half of the events, events[mask]": events[kept],
            "half of the events, eager": events_of(path, mode="eager")[kept],
            "half of the jets, events.Jet[mask]": _with_fewer_jets(path),
        }
        numbers = {way: int(ak.sum(ak.num(some.Jet))) for way, some in ways.items()}
        calls = {way: Way(partial(provider, some), numbers[way]) for way, some in ways.items()}
        note = f"{numbers['whole events']} jets in whole events; goal: at most {CUT_LIMIT} times as much a jet."
        topics.append(Topic(f"cut before, {name}", "us/jet", in_turn(calls, rounds), note=note))
    return topics


def _with_fewer_jets(path: Path) -> Any:
    events = events_of(path)
    kept = np.random.default_rng(2).random(int(ak.sum(ak.num(events.Jet)))) < 0.5
    events["Jet"] = events.Jet[ak.unflatten(kept, ak.num(events.Jet))]
    return events
