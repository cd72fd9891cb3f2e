"""Networks of CMS on real files: the same in all modes, and beside the scores that CMS stored.

``python -m tests.modes.networks`` prints both tables of docs/explanation/results.md; `tests/modes/test_networks.py` and
`tests/corrections/test_networks_of_cms.py` check a part of them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from coffea import processor

from coffea_mljec import Network
from coffea_mljec.nano import open_nano
from coffea_mljec.workers import ExecutorKind, executor, run

__all__ = ["AGAINST_QCD", "WAYS", "derived_scores", "in_all_ways", "network_of_cms", "stored_and_ours"]

ROOT = Path(__file__).resolve().parents[2]
MODELS = {"ParticleNetAK8_General": "FatJet", "ParticleNetAK8_MassRegression": "FatJet", "ParticleNetAK4_CHS": "Jet"}
FILES = ("pfnano_ul17_mc", "pfnano_ul18_partial_mc")
WAYS = ("eager", "virtual", "dask", "two workers")

_QCD = ("QCD_bb", "QCD_cc", "QCD_b", "QCD_c", "QCD_others")
AGAINST_QCD = {
    "TvsQCD": ("Top_bcq", "Top_bqq"), "WvsQCD": ("W_cq", "W_qq"), "ZvsQCD": ("Z_bb", "Z_cc", "Z_qq"),
    "HbbvsQCD": ("H_bb",), "HccvsQCD": ("H_cc",), "H4qvsQCD": ("H_qqqq",),
}  # fmt: skip
"""Scores that NanoAOD derives from ParticleNet's outputs: a sum over itself plus that of QCD."""


def network_of_cms(data: Path, name: str, **options: Any) -> Network:
    """A network of the folder with real files."""
    files = [data / "models" / f"{name}{end}" for end in (".onnx", ".preprocess.json")]
    chs = {"algorithm": "AK4PFchs"} if name.endswith("CHS") else {}
    return Network.from_weaver(*files, collection=MODELS[name], **chs, **options)


def derived_scores(outputs: Any) -> dict[str, np.ndarray]:
    """The scores that NanoAOD stores, of all jets."""
    given = {name: ak.to_numpy(ak.flatten(outputs[name])).astype(float) for name in outputs.fields}
    qcd = np.sum([given[name] for name in _QCD], axis=0)
    sums = {name: np.sum([given[part] for part in parts], axis=0) for name, parts in AGAINST_QCD.items()}
    return {"QCD": qcd} | {name: value / (value + qcd) for name, value in sums.items()}


def stored_and_ours(network: Network, events: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Score -> what CMS stored of all large jets, and what the network gives."""
    jets, ours = events.FatJet, derived_scores(network.outputs(events))
    stored = {name: ak.to_numpy(ak.flatten(jets[f"particleNet_{name}"])).astype(float) for name in ours}
    return {name: (stored[name], ours[name]) for name in ours}


class Collected(processor.ProcessorABC):  # type: ignore[misc]
    """Event -> outputs of its jets, [jets, outputs and status]."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def process(self, events: Any) -> dict[int, np.ndarray]:
        found = self.network.outputs(events)
        columns = [ak.to_numpy(ak.flatten(found[name])).astype(float) for name in found.fields]
        rows = np.split(np.stack(columns, axis=1), np.cumsum(ak.to_numpy(ak.num(found)))[:-1])
        return dict(zip(np.asarray(events.event).tolist(), rows, strict=True))

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


def in_all_ways(network: Network, path: Path, chunks: int = 4) -> dict[str, np.ndarray]:
    """Way -> outputs and status of all jets of a file, [jets, outputs + 1]."""
    found = {}
    inner = Collected(network)
    with open_nano(path) as nano:
        chunk_size = -(-nano.entries // chunks)
        order = np.asarray(nano.events().event).tolist()
        for mode in WAYS[:3]:
            events = nano.events(mode=mode)
            outputs = network.outputs(events)
            outputs = outputs.compute() if mode == "dask" else outputs
            found[mode] = np.stack([ak.to_numpy(ak.flatten(outputs[name])) for name in outputs.fields], axis=1)
    with executor(ExecutorKind.futures, 2, desc="Networks") as where:
        result = run(where, {"file": [str(path)]}, inner, chunk_size=chunk_size).result
    found[WAYS[3]] = np.concatenate([result[event] for event in order])
    return found


def largest_differences(found: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Way -> the largest difference from the first one."""
    first = found[WAYS[0]]
    assert all(np.array_equal(np.isnan(values), np.isnan(first)) for values in found.values())
    return {way: float(np.nanmax(np.abs(values - first))) for way, values in found.items()}


def documents(data: Path, say: Callable[[str], None] = print) -> None:
    """Print both tables in markdown."""
    say("| score | " + " | ".join(f"{file}: correlation | largest | median" for file in FILES) + " |")
    say("|---|" + "---|---|---|" * len(FILES))
    general, rows = network_of_cms(data, "ParticleNetAK8_General"), dict[str, list[str]]()
    for file in FILES:
        with open_nano(data / "nano" / f"{file}.root") as nano:
            for name, (stored, ours) in stored_and_ours(general, nano.events()).items():
                apart = np.abs(stored - ours)
                numbers = (f"{np.corrcoef(stored, ours)[0, 1]:.5f}", f"{apart.max():.4f}", f"{np.median(apart):.5f}")
                rows.setdefault(name, []).extend(numbers)
    for name, cells in rows.items():
        say(f"| {name} | " + " | ".join(cells) + " |")
    say("\n| network | file | jets | outputs | " + " | ".join(WAYS[1:]) + " |\n|---|---|---|---|" + "---|" * 3)
    for name in MODELS:
        network = network_of_cms(data, name)
        for file in FILES:
            found = in_all_ways(network, data / "nano" / f"{file}.root")
            differences = largest_differences(found)
            cells = [f"{differences[way]:.1e}" if differences[way] else "equal" for way in WAYS[1:]]
            jets, columns = found[WAYS[0]].shape
            say(f"| {name} | {file} | {jets} | {columns - 1} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    documents(Path(os.environ.get("MLJEC_REAL_DATA") or ROOT.parent / "shared" / "data"))
