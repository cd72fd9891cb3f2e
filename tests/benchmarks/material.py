"""What is timed: real jets, repeated; networks of the reference architectures with random weights.

How fast a network runs does not depend on its weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import torch
import uproot
from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

from coffea_mljec import models
from coffea_mljec.features import PFNANO, compute
from coffea_mljec.models.engines import engine_fields
from coffea_mljec.nano import FlatJets, detect, flatten
from coffea_mljec.nano.requirements import required_branches
from coffea_mljec.support.atomic import whole_file
from tests.benchmarks.places import SAMPLE, data_folder
from training.networks import ARCHITECTURES, fit_standardisation
from training.networks.layers import parameter_count
from training.networks.network import Network, make_network
from training.onnx.graph import OPSET, network_graph

__all__ = ["BATCH", "batches", "events_of", "flat_jets", "folders", "network", "repeated", "repeated_sample"]

BATCH = 1024
SEED = 1
_OF_SCHEMA = ("PV_x", "PV_y", "PV_z", "SV_x", "SV_y", "SV_z", "PFCands_mass", "PFCands_charge", "Jet_area", "run",
            "luminosityBlock", "event")  # fmt: skip
"""What coffea's schema or the standard path want beyond the features."""


def events_of(path: Path, mode: str = "virtual", **options: Any) -> Any:
    """NanoEvents of a PFNano file."""
    return NanoEventsFactory.from_root(
        {str(path): "Events"}, schemaclass=PFNanoAODSchema, mode=mode, **options
    ).events()


def repeated(folder: Path, n_jets: int) -> Path:
    """A file of about ``n_jets`` jets: pfnano_ul17_mc.root (64 jets) again and again, or the bundled sample without it.

    Only what the networks and the standard path read is copied. Repeated events compress unlike real ones: this file is
    not for timing the reading.
    """
    source = data_folder() / "nano" / "pfnano_ul17_mc.root"
    if not source.is_file():
        return SAMPLE
    with uproot.open(source) as file:
        tree = file["Events"]
        times = max(1, round(n_jets / int(ak.sum(tree["nJet"].array()))))
        path = folder / f"pfnano-{times}-times.root"
        if path.is_file():
            return path
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [*_needed(events_of(source)), *_OF_SCHEMA]
        arrays = {name: tree[name].array() for name in dict.fromkeys(wanted) if name in tree}
    arrays = {name: array for name, array in arrays.items() if not name.startswith("n")}
    temporary = path.with_suffix(".part")
    with uproot.recreate(temporary, compression=uproot.ZSTD(1)) as file:
        kinds = {name: array.type.content for name, array in arrays.items()}
        out = file.mktree("Events", kinds, counter_name=lambda branch: "n" + branch.split("_", 1)[0])
        for done in range(0, times, 50):
            out.extend({name: ak.concatenate([array] * min(50, times - done)) for name, array in arrays.items()})
    temporary.replace(path)
    return path


def repeated_sample(folder: Path, times: int) -> Path:
    """The bundled sample again and again, each event with a number of its own."""
    path = folder / f"sample-{times}-times.root"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with uproot.open(SAMPLE) as file:
        tree = file["Events"]
        arrays = {name: tree[name].array() for name in tree.keys() if not name.startswith("n")}  # noqa: SIM118
    numbers, kind = ak.to_numpy(arrays["event"]), arrays["event"].type.content
    with whole_file(path) as temporary, uproot.recreate(temporary, compression=uproot.ZSTD(1)) as out:
        kinds = {name: array.type.content for name, array in arrays.items()} | {"event": kind}
        tree = out.mktree("Events", kinds, counter_name=lambda branch: "n" + branch.split("_", 1)[0])
        for number in range(times):
            tree.extend(arrays | {"event": numbers + number * (int(numbers.max()) + 1)})
    return path


def _needed(events: Any) -> list[str]:
    wanted = ((*PFNANO.jet_quantities, "mass_raw"), PFNANO.constituent_quantities)
    return [branch.name for branch in required_branches(detect(events), *wanted, "the benchmark")]


def flat_jets(events: Any) -> FlatJets:
    """All jets with what the thesis's features need of plain PFNano."""
    return flatten(events, jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)


def batches(flat: FlatJets, n_jets: int, size: int = BATCH) -> Iterator[dict[str, Any]]:
    """The flat arrays of the first jets, batch after batch."""
    for start, stop in pairwise([*range(0, n_jets, size), n_jets]):
        yield compute(flat, PFNANO, start, stop)


@cache
def _fitted(path: Path) -> dict[str, Any]:
    arrays = compute(flat_jets(events_of(path, entry_stop=200)), PFNANO)
    return {c: fit_standardisation(c, columns, arrays[f"{c}_features"]) for c, columns in PFNANO.names().items()}


@cache
def network(name: str, path: Path) -> Network:
    """A network with random weights, its inputs standardised to the jets of a file, its norms settled on them."""
    torch.manual_seed(SEED)
    made = make_network(ARCHITECTURES[name], _fitted(path))
    arrays = compute(flat_jets(events_of(path, entry_stop=50)), PFNANO)
    with torch.no_grad():  # running statistics as after a training, so that activations stay of order one
        for _ in range(60):
            made({key: torch.from_numpy(value) for key, value in arrays.items()})
    return made.eval()


def folders(folder: Path, name: str, path: Path) -> dict[str, models.ModelFolder]:
    """How it runs -> the model folder of one random network: ``onnx``, and ``own``, this package's kernels."""
    made = network(name, path)
    fields: dict[str, Any] = {
        "name": name,
        "description": "random weights, for the benchmark",
        "licence": "BSD-3-Clause",
        "engine": "onnx",
        "features": PFNANO.names(),
        "dtype": "float32",
        "outputs": [{"name": "log_correction", "quantity": "pt", "transform": "exp"}],
        "domain": {"pt_raw": (5.0, 5000.0), "abs_eta": (0.0, 5.2)},
        "algorithm": "AK4PFchs",
        "collections": ("Jet",),
        "training": {"sample": "none", "seed": SEED, "n_jets": 0, "fast_simulation": False},
        "parameters": parameter_count(made),
        "metrics": {},
        "opset": OPSET,
    }
    graph = network_graph(made)
    engine = engine_fields(graph, PFNANO)
    size = {"batch_size": engine.get("batch_size", BATCH)}
    found = {"onnx": models.write_folder(folder / name / "onnx", graph, fields | size)}
    if engine["engine"] != "onnx":
        found["own"] = models.write_folder(folder / name / "own", graph, fields | engine)
    return found
