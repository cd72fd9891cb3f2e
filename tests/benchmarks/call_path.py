"""A process that times calls with whatever coffea_mljec is on its path: for `tests.benchmarks.against`.

Arguments: a file of PFNano, and the folder of its standard correction. Prints the names of its cases, then the
processor time of one call for every name that it reads. Run as a file: only what several commits have in common is
imported.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

import coffea_mljec as mljec
from coffea_mljec.features import compute

try:
    from coffea_mljec import payloads
except ImportError:  # where the package was another one
    from coffea_mljec.corrections import payloads  # type: ignore[attr-defined,no-redef]


def opened(sample: str, **options: Any) -> Any:
    """Virtual events of the sample."""
    source = {sample: "Events"}
    return NanoEventsFactory.from_root(source, schemaclass=PFNanoAODSchema, mode="virtual", **options).events()


def with_fewer_jets(events: Any) -> Any:
    """Every other jet."""
    kept = np.arange(int(ak.sum(ak.num(events.Jet)))) % 2 == 0
    events["Jet"] = events.Jet[ak.unflatten(kept, ak.num(events.Jet))]
    return events


def flat(network: Any, events: Any) -> Any:
    """Jets with their constituents, as the network wants them."""
    if hasattr(network, "pipeline"):
        from coffea_mljec.nano import JetChunk

        return network.pipeline.correction.network.flat(JetChunk.of(events))
    from coffea_mljec.layouts import flatten  # type: ignore[import-not-found]

    return flatten(events, jet=network._jet_quantities, constituents=network.card.feature_set.constituent_quantities)


def features(network: Any, grouped: Any) -> Any:
    """What enters the network, batch by batch."""
    size, wanted = network.card.batch_size, network.card.feature_set
    return [compute(grouped, wanted, i, min(i + size, len(grouped))) for i in range(0, len(grouped), size)]


def varied(provider: Any, events: Any) -> Any:
    """Jets smeared up and down."""
    jets = provider(events)
    return [ak.to_packed(jets.JER[way].pt) for way in ("up", "down")]


def cases(sample: str, jec: Path) -> dict[str, Callable[[], Any]]:
    """Name -> a call."""
    texts = sorted(jec.glob("*AK4PFchs.jec.txt"))
    standard = mljec.FactorizedJEC.from_txt(texts)
    smeared = mljec.FactorizedJEC.from_txt(
        texts,
        resolution=payloads.read_resolution_text(next(jec.glob("*PtResolution_AK4PFchs*"))),
        scale_factor=payloads.read_scale_factor_text(next(jec.glob("*_SF_AK4PFchs*"))),
    )
    lite, trees, edges = (mljec.MLJEC(name) for name in ("pfn-r-lite", "jet-bdt", "particlenet-r-lite"))
    met = mljec.Type1MET(standard, low_pt=False)
    events, few, fewer = opened(sample), opened(sample, entry_stop=200), with_fewer_jets(opened(sample))
    half = events[np.arange(len(events)) % 2 == 0]
    grouped = flat(lite, events)
    return {
        "layout and grouping": lambda: flat(lite, events),
        "features": lambda: features(lite, grouped),
        "apply, pfn-r-lite": lambda: lite(events),
        "apply, jet-bdt": lambda: trees(events),
        "apply, particlenet-r-lite, 200 events": lambda: edges(few),
        "apply, pfn-r-lite, events[mask]": lambda: lite(half),
        "apply, pfn-r-lite, events.Jet[mask]": lambda: lite(fewer),
        "standard path": lambda: standard(events),
        "standard path, events[mask]": lambda: standard(half),
        "standard path, events.Jet[mask]": lambda: standard(fewer),
        "standard path, smeared, JER up and down": lambda: varied(smeared, events),
        "type-1 MET": lambda: met(events),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    calls = cases(sys.argv[1], Path(sys.argv[2]))
    for call in calls.values():  # reads the columns, compiles the kernels
        call()
        call()
    print(json.dumps(list(calls)), flush=True)
    for line in sys.stdin:
        started = time.process_time()
        calls[line.strip()]()
        print(time.process_time() - started, flush=True)
