"""Flat particle flow networks, without and with context, against onnxruntime on the very same graph: batches, real
jets, joined networks."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import models
from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.features import PFNANO, FeatureSet
from coffea_mljec.models.engines import engine_fields
from tests.models import toy
from tests.models.running import log_correction

ENGINES = {
    "pfn-r-lite": "pfn", "mean": "pfn", "weighted": "pfn", "pfn-c-lite": "context",
    "three rounds": "context",
}  # fmt: skip


def edited(source: models.ModelFolder, to: Path, **changes: Any) -> models.ModelFolder:
    """A model's graph beside a card with other fields."""
    to.mkdir()
    (to / "model.onnx").write_bytes(source.graph)
    (to / "card.json").write_text(json.dumps(source.card.model_dump(mode="json") | changes))
    return models.open_folder(to)


@pytest.fixture(scope="module", params=ENGINES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mean_model: Path) -> tuple[Any, Any]:
    """A bundled model, a mean of two, or one of chance; as it is, and run by onnxruntime."""
    folder = tmp_path_factory.mktemp("models")
    if request.param in ("weighted", "three rounds"):
        model = by_chance(folder / "made", request.param)
    else:
        model = models.open_model(mean_model if request.param == "mean" else request.param)
    assert model.card.engine == ENGINES[request.param]
    return model, edited(model, folder / "onnx", engine="onnx")


def by_chance(folder: Path, kind: str) -> models.ModelFolder:
    """A network of chance that sums its constituents plainly and weighted with their share of the jet's pT; or one
    whose constituents hear of their jet twice."""
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    from tests.training.networks.jets import COUNTS, batch_of, settled
    from training.networks.architecture import AnyArchitecture, Architecture, ContextArchitecture
    from training.onnx.graph import network_graph

    shape: AnyArchitecture
    if kind == "weighted":
        shape = Architecture(phi_candidate=(20, 37), phi_vertex=(5,), head=(16, 8), pooling=("sum", "pt"))
    else:
        # Widths that fill no vector, a round of one layer, and several layers to a context.
        shape = ContextArchitecture(
            blocks_candidate=((20, 37), (9,), (5, 21)), blocks_vertex=((7,), (3, 6), (2,)), context=(19, 11),
            head=(16, 8), pooling=("sum",), bias=True,
        )  # fmt: skip
    graph = network_graph(settled(shape, PFNANO, batch_of(PFNANO, COUNTS)))
    fields = toy.card(features=PFNANO.names()) | engine_fields(graph, PFNANO)
    return models.write_folder(folder, graph, fields)


def assert_equal(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal up to rounding; a network of chance gives numbers of hundreds, and rounds them so."""
    largest = np.abs(wanted).max(initial=0.0)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 if largest < 10.0 else 1e-5 * largest)


def batch(counts: Sequence[int], features: FeatureSet = PFNANO, seed: int = 1) -> dict[str, np.ndarray]:
    """Jets with so many constituents of each kind."""
    rng = np.random.default_rng(seed)
    names = features.names()
    arrays = {"jet_features": rng.normal(1.0, 2.0, (len(counts), len(names["jet"]))).astype(np.float32)}
    for c in features.constituents:
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        arrays[f"{c}_offsets"] = offsets
        arrays[f"{c}_features"] = rng.normal(0.5, 2.0, (offsets[-1], len(names[c]))).astype(np.float32)
    return arrays


def test_equals_onnxruntime_on_real_jets(pair: Any, real_data: Path, open_nano: Callable[..., Any]) -> None:
    ours, portable = pair
    arrays = mljec.MLJEC().features(open_nano(real_data / "nano" / "pfnano_ul17_mc.root"))
    assert len(arrays["jet_features"]) == 64
    got, wanted = log_correction(ours, arrays), log_correction(portable, arrays)
    assert got.dtype == np.float32
    assert got.std() > 0.01
    assert_equal(got, wanted)


def test_equals_onnxruntime_on_simulated_jets(pair: Any, sample: Path, open_nano: Callable[..., Any]) -> None:
    ours, portable = pair
    arrays = mljec.MLJEC().features(open_nano(sample, entry_stop=100))
    assert len(arrays["jet_features"]) > 500
    assert_equal(log_correction(ours, arrays), log_correction(portable, arrays))


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param((), id="no jets"),
        pytest.param((0,), id="one empty jet"),
        pytest.param((1,), id="one constituent"),
        pytest.param((0, 0, 0), id="no constituents at all"),
        pytest.param((0, 0, 3, 2), id="empty jets first"),
        pytest.param((3, 2, 0, 0), id="empty jets last"),
        pytest.param((150, 1), id="many in one"),
        pytest.param((5, 0, 96, 31, 2, 18) * 20, id="more jets than a tile"),
        pytest.param((40, 0, 200, 7) * 60, id="more jets than are kept in hand"),
    ],
)
def test_every_shape_of_batch(pair: Any, counts: Sequence[int]) -> None:
    ours, portable = pair
    arrays = batch(counts)
    got, wanted = log_correction(ours, arrays), log_correction(portable, arrays)
    assert got.shape == wanted.shape == (len(counts),)
    assert_equal(got, wanted)


def test_jets_do_not_see_each_other(pair: Any) -> None:
    arrays = batch((5, 0, 96, 31, 2, 18))
    whole = log_correction(pair[0], arrays)
    for j in range(6):
        alone = {"jet_features": arrays["jet_features"][j : j + 1]}
        for c in PFNANO.constituents:
            start, stop = arrays[f"{c}_offsets"][j : j + 2]
            alone |= {f"{c}_features": arrays[f"{c}_features"][start:stop], f"{c}_offsets": np.array([0, stop - start])}
        np.testing.assert_array_equal(log_correction(pair[0], alone), whole[j : j + 1])


def test_bad_values_stay_in_their_jets(pair: Any) -> None:
    ours, _ = pair
    arrays = batch((5, 0, 96, 31, 2, 18))
    whole = log_correction(ours, arrays)
    arrays["charged_features"][2, PFNANO.charged.index("rel_phi")] = np.nan
    arrays["neutral_features"][arrays["neutral_offsets"][3], PFNANO.neutral.index("pt")] = np.inf
    arrays["jet_features"][4, 0] = -np.inf
    got = log_correction(ours, arrays)
    assert np.flatnonzero(~np.isfinite(got)).tolist() == [0, 3, 4]
    np.testing.assert_array_equal(got[[1, 2, 5]], whole[[1, 2, 5]])


def test_threads_and_pickle_give_the_same(pair: Any) -> None:
    batches = [batch((5, 0, 96, 31, 2, 18), seed=seed) for seed in range(6)]
    wanted = [log_correction(pair[0], arrays) for arrays in batches]
    copied = pickle.loads(pickle.dumps(pair[0]))
    with ThreadPoolExecutor(3) as pool:
        got = list(pool.map(lambda arrays: log_correction(copied, arrays), batches))
    np.testing.assert_array_equal(got, wanted)


def test_apply_runs_it(pair: Any, tmp_path: Path, sample: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(sample, entry_stop=30)
    portable = edited(pair[0], tmp_path / "portable", engine="onnx")
    got, wanted = (np.asarray(ak.flatten(mljec.MLJEC(model).correction(events))) for model in (pair[0], portable))
    assert portable.card.engine == "onnx"
    assert len(got) > 150
    np.testing.assert_allclose(got, wanted, rtol=1e-5 if pair[0].card.name in models.bundled() else 1e-4)


@pytest.mark.parametrize("name", ["pfn-r-lite", "pfn-c-lite"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    model = models.open_model(name)
    good = batch((3, 2))
    for array, bad, message in (
        ("charged_features", good["charged_features"].astype(np.float64), "float32 with 23 columns; got float64"),
        ("neutral_features", good["neutral_features"][:, 1:], r"float32 with 10 columns; got float32 \(5, 9\)"),
        ("jet_features", good["jet_features"][:, :3], r"jet_features must be float32 with 10 columns"),
        ("sv_offsets", np.array([0, 3]), "must rise from 0 to the 5 rows of sv_features, one more than the 2 jets"),
        ("sv_offsets", np.array([0, 3, 6]), "got 3 numbers from 0 to 6"),
        ("sv_offsets", np.array([0, 7, 5]), "must rise"),
    ):
        with pytest.raises(InputError, match=message):
            log_correction(model, good | {array: bad})


@pytest.mark.parametrize(
    "features",
    [
        FeatureSet(jet=("log_pt", "eta"), neutral=("rel_phi", "pt", "rel_eta")),
        FeatureSet(jet=("eta",), charged=("rel_eta", "rel_phi"), sv=("pt", "rel_eta", "rel_phi")),
        FeatureSet(jet=("pt", "eta", "rho")),
    ],
)
def test_some_collections_and_uneven_layers(tmp_path: Path, features: FeatureSet) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    from tests.training.networks.jets import COUNTS, batch_of, settled
    from training.networks.architecture import Architecture
    from training.onnx.graph import network_graph

    arrays = batch_of(features, COUNTS)
    shape = Architecture(phi_candidate=(9, 5, 21), phi_vertex=(3,), head=(33, 6), bias=True)
    network = settled(shape, features, arrays)
    graph = network_graph(network)
    fields = toy.card(features=features.names()) | engine_fields(graph, features)
    assert fields["engine"] == "pfn"
    ours = models.write_folder(tmp_path / "pfn", graph, fields)
    portable = models.write_folder(tmp_path / "onnx", graph, fields | {"engine": "onnx"})
    np.testing.assert_allclose(log_correction(ours, arrays), log_correction(portable, arrays), rtol=1e-5, atol=1e-5)


def test_a_graph_that_is_no_pfn(tmp_path: Path) -> None:
    features = {"jet": ("pt", "eta"), "charged": ("rel_eta", "rel_phi")}
    model = models.write_folder(tmp_path / "toy", toy.graph(), toy.card(engine="pfn", features=features))
    with pytest.raises(
        ModelError, match=r"has no constant 'charged.0.plain.weight' \(2 x any\): only a PFN .* or say engine 'onnx'"
    ):
        log_correction(model, {})


def test_other_ways_of_pooling_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    from tests.training.networks.jets import COUNTS, batch_of, settled
    from training.networks.architecture import Architecture
    from training.onnx.graph import network_graph

    features = FeatureSet(jet=("eta",), charged=("rel_eta", "rel_pt"), sv=("pt", "rel_pt"))
    graph = network_graph(settled(Architecture(pooling=("pt",)), features, batch_of(features, COUNTS)))
    assert engine_fields(graph, features)["engine"] == "onnx"
    model = models.write_folder(tmp_path / "pt", graph, toy.card(engine="pfn", features=features.names()))
    with pytest.raises(ModelError, match=r"sum the charged, sv constituents .*; the graph .* has charged.pt.pooled"):
        log_correction(model, batch_of(features, COUNTS))


def test_other_features_than_the_graphs(tmp_path: Path) -> None:
    features = json.loads(json.dumps(models.open_model("pfn-r-lite").card.model_dump(mode="json")["features"]))
    features["charged"] = features["charged"][:-1]
    model = edited(models.open_model("pfn-r-lite"), tmp_path / "fewer", features=features)
    with pytest.raises(
        ModelError, match=r"constant 'charged.0.plain.weight' .* float32 22 x any.*; got float32 23 x 16"
    ):
        log_correction(model, batch((3,)))
