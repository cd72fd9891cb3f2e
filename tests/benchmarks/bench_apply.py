"""One call of `apply` with the bundled network against reading its input branches, on the bundled sample (one core).

    python tests/benchmarks/bench_apply.py [--file FILE] [--rounds 5]

Reading is timed on a fresh NanoEvents each round (uproot, warm file, LZMA in the bundled sample); `apply` on columns
that are in memory already. The rounds are interleaved, so that a busy machine hits both alike; the ratio is what
counts.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

import coffea_mljec as mljec
from coffea_mljec.features import compute
from coffea_mljec.layouts import flatten

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=ROOT / "coffea_mljec" / "data" / "mljec_sample.root")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    corrector = mljec.MLJEC()
    times: dict[str, list[float]] = {name: [] for name in ("read", "apply", "layout", "features", "first apply")}

    def clock(name: str, work: Any) -> Any:
        start = time.perf_counter()
        result = work()
        times[name].append(time.perf_counter() - start)
        return result

    def events() -> Any:
        return NanoEventsFactory.from_root(
            {str(arguments.file): "Events"}, schemaclass=PFNanoAODSchema, mode="virtual"
        ).events()

    branches = corrector.required_branches(events())
    needed = corrector.card.feature_set
    n_jets = 0
    for round_number in range(arguments.rounds + 1):
        with uproot.open(arguments.file) as file:
            clock("read", lambda tree=file["Events"]: [tree[name].array() for name in branches])
        chunk = events()
        corrector.features(chunk)  # reads the columns
        jets = clock("apply" if round_number else "first apply", lambda chunk=chunk: corrector.apply(chunk))
        flat = clock(
            "layout",
            lambda chunk=chunk: flatten(chunk, jet=needed.jet_quantities, constituents=needed.constituent_quantities),
        )
        clock(
            "features",
            lambda flat=flat: [compute(flat, needed, i, min(i + 1024, len(flat))) for i in range(0, len(flat), 1024)],
        )
        n_jets = int(ak.sum(ak.num(jets)))

    size = np.mean(np.diff(flat.collections["charged"].offsets) + np.diff(flat.collections["neutral"].offsets))
    print(f"{arguments.file.name}: {n_jets} jets, {size:.1f} candidates a jet, {len(branches)} branches")
    for name, values in times.items():
        print(
            f"{name:<12} median {1e6 * np.median(values) / n_jets:7.2f} us/jet, best {1e6 * min(values) / n_jets:7.2f}"
        )
    print(f"apply / read: {np.median(times['apply']) / np.median(times['read']):.3f}")


if __name__ == "__main__":
    main()
