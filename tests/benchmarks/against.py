"""The call path of this tree beside that of another one: ``python -m tests.benchmarks.against OTHER [--rounds 7]``.

OTHER is a checkout of an older commit (``git worktree add --detach ../base COMMIT``). One process a tree has its columns
in memory; calls are timed in turn, in processor time, so that a busy machine slows both alike. The best of all rounds
counts, and ratios. A case that a tree cannot run is left out. Only the public API is called, and what both trees have.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.places import ROOT, SAMPLE

__all__ = ["compare", "markdown"]

_CHILD = r'''
import json, sys, time, warnings
warnings.simplefilter("ignore")
import awkward as ak
import numpy as np
from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema
import coffea_mljec as mljec
from coffea_mljec.features import compute
try:
    from coffea_mljec.payloads import read_resolution_text, read_scale_factor_text
except ImportError:
    from coffea_mljec.corrections.payloads import read_resolution_text, read_scale_factor_text

sample, data = sys.argv[1], sys.argv[2]

def opened(**options):
    return NanoEventsFactory.from_root({sample: "Events"}, schemaclass=PFNanoAODSchema, mode="virtual", **options).events()

from pathlib import Path
jec = Path(data) / "jec"
texts = sorted(jec.glob("*.jec.txt"))
standard = mljec.FactorizedJEC.from_txt(texts)
lite, few = mljec.MLJEC("pfn-r-lite"), opened(entry_stop=200)
events = opened()
half = events[np.arange(len(events)) % 2 == 0]
fewer = opened()
kept = np.arange(int(ak.sum(ak.num(fewer.Jet)))) % 2 == 0
fewer["Jet"] = fewer.Jet[ak.unflatten(kept, ak.num(fewer.Jet))]
smeared = mljec.FactorizedJEC.from_txt(
    texts,
    resolution=read_resolution_text(next(jec.glob("*PtResolution*"))),
    scale_factor=read_scale_factor_text(next(jec.glob("*_SF_*"))),
)

def flat():
    if hasattr(lite, "pipeline"):
        from coffea_mljec.nano import JetChunk
        return lite.pipeline.correction.flat(JetChunk.of(events))
    from coffea_mljec.layouts import flatten
    features = lite.card.feature_set
    return flatten(events, jet=lite._jet_quantities, constituents=features.constituent_quantities)

def features():
    size = lite.card.batch_size
    return [compute(grouped, lite.card.feature_set, i, min(i + size, len(grouped))) for i in range(0, len(grouped), size)]

def varied():
    jets = smeared(events)
    return [ak.to_packed(jets.JER[way].pt) for way in ("up", "down")]

grouped = flat()
met = mljec.Type1MET(standard, low_pt=False)
cases = {
    "layout and grouping": flat,
    "features": features,
    "apply, pfn-r-lite": lambda: lite(events),
    "apply, jet-bdt": lambda: bdt(events),
    "apply, particlenet-r-lite, 200 events": lambda: edges(few),
    "apply, pfn-r-lite, events[mask]": lambda: lite(half),
    "apply, pfn-r-lite, events.Jet[mask]": lambda: lite(fewer),
    "standard path": lambda: standard(events),
    "standard path, events[mask]": lambda: standard(half),
    "standard path, events.Jet[mask]": lambda: standard(fewer),
    "standard path, smeared, JER up and down": varied,
    "type-1 MET": lambda: met(events),
}
bdt, edges = mljec.MLJEC("jet-bdt"), mljec.MLJEC("particlenet-r-lite")
able = []
for name, case in cases.items():
    try:
        case(), case()
    except Exception as error:
        print(f"{name}: {error}", file=sys.stderr)
    else:
        able.append(name)
print(json.dumps(able), flush=True)
for line in sys.stdin:
    started = time.process_time()
    cases[line.strip()]()
    print(time.process_time() - started, flush=True)
'''


class _Tree:
    """A process that times calls with the package of one tree."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(SAMPLE), str(SAMPLE.parent)], cwd=root, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.able: list[str] = json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process ended with {self.process.wait()}")
        return line

    def seconds(self, case: str) -> float:
        """Processor time of one call."""
        assert self.process.stdin is not None
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        return float(self._line())


def compare(other: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Case -> best processor time in ms: of this tree, of the other."""
    ours, theirs = _Tree(ROOT), _Tree(other.resolve())
    shared = [case for case in ours.able if case in theirs.able]
    best = {case: (float("inf"), float("inf")) for case in shared}
    for number in range(rounds):
        for case in shared:
            # Each tree begins every other round.
            order = (ours, theirs) if number % 2 else (theirs, ours)
            spent = {tree: 1e3 * tree.seconds(case) for tree in order}
            best[case] = (min(best[case][0], spent[ours]), min(best[case][1], spent[theirs]))
    return best


def markdown(best: dict[str, tuple[float, float]], name: str) -> str:
    """A table of the cases."""
    rows = [f"| {case} | {here:.2f} | {there:.2f} | {here / there:.2f} |" for case, (here, there) in best.items()]
    return "\n".join([f"| ms | now | {name} | ratio |", "|---|---:|---:|---:|", *rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print(markdown(compare(arguments.other, arguments.rounds), arguments.other.name))
