"""The flat ParticleNet against onnxruntime on the very same graph: every shape of batch, real and simulated jets."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import models
from coffea_mljec.errors import ModelError
from coffea_mljec.features import PFNANO, FeatureSet, compute
from coffea_mljec.models.engines import engine_fields
from coffea_mljec.models.kernels.edges import convolve
from coffea_mljec.models.kernels.lanes import LANES
from coffea_mljec.models.kernels.neighbours import nearest_neighbours
from coffea_mljec.models.weights import Dense, Layers
from coffea_mljec.nano import flatten
from tests.models import toy
from tests.models.running import log_correction

pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from tests.training.networks.jets import COUNTS, SHAPES, batch_of, one_jet, settled
from training.networks import ParticleNetArchitecture
from training.networks.network import Network
from training.onnx.graph import network_graph

#: More constituents than k + 1 of the reference networks, beside the small jets.
MANY = (*COUNTS, 17, 18, 25, 40)
#: Blocks of one layer, of three, and with a first layer that is wider than the last.
UNEVEN = ParticleNetArchitecture(
    blocks_candidate=((9, 4, 6), (4,), (5, 3)), blocks_vertex=((3,),), k_candidate=3, k_vertex=2, head=(5,)
)


def write(folder: Path, network: Network, features: FeatureSet, **changes: Any) -> Path:
    """The same graph in two folders, one for each engine; return the flat one's."""
    graph = network_graph(network)
    fields = toy.card(name=folder.name, features=features.names()) | engine_fields(graph, features) | changes
    models.write_folder(folder / "edgeconv", graph, fields)
    models.write_folder(folder / "onnx", graph, fields | {"engine": "onnx", "clouds": {}})
    return folder / "edgeconv"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name in ("particlenet-r-lite", "particlenet-r"):
        network = settled(name, PFNANO, batch_of(PFNANO, MANY))
        made[name] = write(tmp_path_factory.mktemp("models") / name, network, PFNANO)
    return made


@pytest.fixture(scope="module")
def lite(folders: dict[str, Path]) -> Path:
    return folders["particlenet-r-lite"]


def differences(folder: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    got = log_correction(models.open_folder(folder), arrays)
    wanted = log_correction(models.open_folder(folder.with_name("onnx")), arrays)
    assert got.dtype == np.float32
    assert got.shape == wanted.shape == (len(arrays["jet_features"]),)
    assert np.isfinite(got).all()
    return np.abs(got - wanted)


@pytest.mark.parametrize("name", ["particlenet-r-lite", "particlenet-r"])
def test_equals_onnxruntime_on_real_jets(
    folders: dict[str, Path], real_data: Path, open_nano: Callable[..., Any], name: str
) -> None:
    arrays = features_of(open_nano(real_data / "nano" / "pfnano_ul17_mc.root"))
    network = settled(name, PFNANO, arrays)
    folder = write(folders[name].parent / "real", network, PFNANO)
    assert len(arrays["jet_features"]) == 64
    assert differences(folder, arrays).max() < 1e-5
    assert log_correction(models.open_folder(folder), arrays).std() > 0.05


def test_equals_onnxruntime_on_simulated_jets(tmp_path: Path, sample: Path, open_nano: Callable[..., Any]) -> None:
    """Rounding may swap neighbours at nearly the same distance in feature space: rare, and small where it happens."""
    arrays = features_of(open_nano(sample, entry_stop=60))
    folder = write(tmp_path / "simulated", settled("particlenet-r-lite", PFNANO, arrays), PFNANO)
    differing = differences(folder, arrays)
    assert len(differing) > 200
    assert np.quantile(differing, 0.99) < 1e-5
    assert differing.max() < 5e-2


@pytest.mark.parametrize("counts", [*SHAPES, pytest.param(MANY * 3, id="many jets")])
def test_every_shape_of_batch(lite: Path, counts: Sequence[int]) -> None:
    assert differences(lite, batch_of(PFNANO, counts, seed=7)).max(initial=0.0) < 1e-5


def test_some_collections_and_uneven_blocks(tmp_path: Path) -> None:
    for i, features in enumerate(
        (
            FeatureSet(jet=("log_pt", "eta"), neutral=("rel_phi", "pt", "rel_eta")),
            FeatureSet(jet=("eta",), charged=("rel_eta", "rel_phi"), sv=("pt", "rel_eta", "rel_phi")),
        )
    ):
        arrays = batch_of(features, COUNTS)
        folder = write(tmp_path / str(i), settled(UNEVEN, features, arrays), features)
        assert differences(folder, arrays).max() < 1e-5


def test_jets_do_not_see_each_other(lite: Path) -> None:
    arrays = batch_of(PFNANO, MANY, seed=3)
    model = models.open_folder(lite)
    whole = log_correction(model, arrays)
    for j in range(len(MANY)):
        alone = log_correction(model, one_jet(arrays, PFNANO, j))
        np.testing.assert_allclose(alone, whole[j : j + 1], rtol=0, atol=1e-5)


def test_bad_values_stay_in_their_jets(lite: Path) -> None:
    arrays = batch_of(PFNANO, MANY, seed=5)
    model = models.open_folder(lite)
    whole = log_correction(model, arrays)
    arrays["charged_features"][0, PFNANO.charged.index("rel_phi")] = np.nan
    arrays["neutral_features"][arrays["neutral_offsets"][12], 0] = np.inf
    got = log_correction(model, arrays)
    assert set(np.flatnonzero(~np.isfinite(got))) == {0, 12}
    rest = np.isfinite(got)
    np.testing.assert_allclose(got[rest], whole[rest], rtol=0, atol=1e-6)


def test_threads_and_pickle_give_the_same(lite: Path) -> None:
    model = models.open_folder(lite)
    batches = [batch_of(PFNANO, MANY, seed=seed) for seed in range(6)]
    wanted = [log_correction(model, batch) for batch in batches]
    copied = pickle.loads(pickle.dumps(model))
    with ThreadPoolExecutor(3) as pool:
        got = list(pool.map(lambda batch: log_correction(copied, batch), batches))
    np.testing.assert_array_equal(got, wanted)


def test_apply_runs_it(lite: Path, sample: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(sample, entry_stop=30)
    flat_edges = mljec.MLJEC(lite).correction(events)
    portable = mljec.MLJEC(lite.with_name("onnx")).correction(events)
    got, wanted = (np.asarray(ak.flatten(values)) for values in (flat_edges, portable))
    assert len(got) > 50
    assert np.quantile(np.abs(got / wanted - 1), 0.99) < 2e-5


def test_convolve_equals_numpy() -> None:
    """Against plain numpy on one edge after the other, with tiles of every size."""
    rng = np.random.default_rng(2)
    offsets = np.concatenate([[0], np.cumsum(COUNTS)]).astype(np.int64)
    widths = (LANES, 3 * LANES, 2 * LANES)
    nodes = rng.normal(size=(offsets[-1], 4 * LANES)).astype(np.float32)
    layers = [
        (rng.normal(size=(a, b)).astype(np.float32), rng.normal(size=b).astype(np.float32)) for a, b in pairwise(widths)
    ]
    source, starts = nearest_neighbours(nodes[:, :2], offsets, 3)
    wanted = np.empty((len(nodes), widths[-1]))
    for i in range(len(nodes)):
        heard = np.zeros(widths[-1])
        for j in source[starts[i] : starts[i + 1]]:
            z = np.maximum(nodes[i, :LANES].astype(np.float64) + nodes[j, LANES : 2 * LANES], 0)
            for weight, bias in layers:
                z = np.maximum(z @ weight + bias, 0)
            heard += z
        wanted[i] = np.maximum(nodes[i, 2 * LANES :] + heard / (starts[i + 1] - starts[i]), 0)
    packed = Layers.of([Dense(weight, bias) for weight, bias in layers])
    for tile in (3, 4, 10, 10_000):
        got = convolve(nodes, source, starts, packed.widths, packed.weights, packed.biases, tile)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_some_jets_at_a_time_give_the_same(lite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = batch_of(PFNANO, MANY * 2, seed=11)
    model = models.open_folder(lite)
    whole = log_correction(model, arrays)
    for numbers in (1, 2000, 8000):  # a jet at a time, some of them, most of them
        monkeypatch.setattr("coffea_mljec.models.engines.edgeconv.NODES", numbers)
        np.testing.assert_allclose(log_correction(model, arrays), whole, rtol=0, atol=2e-6)


def edit(folder: Path, to: Path, **changes: Any) -> models.ModelFolder:
    card = json.loads((folder / "card.json").read_text()) | changes
    to.mkdir()
    (to / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    (to / "card.json").write_text(json.dumps(card))
    return models.open_folder(to)


def test_another_k_than_the_graphs(lite: Path, tmp_path: Path) -> None:
    clouds = json.loads((lite / "card.json").read_text())["clouds"]
    clouds["neutral"]["k"] = 5
    model = edit(lite, tmp_path / "k", clouds=clouds)
    with pytest.raises(ModelError, match="says k = 5 for neutral, its graph has 16"):
        log_correction(model, batch_of(PFNANO, COUNTS))


def test_other_layers_than_the_graphs(lite: Path, tmp_path: Path) -> None:
    clouds = json.loads((lite / "card.json").read_text())["clouds"]
    clouds["sv"]["blocks"][1] = [16, 12]
    model = edit(lite, tmp_path / "layers", clouds=clouds)
    with pytest.raises(
        ModelError, match=r"constant 'sv.1.nodes.weight' .* must be float32 8 x 44, .* got float32 8 x 48"
    ):
        log_correction(model, batch_of(PFNANO, COUNTS))


def test_clouds_of_other_collections(lite: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"engine 'edgeconv' needs clouds of \['charged', 'neutral', 'sv'\]; got \[\]"):
        edit(lite, tmp_path / "none", clouds={})


def test_a_graph_that_is_no_particlenet(tmp_path: Path) -> None:
    features = {"jet": ("pt", "eta"), "charged": ("rel_eta", "rel_phi")}
    card = toy.card(engine="edgeconv", features=features, clouds={"charged": {"k": 16, "blocks": ((8, 8),)}})
    model = models.write_folder(tmp_path / "toy", toy.graph(), card)
    with pytest.raises(ModelError, match=r"has no constant 'charged.0.plain.weight' \(2 x 24\): only a ParticleNet"):
        log_correction(model, {})


def test_unknown_engine(lite: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"engine 'onyx': Did you mean 'onnx'\? there are pfn, context, edgeconv, onnx"
    ):
        edit(lite, tmp_path / "engine", engine="onyx")


def features_of(events: Any) -> dict[str, Any]:
    flat = flatten(events, "Jet", jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)
    return compute(flat, PFNANO)
