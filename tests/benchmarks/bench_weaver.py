"""Networks of weaver, CMS's where its files are: jets as they are against a batch that is padded to the longest jet, as
weaver's files suggest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from coffea_mljec import Network
from coffea_mljec.models.engines.padded import PaddedNetwork
from coffea_mljec.models.sessions import session
from coffea_mljec.nano import JetChunk, open_nano
from tests.benchmarks.timing import Topic, Way, in_turn
from tests.models import weaver_particlenet
from tests.models.made_up import flat_arrays

__all__ = ["networks_of_weaver"]

NAMES = {"ParticleNetAK4_CHS": "Jet", "ParticleNetAK8_General": "FatJet"}
JETS = {"Jet": 1024, "FatJet": 256}
"""Jets of a round, and of a padded batch: 1024 large ones need 13 GB, and half a minute."""
FILES = ("pfnano_ul17_mc", "pfnano_ul18_partial_mc")
"""Real files with large jets."""
GOAL = 4.0


def networks_of_weaver(data: Path, sample: Path, folder: Path, rounds: int) -> list[Topic]:
    """Each network of CMS on real numbers of constituents, with made-up features; without CMS's files, a network of the
    size of ParticleNetAK4_CHS with random weights."""
    found = [name for name in NAMES if (data / "models" / f"{name}.onnx").is_file()]
    topics = []
    for name in found:
        files = data / "models" / f"{name}.onnx", data / "models" / f"{name}.preprocess.json"
        topics.append(_topic(data, sample, name, Network.from_weaver(*files, collection=NAMES[name]), rounds))
    if not found:
        made = Network.from_weaver(*weaver_particlenet.write(folder / "particlenet"), collection="Jet")
        topics.append(_topic(data, sample, "ParticleNet of random weights, as large as CMS's for AK4", made, rounds))
    return topics


def _topic(data: Path, sample: Path, name: str, network: Network, rounds: int) -> Topic:
    (collection,) = network.card.collections
    n_jets = JETS[collection]
    files = [sample] if collection == "Jet" else [data / "nano" / f"{file}.root" for file in FILES]
    random = np.random.default_rng(1)
    counts = np.concatenate([part for file in files for part in _constituents(file, collection)])
    longest = [_longest(network, c) for c in ("candidates", "sv")]
    chosen = np.minimum(counts[random.integers(0, len(counts), n_jets)], longest)
    arrays = flat_arrays(network.card, {"candidates": chosen[:, 0], "sv": chosen[:, 1]}, random)
    runner, padded = session(network.model), PaddedNetwork(network.model)
    tensors = _padded(network, arrays, n_jets)
    (output,) = {output.source for output in network.card.outputs}
    naive = _session(network)
    ways = {
        "ours": Way(lambda: runner.run(arrays)[output], n_jets),
        "onnxruntime, padded to the longest": Way(lambda: naive.run([output], tensors)[0], n_jets),
    }
    if not isinstance(runner, PaddedNetwork):
        ways["onnxruntime, padded bucket by bucket"] = Way(lambda: padded.run(arrays)[output], n_jets)
    reference, *others = (way.call() for way in ways.values())
    for other in others:
        np.testing.assert_allclose(reference, other, rtol=1e-5, atol=1e-5)
    note = (
        f"{n_jets} jets in one batch, {chosen[:, 0].mean():.1f} candidates and "
        f"{chosen[:, 1].mean():.1f} vertices each, as in {', '.join(file.name for file in files)}; tensors of "
        f"{longest[0]} and {longest[1]}, whose padding is not counted."
    )
    return Topic(name, "us/jet", in_turn(ways, rounds), {"onnxruntime, padded to the longest": GOAL}, note)


def _session(network: Network) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(network.model.graph, options)


def _longest(network: Network, collection: str) -> int:
    return max(tensor.max_length for tensor in network.card.tensors if tensor.collection == collection)


def _constituents(file: Path, collection: str) -> Iterator[np.ndarray]:
    """Numbers of candidates and vertices of each jet, [jets, 2]."""
    with open_nano(file) as nano:
        chunk = JetChunk.of(nano.events(0, min(400, nano.entries)), collection)
        found = chunk.flat((), {"candidates": ("pt",), "sv": ("pt",)})
        sizes = np.stack([np.diff(found.collections[c].offsets) for c in ("candidates", "sv")], axis=1)
        yield sizes[sizes[:, 0] > 0]


def _padded(network: Network, arrays: dict[str, Any], n_jets: int) -> dict[str, np.ndarray]:
    """Tensors of the longest length, in plain numpy."""
    names, tensors = network.card.feature_set.names(), {}
    for tensor in network.card.tensors:
        features, offsets = (arrays[f"{tensor.collection}_{part}"] for part in ("features", "offsets"))
        out = np.empty((n_jets, len(tensor.variables), tensor.max_length), np.float32)
        for place, v in enumerate(tensor.variables):
            column = features[:, names[tensor.collection].index(v.feature)]
            out[:, place] = v.pad
            values = np.clip((column - v.median) * v.norm_factor, v.lower_bound, v.upper_bound)
            for jet in range(n_jets):
                own = values[offsets[jet] : offsets[jet + 1]][: tensor.max_length]
                out[jet, place, : len(own)] = own
        tensors[tensor.name] = out
    return tensors
