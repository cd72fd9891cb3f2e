"""One call of `apply` with the bundled network, part by part, against reading its input branches."""

from __future__ import annotations

from collections.abc import Mapping
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
from coffea_mljec.nano import flatten
from coffea_mljec.nano.jagged import with_columns
from tests.benchmarks.material import events_of
from tests.benchmarks.timing import Topic, Way, in_turn

__all__ = ["apply"]

GOAL = 10.0


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
        return flatten(events, jet=corrector._jet_quantities, constituents=needed.constituent_quantities)

    flat = layout()
    starts = range(0, n, size)
    batches = [compute(flat, needed, start, min(start + size, n)) for start in starts]
    raw = [flat.jet["pt_raw"], ak.flatten(jets.mass_raw).to_numpy()]
    factor, kept = ak.flatten(jets.jet_energy_correction).to_numpy().astype(float), np.zeros(n, bool)

    def record() -> Any:
        return with_columns(events.Jet, correction_columns(events.Jet, raw[0], raw[1], factor, kept, flat.flags))

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
