"""ParticleNet on flat edges (engine edgeconv) against onnxruntime on the portable graph of the same folder (one core).

    python tests/benchmarks/bench_networks.py [--file FILE] [--jets 512] [--rounds 5]

Networks with random weights, on the jets of the bundled sample (about 18 constituents each) or of a PFNano file. Each
engine gets batches of the size that its card says. The rounds are interleaved; times are those of the calling thread on
a core, so that what else runs on the machine counts little, and the ratio is what counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

from coffea_mljec import models
from coffea_mljec.features import PFNANO, compute
from coffea_mljec.layouts import FlatJets, flatten
from training.export import engine_fields
from training.networks import ARCHITECTURES, fit_standardisation
from training.networks.graph import OPSET, network_graph
from training.networks.layers import parameter_count
from training.networks.network import make_network

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("particlenet-r-lite", "particlenet-r")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=ROOT / "coffea_mljec" / "data" / "mljec_sample.root")
    parser.add_argument("--jets", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)

    events = NanoEventsFactory.from_root(
        {str(arguments.file): "Events"}, schemaclass=PFNanoAODSchema, mode="virtual", entry_stop=arguments.jets
    ).events()
    flat = flatten(events, jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)
    n_jets = min(arguments.jets, len(flat))
    sizes = [np.diff(flat.collections[c].offsets)[:n_jets].mean() for c in PFNANO.constituents]
    print(f"{arguments.file.name}: {n_jets} jets, {sum(sizes):.1f} constituents a jet", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            flat_edges, portable = folders(Path(folder) / name, name, compute(flat, PFNANO, 0, n_jets))
            compare(name, flat_edges, portable, flat, n_jets, arguments.rounds)


def folders(path: Path, name: str, arrays: dict[str, Any]) -> tuple[models.ModelFolder, models.ModelFolder]:
    """One random network in two folders, one for each engine."""
    torch.manual_seed(1)
    fitted = {c: fit_standardisation(c, columns, arrays[f"{c}_features"]) for c, columns in PFNANO.names().items()}
    network = make_network(ARCHITECTURES[name], fitted).eval()
    fields: dict[str, Any] = {
        "name": name,
        "description": "random weights, for the benchmark",
        "licence": "BSD-3-Clause",
        "engine": "onnx",
        "features": PFNANO.names(),
        "dtype": "float32",
        "target": "log(pt_gen / pt_raw)",
        "inverse": "exp",
        "output": "log_correction",
        "domain": {"pt_raw": (5.0, 5000.0), "abs_eta": (0.0, 5.2)},
        "algorithm": "AK4PFchs",
        "collections": ("Jet",),
        "training": {"sample": "none", "seed": 1, "n_jets": 0, "fast_simulation": False},
        "parameters": parameter_count(network),
        "metrics": {},
        "opset": OPSET,
    }
    graph, engine = network_graph(network), engine_fields(network)
    flat_edges = models.write_folder(path / "edgeconv", graph, fields | engine)
    portable = models.write_folder(path / "onnx", graph, fields | {"batch_size": engine["batch_size"]})
    return flat_edges, portable


def compare(
    name: str, flat_edges: models.ModelFolder, portable: models.ModelFolder, flat: FlatJets, n_jets: int, rounds: int
) -> None:
    """Time both engines on the same batches and print the ratio."""
    size = flat_edges.card.batch_size
    ends = [*range(0, n_jets, size), n_jets]
    batches = [compute(flat, PFNANO, start, stop) for start, stop in pairwise(ends)]

    def work(model: models.ModelFolder) -> tuple[float, np.ndarray]:
        start = time.thread_time()
        values = [models.run(model, batch) for batch in batches]
        return 1e6 * (time.thread_time() - start) / n_jets, np.concatenate(values)

    times: dict[str, list[float]] = {"edgeconv": [], "onnx": []}
    for number in range(rounds + 1):
        for model in (flat_edges, portable):
            spent, values = work(model)
            if number:  # the first round compiles
                times[model.card.engine].append(spent)
            elif model is flat_edges:
                reference = values
            else:
                print(f"{name}: batches of {size}, largest difference {np.abs(values - reference).max():.1e}")
    for engine, values_of in times.items():
        print(f"  {engine:<9} median {np.median(values_of):8.1f} us/jet, best {min(values_of):8.1f}")
    ratio = np.median(times["onnx"]) / np.median(times["edgeconv"])
    print(f"  edgeconv is {ratio:.2f} times faster than the portable graph", flush=True)


if __name__ == "__main__":
    main()
