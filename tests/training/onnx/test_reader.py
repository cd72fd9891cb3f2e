"""Networks read back from the graphs that were written of them, and re-expressed for a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec import models
from coffea_mljec.errors import InputError
from coffea_mljec.features import PFNANO
from coffea_mljec.models import ModelFolder, bundled, node_names
from coffea_mljec.models.engines import engine_fields

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'coffea-mljec[train]'")

from tests.training.networks.jets import batch_of, settled, tensors  # noqa: E402
from training.networks import ARCHITECTURES, AnyArchitecture, fit_standardisation  # noqa: E402
from training.networks.architecture import (  # noqa: E402
    Architecture,
    ContextArchitecture,
    ParticleNetArchitecture,
)
from training.networks.settling import restandardise, settle_norms  # noqa: E402
from training.onnx.graph import network_graph  # noqa: E402
from training.onnx.reader import network_of_model  # noqa: E402

PFN = Architecture(phi_candidate=(8, 12), phi_vertex=(4, 6), head=(16, 8), pooling=("sum", "pt"), bias=True)
CONTEXT = ContextArchitecture(
    blocks_candidate=((8, 8), (8, 12)), blocks_vertex=((4, 4), (4, 6)), context=(12, 6), head=(16, 8)
)
PARTICLENET = ParticleNetArchitecture(
    blocks_candidate=((6, 6), (8, 8)), blocks_vertex=((4, 4), (6, 6)), k_candidate=4, k_vertex=2, head=(16, 8)
)
KINDS = pytest.mark.parametrize("shape", [PFN, CONTEXT, PARTICLENET], ids=["pfn", "context", "particlenet"])
COUNTS = tuple(np.random.default_rng(2).integers(0, 12, 300))


def model_of(graph: bytes) -> ModelFolder:
    fields = {
        "name": "made", "description": "a test", "licence": "BSD-3-Clause", "features": PFNANO.names(),
        "dtype": "float32", "algorithm": "AK4PFchs", "collections": ("Jet",), "opset": 18, "domain": {},
        "outputs": [{"name": node_names.OUTPUT, "quantity": "pt", "transform": "exp"}],
        "training": {"sample": "random", "fast_simulation": True},
    }  # fmt: skip
    return models.folder.model_of(graph, fields | engine_fields(graph, PFNANO))


def said(network: Any, arrays: dict[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(network(tensors(arrays)).numpy())


@KINDS
def test_a_network_comes_back_from_its_graph(shape: AnyArchitecture) -> None:
    """Read, with other shifts and scales, with statistics in its norms: it says the same; in training nearly so."""
    arrays = batch_of(PFNANO, COUNTS, seed=3)
    model = model_of(network_graph(settled(shape, PFNANO, arrays)))
    expected = models.run(model, arrays)[node_names.OUTPUT]
    assert 0.05 < np.std(expected) < 2
    network = network_of_model(model, shape)
    np.testing.assert_allclose(said(network, arrays), expected, atol=1e-5)
    fitted = {c: fit_standardisation(c, names, arrays[f"{c}_features"]) for c, names in PFNANO.names().items()}
    restandardise(network, fitted)
    np.testing.assert_allclose(said(network, arrays), expected, atol=1e-5)
    far_off = np.abs(said(network.train(), arrays) - expected).mean()
    network.eval()
    network = network_of_model(model, shape)
    restandardise(network, fitted)
    settle_norms(network, [tensors(arrays)])
    np.testing.assert_allclose(said(network, arrays), expected, atol=1e-5)
    assert np.abs(said(network.train(), arrays) - expected).mean() < 0.02 * min(far_off, np.std(expected))


@pytest.mark.parametrize("name", ["pfn-r-lite", "pfn-c-lite", "particlenet-r-lite"])
def test_bundled_networks_come_back(name: str) -> None:
    assert name in bundled()
    model = models.open_model(name)
    arrays = batch_of(model.card.feature_set, COUNTS[:60], seed=3)
    expected = models.run(model, arrays)[model.card.outputs[0].source]
    found = said(network_of_model(model, ARCHITECTURES[name]), arrays)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_transforms_come_back_with_round_units() -> None:
    network = network_of_model(models.open_model("pfn-r-lite"), ARCHITECTURES["pfn-r-lite"])
    charged = network.standardisations["charged"]
    units = dict(zip(charged.features, charged.transforms, strict=True))
    assert (units["pt"].kind, units["pt"].unit) == ("symlog", 0.3)
    assert units["rel_eta"].kind == "identity"


def test_other_transforms_are_refused() -> None:
    arrays = batch_of(PFNANO, COUNTS[:30])
    network = settled(PFN, PFNANO, arrays)
    parts = dict(network.standardisations)
    parts["charged"] = parts["charged"].model_copy(update={"transforms": parts["charged"].transforms[::-1]})
    with pytest.raises(InputError, match="the charged features have other transforms"):
        restandardise(network, parts)


@pytest.mark.parametrize(
    ("name", "architecture", "message"),
    [
        ("jet-bdt", "pfn-r-lite", "is no network that python -m training export wrote"),
        ("pfn-r-lite", "pfn-r", "has 'charged.0.plain.weight' of 23 x 64; the model's graph has 23 x 16"),
        ("pfn-r-lite", "pfn-c-lite", "is of another architecture than the recipe"),
        ("particlenet-r-lite", "pfn-r-lite", "is of another architecture than the recipe"),
    ],
)
def test_other_graphs_are_refused(name: str, architecture: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        network_of_model(models.open_model(name), ARCHITECTURES[architecture])


def test_a_mean_of_networks_is_refused(mean_model: Path) -> None:
    with pytest.raises(InputError, match="is the mean of several networks, and a training starts from one"):
        network_of_model(models.open_model(mean_model), ARCHITECTURES["pfn-r-lite"])


def test_a_deeper_network_is_refused() -> None:
    """All constants of the recipe's network are there, and more."""
    deeper = PFN.model_copy(update={"phi_candidate": (8, 12, 12)})
    model = model_of(network_graph(settled(deeper, PFNANO, batch_of(PFNANO, COUNTS[:30]))))
    with pytest.raises(InputError, match=r"its graph alone has the constant 'charged\.2\.bias'"):
        network_of_model(model, PFN)


def test_a_graph_changed_by_hand_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(network_graph(settled(PFN, PFNANO, batch_of(PFNANO, COUNTS[:30]))))
    own = numpy_helper.from_array(np.float32(2.0), "one_float")
    next(one for one in graph.graph.initializer if one.name == "one_float").CopyFrom(own)
    with pytest.raises(InputError, match="has a constant 'one_float' that no network here gives"):
        network_of_model(model_of(graph.SerializeToString()), PFN)
