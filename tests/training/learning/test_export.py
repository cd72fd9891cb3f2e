"""From a run to a model folder: the ONNX graph equals the torch network, on every shape of batch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.features import KINEMATICS, PFNANO, THESIS, FeatureSet, compute
from coffea_mljec.models import open_folder
from coffea_mljec.nano import flatten

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'coffea-mljec[train]'")
import onnxruntime  # noqa: E402

from tests.models.running import log_correction  # noqa: E402
from tests.training.networks import jets  # noqa: E402
from training.learning.export import card_fields, export  # noqa: E402
from training.learning.run_folder import read_network, read_run, write_run  # noqa: E402
from training.networks import ARCHITECTURES, fit_standardisation  # noqa: E402
from training.networks.layers import parameter_count  # noqa: E402
from training.networks.pfn import PFN  # noqa: E402
from training.onnx.graph import OPSET, network_graph  # noqa: E402


def settled(name: str, features: FeatureSet, arrays: dict[str, np.ndarray], seed: int = 1) -> PFN:
    """A network whose weights are random but whose standardisation and batch norms fit these inputs."""
    torch.manual_seed(seed)
    fitted = {c: fit_standardisation(c, names, arrays[f"{c}_features"]) for c, names in features.names().items()}
    network = PFN(ARCHITECTURES[name].model_copy(update={"momentum": 0.5}), fitted)
    with torch.no_grad():
        # Offsets and scales of their own in every norm, so that the folding of each is seen.
        for values in network.parameters():
            if values.ndim == 1:
                values += 0.2 * torch.randn(values.shape)
        batch = {key: torch.from_numpy(values) for key, values in arrays.items()}
        for _ in range(8):
            network(batch)
        network.eval()
        # The output in the range of a correction's logarithm.
        network.output.weight /= network(batch).std() / 0.2
    return network


def session_of(graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def difference(session: Any, network: PFN, arrays: dict[str, np.ndarray]) -> float:
    (got,) = session.run(["log_correction"], arrays)
    with torch.no_grad():
        wanted = network({name: torch.from_numpy(values) for name, values in arrays.items()}).numpy()
    assert got.dtype == np.float32
    assert got.shape == wanted.shape == (len(arrays["jet_features"]),)
    assert np.isfinite(got).all()
    return float(np.abs(got - wanted).max(initial=0.0))


@pytest.mark.parametrize(
    ("name", "features"),
    [("pfn-r-lite", PFNANO), ("pfn-r-lite", KINEMATICS), ("pfn-r-lite", THESIS), ("pfn-r", THESIS), ("pfn-m", PFNANO)],
)
def test_graph_equals_torch(toy_jets: Callable[..., Any], name: str, features: FeatureSet) -> None:
    arrays = toy_jets(400, feature_set=features).features
    network = settled(name, features, arrays)
    session = session_of(network_graph(network))
    assert difference(session, network, arrays) < 1e-5
    (spread,) = session.run(None, arrays)
    assert spread.std() > 0.05


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param([], id="no jets"),
        pytest.param([0], id="one empty jet"),
        pytest.param([1], id="one constituent"),
        pytest.param([0, 0, 0], id="no constituents at all"),
        pytest.param([0, 0, 3, 2], id="empty jets first"),
        pytest.param([3, 0, 0, 0, 2], id="empty jets inside"),
        pytest.param([3, 2, 0, 0], id="empty jets last"),
        pytest.param([0, 2, 0, 1, 0], id="every other empty"),
        pytest.param([200], id="many in one"),
    ],
)
def test_every_shape_of_batch(toy_jets: Callable[..., Any], counts: list[int]) -> None:
    many = toy_jets(300).features
    network = settled("pfn-r-lite", PFNANO, many)
    session = session_of(network_graph(network))
    arrays = {"jet_features": many["jet_features"][: len(counts)]}
    for shift, c in enumerate(PFNANO.constituents):
        turned = np.roll(np.array(counts, np.int64), shift)  # the three collections are empty at different jets
        arrays[f"{c}_offsets"] = np.concatenate([[0], np.cumsum(turned)]).astype(np.int64)
        arrays[f"{c}_features"] = np.resize(many[f"{c}_features"], (sum(counts), len(getattr(PFNANO, c))))
    assert difference(session, network, arrays) < 1e-5


def test_a_set_without_some_collections(toy_jets: Callable[..., Any]) -> None:
    for features in (
        FeatureSet(jet=("log_pt", "eta"), neutral=("pt", "rel_pt")),
        FeatureSet(jet=("log_pt", "eta", "rho")),
        FeatureSet(jet=("eta",), charged=("rel_eta",), sv=("rel_phi",)),
    ):
        arrays = toy_jets(50, feature_set=features).features
        network = settled("pfn-r-lite", features, arrays)
        session = session_of(network_graph(network))
        assert {item.name for item in session.get_inputs()} == set(arrays)
        assert difference(session, network, arrays) < 1e-5


def test_order_of_constituents_and_size_of_batches_do_not_matter(toy_jets: Callable[..., Any]) -> None:
    arrays = toy_jets(60).features
    session = session_of(network_graph(settled("pfn-r-lite", PFNANO, arrays)))
    (whole,) = session.run(None, arrays)
    turned = dict(arrays)
    for c in PFNANO.constituents:
        offsets = arrays[f"{c}_offsets"]
        order = np.concatenate([np.arange(a, b)[::-1] for a, b in pairwise(offsets)])
        turned[f"{c}_features"] = arrays[f"{c}_features"][order]
    np.testing.assert_allclose(session.run(None, turned)[0], whole, rtol=0, atol=2e-6)
    for j in range(60):
        one = {"jet_features": arrays["jet_features"][j : j + 1]}
        for c in PFNANO.constituents:
            first, last = arrays[f"{c}_offsets"][j : j + 2]
            one |= {f"{c}_features": arrays[f"{c}_features"][first:last], f"{c}_offsets": np.array([0, last - first])}
        np.testing.assert_allclose(session.run(None, one)[0], whole[j : j + 1], rtol=0, atol=2e-6)


def test_graph_equals_torch_on_real_jets(real_data: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(real_data / "nano" / "pfnano_ul17_mc.root")
    flat = flatten(events, "Jet", jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)
    arrays = compute(flat, PFNANO)
    assert len(arrays["jet_features"]) == 64
    network = settled("pfn-r-lite", PFNANO, arrays)
    assert difference(session_of(network_graph(network)), network, arrays) < 1e-5


def record_of(network: PFN, features: FeatureSet) -> dict[str, Any]:
    recipe = {
        "name": "tiny", "description": "a test", "sample": "toy jets", "fast_simulation": True, "productions": ["x"],
        "features": features.names(), "seed": 8,
    }  # fmt: skip
    return {
        "recipe": recipe,
        "prepared": {"digest": "ab" * 32},
        "jets": {"train": 123, "val": 4, "test": 5},
        "parameters": parameter_count(network),
        "metrics": {"val_loss": 0.1, "test_loss": 0.11},
        "domain": {"pt_raw": [5.5, 900.0], "abs_eta": [0.0, 4.9], "rho": [1.0, 50.0], "n_pv": [1.0, 70.0]},
    }


def test_export_writes_a_model_folder_that_applies(tmp_path: Path, toy_jets: Callable[..., Any]) -> None:
    arrays = toy_jets(100).features
    network = settled("pfn-r-lite", PFNANO, arrays)
    write_run(tmp_path / "run", network, record_of(network, PFNANO))
    export(tmp_path / "run", tmp_path / "model")
    model = open_folder(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["card.json", "model.onnx"]
    card = model.card
    assert card.feature_set == PFNANO
    assert card.training.fast_simulation
    assert (card.training.seed, card.training.n_jets) == (8, 123)
    assert "toy jets (digest abababababababab)" in card.training.sample
    assert card.parameters == parameter_count(network)
    assert card.opset == OPSET
    assert card.engine == "pfn"
    assert card.algorithm == "AK4PFchs"
    assert card.domain.pt_raw == (5.5, 900.0)
    assert card.metrics == {"val_loss": 0.1, "test_loss": 0.11}
    with torch.no_grad():
        wanted = network({name: torch.from_numpy(values) for name, values in arrays.items()}).numpy()
    np.testing.assert_allclose(log_correction(model, arrays), wanted, rtol=0, atol=1e-5)


def test_export_of_a_particlenet_says_how_it_runs(tmp_path: Path) -> None:
    for name, batch_size in (("particlenet-r-lite", 1024), ("particlenet-r", 64)):
        arrays = jets.batch_of(PFNANO, jets.COUNTS)
        network = jets.settled(name, PFNANO, arrays)
        write_run(tmp_path / name, network, record_of(network, PFNANO))
        export(tmp_path / name, tmp_path / f"{name}-model")
        model = open_folder(tmp_path / f"{name}-model")
        assert (model.card.engine, model.card.batch_size) == ("edgeconv", batch_size)
        assert [model.card.clouds[c].k for c in PFNANO.constituents] == [16, 16, 8]
        assert difference(session_of(model.graph), network, arrays) < 1e-5
        with torch.no_grad():
            wanted = network(jets.tensors(arrays)).numpy()
        np.testing.assert_allclose(log_correction(model, arrays), wanted, rtol=0, atol=1e-5)


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path, toy_jets: Callable[..., Any]) -> None:
    arrays = toy_jets(50).features
    network = settled("pfn-r-lite", PFNANO, arrays)
    write_run(tmp_path, network, record_of(network, PFNANO))
    again = read_network(tmp_path)
    batch = {name: torch.from_numpy(values) for name, values in arrays.items()}
    with torch.no_grad():
        assert torch.equal(again(batch), network(batch))
    assert network_graph(again) == network_graph(network)


def test_unfinished_and_foreign_runs_are_refused(tmp_path: Path, toy_jets: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="no finished run"):
        export(tmp_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    network = settled("pfn-r-lite", PFNANO, toy_jets(30).features)
    write_run(tmp_path, network, record_of(network, PFNANO) | {"format": 99})
    with pytest.raises(InputError, match="format 99, this version reads 1"):
        read_run(tmp_path)
    write_run(tmp_path, network, record_of(network, PFNANO))
    with np.load(tmp_path / "network.npz") as arrays:
        fewer = {name: arrays[name] for name in arrays.files[1:]}
    np.savez(tmp_path / "network.npz", **fewer)
    with pytest.raises(InputError, match="does not fit the network"):
        read_network(tmp_path)


def test_card_tells_the_recipes_features(toy_jets: Callable[..., Any]) -> None:
    network = settled("pfn-r-lite", PFNANO, toy_jets(30).features)
    fields = card_fields(record_of(network, FeatureSet(jet=("pt",), sv=("mass",))))
    assert fields["features"] == {"jet": ("pt",), "sv": ("mass",)}
