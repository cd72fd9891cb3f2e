"""Features, the four reference networks, and both together: ours on flat inputs, peers on padded ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from coffea_mljec import models
from coffea_mljec.features import PFNANO, FeatureSet, compute
from tests.benchmarks import material, peers
from tests.benchmarks.timing import Topic, Way, in_turn

__all__ = ["end_to_end", "features", "networks"]

GOALS = {"pfn-r-lite": 5.0, "pfn-r": 4.0, "particlenet-r-lite": 80.0, "particlenet-r": 7.0}
TITLES = {
    "pfn-r-lite": "PFN-r Lite", "pfn-r": "PFN-r", "particlenet-r-lite": "ParticleNet-r Lite",
    "particlenet-r": "ParticleNet-r",
}  # fmt: skip
#: Jets for a peer's round, at most: a padded ParticleNet takes 10 ms a jet.
JETS_OF_PEERS = {"pfn-r-lite": 4096, "pfn-r": 1024, "particlenet-r-lite": 64, "particlenet-r": 64}
#: Jets for a round of ours, at most.
JETS = {"pfn-r-lite": 40_960, "pfn-r": 8192, "particlenet-r-lite": 4096, "particlenet-r": 256}
CANDIDATES = FeatureSet(jet=("pt",), charged=PFNANO.charged, neutral=PFNANO.neutral)


def features(file: Path, rounds: int) -> list[Topic]:
    """Features of charged and neutral candidates, alone and with the grouping of the candidates by jet."""
    events = material.events_of(file)
    flat = material.flat_jets(events)
    part = material.events_of(file, entry_stop=max(1, len(events) * 5000 // len(flat)))
    jets, candidates = peers.nested(part)
    n = len(jets)
    twin = peers.awkward_features(jets, candidates)
    _same_sums(compute(flat, CANDIDATES, 0, n), twin)

    def ours() -> None:
        for start in range(0, len(flat), material.BATCH):
            compute(flat, CANDIDATES, start, min(start + material.BATCH, len(flat)))

    def everything() -> None:
        for start in range(0, len(again := material.flat_jets(events)), material.BATCH):
            compute(again, CANDIDATES, start, min(start + material.BATCH, len(again)))

    alone = {
        "ours, flat": Way(ours, len(flat)),
        "awkward, padded to 64": Way(lambda: peers.awkward_features(jets, candidates), n),
    }
    grouped = {
        "ours, flat": Way(everything, len(flat)),
        "awkward, padded to 64": Way(lambda: peers.awkward_features(*peers.nested(part)), n),
    }
    size = sum(flat.collections[c].offsets[-1] for c in ("charged", "neutral")) / len(flat)
    note = f"{len(flat)} jets of {file.name}, {size:.1f} candidates each; awkward on {n} of them."
    return [
        Topic("features, charged + neutral", "us/jet", in_turn(alone, rounds), {"awkward, padded to 64": 40.0}, note),
        Topic("grouping by jet and these features", "us/jet", in_turn(grouped, rounds)),
    ]


def _same_sums(arrays: dict[str, np.ndarray], padded: dict[str, np.ndarray]) -> None:
    """Ours and the peer's are the same features, but for candidates beyond the 64th."""
    for c, table in padded.items():
        fits = np.diff(arrays[f"{c}_offsets"]) <= peers.SLOTS[c]
        rows = np.repeat(fits, np.diff(arrays[f"{c}_offsets"]))
        ours = arrays[f"{c}_features"][rows].sum(0, dtype=np.float64)
        np.testing.assert_allclose(ours, table[fits].sum((0, 1), dtype=np.float64), rtol=1e-3, atol=1.0)


def networks(file: Path, folder: Path, rounds: int, names: tuple[str, ...] = tuple(GOALS)) -> list[Topic]:
    """Every reference network on flat inputs against the same network padded, in onnxruntime and in torch."""
    torch.set_num_threads(1)
    flat = material.flat_jets(material.events_of(file))
    found = []
    for name in names:
        n_ours, n_peers = (min(sizes[name], len(flat)) for sizes in (JETS, JETS_OF_PEERS))
        own = material.folders(folder, name, file)
        ours = own["own"]
        arrays = compute(flat, PFNANO, 0, n_peers)
        ways: dict[str, Way] = {"ours, flat": _ours(ours, flat, n_ours)}
        ways["onnxruntime, our portable graph"] = _ours(own["onnx"], flat, min(n_ours, 4 * n_peers))
        for title, call in _peers(name, file, arrays).items():
            found = models.run(ours, arrays)[ours.card.outputs[0].source]
            worst = _difference(found, call(), arrays)
            assert worst < 1e-3, f"{title} of {name} differs by {worst}"
            ways[title] = Way(call, n_peers)
        times = in_turn(ways, rounds)
        padded = [way for way in ways if way.startswith("onnxruntime, padded")]
        best = min(padded, key=lambda way: float(np.median(times[way])))
        note = f"ours on {n_ours} jets of {file.name} in batches of {ours.card.batch_size}, padded ones on {n_peers}."
        found.append(Topic(f"{TITLES[name]} network", "us/jet", times, {best: GOALS[name]}, note))
    return found


def end_to_end(file: Path, folder: Path, rounds: int, name: str = "pfn-r-lite") -> list[Topic]:
    """From the columns in memory to the network's output: grouping by jet, features, network.

    The peer pads the awkward features of charged and neutral candidates and runs the network in coffea's
    ``torch_wrapper``; it is spared its jets' and vertices' features, standardising, and the copy into its tensors.
    """
    torch.set_num_threads(1)
    model = material.folders(folder, name, file)["own"]
    events = material.events_of(file)
    n_all = len(material.flat_jets(events))
    part = material.events_of(file, entry_stop=max(1, len(events) * JETS_OF_PEERS[name] // n_all))
    arrays = compute(material.flat_jets(part), PFNANO)
    n = len(arrays["jet_features"])
    network = material.network(name, file)
    wrapped = peers.torch_way(peers.PaddedPFN(network), peers.padded_inputs(network, arrays))

    def ours() -> None:
        flat = material.flat_jets(events)
        for batch in material.batches(flat, len(flat), model.card.batch_size):
            models.run(model, batch)

    def theirs() -> None:
        peers.awkward_features(*peers.nested(part))
        wrapped()

    peer = "awkward features and coffea's torch_wrapper, padded"
    ways = {"ours, flat": Way(ours, n_all), peer: Way(theirs, n)}
    note = f"layout, features and network; the peer on {n} jets."
    return [Topic(f"{TITLES[name]}, end to end", "us/jet", in_turn(ways, rounds), {peer: 20.0}, note)]


def _ours(model: models.ModelFolder, flat: Any, n: int) -> Way:
    batches = list(material.batches(flat, n, model.card.batch_size))
    return Way(lambda: [models.run(model, batch) for batch in batches], n)


def _peers(name: str, file: Path, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    network = material.network(name, file)
    inputs = peers.padded_inputs(network, arrays)
    if name.startswith("pfn"):
        module = peers.PaddedPFN(network)
        return {
            "onnxruntime, padded": peers.onnxruntime_way(module, inputs),
            "coffea's torch_wrapper, padded": peers.torch_way(module, inputs),
        }
    return {
        "onnxruntime, padded, flat gather": peers.onnxruntime_way(peers.PaddedParticleNet(network), inputs),
        "onnxruntime, padded, gather of elements": peers.onnxruntime_way(
            peers.PaddedParticleNet(network, flat_gather=False), inputs
        ),
    }


def _difference(ours: np.ndarray, theirs: np.ndarray, arrays: dict[str, np.ndarray]) -> float:
    """Largest difference among the jets that fit into the slots; rounding may swap neighbours in a few of a hundred."""
    fits = np.all([np.diff(arrays[f"{c}_offsets"]) <= slots for c, slots in peers.SLOTS.items()], axis=0)
    return float(np.quantile(np.abs(ours - theirs)[fits], 0.9))
