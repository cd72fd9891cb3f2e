"""ParticleNet's ONNX graph against torch: every shape of batch, real and simulated jets, bad values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.features import PFNANO, THESIS, FeatureSet, compute
from coffea_mljec.nano import flatten

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'coffea-mljec[train]'")
import onnxruntime  # noqa: E402

from tests.training.networks.jets import COUNTS, SHAPES, batch_of, offsets_of, one_jet, settled, tensors  # noqa: E402
from training.networks import ParticleNetArchitecture  # noqa: E402
from training.networks.network import Network  # noqa: E402
from training.onnx.graph import network_graph  # noqa: E402

#: More constituents than k + 1 of the reference networks, beside the small jets.
MANY = (*COUNTS, 17, 18, 25, 40)
ONE_LAYER = ParticleNetArchitecture(
    blocks_candidate=((6,), (4,)), blocks_vertex=((3,),), k_candidate=3, k_vertex=2, head=(5,)
)


def session_of(network: Network) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network_graph(network), options, providers=["CPUExecutionProvider"])


def differences(session: Any, network: Network, arrays: dict[str, np.ndarray]) -> np.ndarray:
    (got,) = session.run(["log_correction"], arrays)
    with torch.no_grad():
        wanted = network(tensors(arrays)).numpy()
    assert got.dtype == np.float32
    assert got.shape == wanted.shape == (len(arrays["jet_features"]),)
    assert np.isfinite(got).all()
    return np.abs(got - wanted)


@pytest.mark.parametrize("name", ["particlenet-r-lite", "particlenet-r"])
def test_graph_equals_torch(name: str) -> None:
    arrays = batch_of(THESIS, MANY)
    network = settled(name, THESIS, arrays)
    session = session_of(network)
    assert differences(session, network, arrays).max() < 1e-5
    assert session.run(None, arrays)[0].std() > 0.05


@pytest.fixture(scope="module")
def lite() -> tuple[Network, Any]:
    network = settled("particlenet-r-lite", PFNANO, batch_of(PFNANO, MANY))
    return network, session_of(network)


@pytest.mark.parametrize("counts", SHAPES)
def test_every_shape_of_batch(lite: tuple[Network, Any], counts: Sequence[int]) -> None:
    assert differences(lite[1], lite[0], batch_of(PFNANO, counts, seed=7)).max(initial=0.0) < 1e-5


def test_a_set_without_some_collections_and_blocks_of_one_layer() -> None:
    for features in (
        FeatureSet(jet=("log_pt", "eta"), neutral=("rel_phi", "pt", "rel_eta")),
        FeatureSet(jet=("log_pt", "eta", "rho")),
        FeatureSet(jet=("eta",), charged=("rel_eta", "rel_phi"), sv=("pt", "rel_eta", "rel_phi")),
    ):
        arrays = batch_of(features, COUNTS)
        network = settled(ONE_LAYER, features, arrays)
        session = session_of(network)
        assert {item.name for item in session.get_inputs()} == set(arrays)
        assert differences(session, network, arrays).max() < 1e-5


def test_batches_of_one_and_order_of_constituents_do_not_matter(lite: tuple[Network, Any]) -> None:
    arrays = batch_of(PFNANO, MANY, seed=3)
    (whole,) = lite[1].run(None, arrays)
    rng = np.random.default_rng(4)
    turned = dict(arrays)
    for c in PFNANO.constituents:
        offsets = arrays[f"{c}_offsets"]
        order = np.concatenate([rng.permutation(np.arange(a, b)) for a, b in pairwise(offsets)])
        turned[f"{c}_features"] = arrays[f"{c}_features"][order]
    np.testing.assert_allclose(lite[1].run(None, turned)[0], whole, rtol=0, atol=1e-5)
    for j in range(len(MANY)):
        (alone,) = lite[1].run(None, one_jet(arrays, PFNANO, j))
        np.testing.assert_allclose(alone, whole[j : j + 1], rtol=0, atol=1e-5)


def test_bad_values_stay_in_their_jets(lite: tuple[Network, Any]) -> None:
    arrays = batch_of(PFNANO, MANY, seed=5)
    (whole,) = lite[1].run(None, arrays)
    coordinate = PFNANO.charged.index("rel_phi")
    arrays["charged_features"][0, coordinate] = np.nan  # the very first row, which places without a row point to
    arrays["neutral_features"][arrays["neutral_offsets"][12], 0] = np.inf
    (got,) = lite[1].run(None, arrays)
    assert set(np.flatnonzero(~np.isfinite(got))) == {0, 12}
    rest = np.isfinite(got)
    np.testing.assert_allclose(got[rest], whole[rest], rtol=0, atol=1e-6)


def test_equal_distances_go_to_the_lower_index() -> None:
    """Candidates on a lattice: the first neighbours are the same in torch and in the graph."""
    features = FeatureSet(jet=("eta",), neutral=("rel_eta", "rel_phi", "pt"))
    rng = np.random.default_rng(6)
    lattice = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2) * 0.25
    rows = np.concatenate([rng.permutation(lattice), rng.permutation(lattice)])
    arrays = {
        "jet_features": rng.normal(size=(2, 1)).astype(np.float32),
        "neutral_features": np.concatenate([rows, rng.normal(size=(72, 1))], axis=1).astype(np.float32),
        "neutral_offsets": offsets_of([36, 36]),
    }
    first = ParticleNetArchitecture(blocks_candidate=((8, 8),), blocks_vertex=((2,),), k_candidate=6, head=(8,))
    network = settled(first, features, arrays)
    assert differences(session_of(network), network, arrays).max() < 1e-5


@pytest.mark.parametrize("name", ["particlenet-r-lite", "particlenet-r", "pfn-r"])
def test_graph_equals_torch_on_real_jets(real_data: Path, open_nano: Callable[..., Any], name: str) -> None:
    arrays = features_of(open_nano(real_data / "nano" / "pfnano_ul17_mc.root"))
    assert len(arrays["jet_features"]) == 64
    network = settled(name, PFNANO, arrays)
    assert differences(session_of(network), network, arrays).max() < 1e-5


def test_graph_equals_torch_on_simulated_jets(sample: Path, open_nano: Callable[..., Any]) -> None:
    """Rounding may swap neighbours at nearly the same distance in feature space: rare, and small where it happens."""
    arrays = features_of(open_nano(sample, entry_stop=150))
    network = settled("particlenet-r-lite", PFNANO, arrays)
    differing = differences(session_of(network), network, arrays)
    assert len(differing) > 400
    assert np.quantile(differing, 0.99) < 1e-5
    assert differing.max() < 5e-2


def features_of(events: Any) -> dict[str, Any]:
    flat = flatten(events, "Jet", jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)
    return compute(flat, PFNANO)
