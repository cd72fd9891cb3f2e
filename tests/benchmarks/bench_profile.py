"""Where the time of the features and of the flat ParticleNets goes, and how near the core's peak it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from coffea_mljec.features import PFNANO, compute, kernels
from coffea_mljec.features.compute import _jet_features, _plan
from coffea_mljec.models.engines.edgeconv import EDGE_TILE, EdgeConvNetwork
from coffea_mljec.models.kernels.edges import convolve
from coffea_mljec.models.kernels.neighbours import nearest_neighbours
from coffea_mljec.models.kernels.panels import NO_FLOOR
from coffea_mljec.models.kernels.rows import TILE
from coffea_mljec.models.weights import NO_COLUMNS, Dense, Layers, on_rows
from tests.benchmarks import material
from tests.benchmarks.bench_networks import CANDIDATES, TITLES
from tests.benchmarks.timing import Topic, Way, in_turn

__all__ = ["profile"]

#: In and out of layers of the reference networks.
LAYERS = ((23, 16), (16, 32), (32, 64), (48, 48), (128, 256), (640, 1024))
JETS = {"particlenet-r-lite": 1024, "particlenet-r": 128}


def profile(file: Path, folder: Path, rounds: int) -> list[Topic]:
    """Stages of the features and of both ParticleNets; the first way is the whole."""
    flat = material.flat_jets(material.events_of(file))
    topics = [_features(flat, file, rounds), *(_layer(*shape, rounds) for shape in LAYERS)]
    for name, most in JETS.items():
        network = EdgeConvNetwork(material.folders(folder, name, file)["own"])
        topics.append(_network(TITLES[name], network, compute(flat, PFNANO, 0, min(most, len(flat))), rounds))
    return topics


def _layer(n_in: int, n_out: int, rounds: int, n: int = 9600) -> Topic:
    """A dense layer with bias and ReLU on rows in the cache, tile after tile: ours, and numpy's BLAS."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(TILE, n_in)).astype(np.float32)
    weight, bias = rng.normal(size=(n_in, n_out)).astype(np.float32), np.zeros(n_out, np.float32)
    layers = Layers.of([Dense(weight, bias)])
    z = np.empty((TILE, n_out), np.float32)
    many = np.ascontiguousarray(np.broadcast_to(x, (n // TILE, *x.shape)).reshape(-1, n_in))

    def numpy() -> None:
        for _ in range(n // TILE):
            np.dot(x, weight, out=z)
            np.add(z, bias, out=z)
            np.maximum(z, 0, out=z)

    ways = {"ours": Way(lambda: on_rows(many, NO_COLUMNS, layers, np.float32(0)), n), "numpy": Way(numpy, n)}
    times = in_turn(ways, max(rounds, 3))
    speed = {way: 2e-3 * n_in * n_out / float(np.median(values)) for way, values in times.items()}
    note = f"{speed['ours']:.0f} and {speed['numpy']:.0f} billion operations a second in the products."
    return Topic(f"a layer of {n_in} to {n_out}", "us/row", times, note=note)


def _features(flat: Any, file: Path, rounds: int) -> Topic:
    n, size = len(flat), material.BATCH
    starts = range(0, n, size)

    def whole() -> None:
        for start in starts:
            compute(flat, CANDIDATES, start, min(start + size, n))

    def jets() -> None:
        for start in starts:
            _jet_features(flat, CANDIDATES, start, min(start + size, n))

    def gather() -> None:
        for start in starts:
            for c in CANDIDATES.constituents:
                constituents, quantities = flat.collections[c], _plan(CANDIDATES, c).quantities
                rows = slice(*constituents.offsets[[start, min(start + size, n)]])
                values = np.empty((len(quantities), rows.stop - rows.start), np.float32)
                for quantity, row in zip(quantities, values, strict=True):
                    kernels.gather(constituents.columns[quantity], constituents.rows(quantity)[rows], row)

    ways = {"whole": whole, "jets' own features": jets, "candidates gathered": gather}
    note = f"what is left is filling the rows and the jets' shapes; {n} jets of {file.name} in batches of {size}."
    times = in_turn({way: Way(call, n) for way, call in ways.items()}, rounds)
    return Topic("profile of features, charged + neutral", "us/jet", times, note=note)


def _network(title: str, network: EdgeConvNetwork, arrays: dict[str, np.ndarray], rounds: int) -> Topic:
    """Neighbours, layers on rows and layers on edges, each of all collections and blocks; the head is what is left."""
    n = len(arrays["jet_features"])
    rows, points, edges = [], [], []
    products = 0
    for c, k in network._k.items():
        x, offsets = arrays[f"{c}_features"], arrays[f"{c}_offsets"]
        where = np.ascontiguousarray(x[:, network._columns[c]])
        for block in network._blocks[c]:
            rows.append((x, block.columns, block.nodes, NO_FLOOR))
            points.append((where, offsets, k))
            found = nearest_neighbours(where, offsets, k, ranked=False)
            layers = block.edges
            edges.append((on_rows(*rows[-1]), *found, layers.widths, layers.weights, layers.biases, max(EDGE_TILE, k)))
            products += 2 * len(found[0]) * int(np.sum(layers.widths[:-1] * layers.widths[1:]))
            x = where = convolve(*edges[-1])

    ways = {
        "whole": Way(lambda: network.run(arrays), n),
        "neighbours": Way(lambda: [nearest_neighbours(*one, ranked=False) for one in points], n),
        "layers on rows": Way(lambda: [on_rows(*one) for one in rows], n),
        "layers on edges": Way(lambda: [convolve(*one) for one in edges], n),
    }
    times = in_turn(ways, rounds)
    speed = products / n / float(np.median(times["layers on edges"])) / 1e3
    note = (
        f"{n} jets; {products / n / 1e6:.2f} million operations a jet in the products on edges: {speed:.0f} of the "
        f"{_peak():.0f} billion a second that BLAS reaches here on large matrices. Stages run one after the other "
        "over all jets; the whole keeps some jets at a time in the cache. The rest is the head."
    )
    return Topic(f"profile of {title}", "us/jet", times, note=note)


def _peak(size: int = 1024) -> float:
    """Billions of operations a second of a large matrix product on one core."""
    a = np.ones((size, size), np.float32)
    a @ a
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        a @ a
        best = min(best, time.process_time() - start)
    return 2e-9 * size**3 / best
