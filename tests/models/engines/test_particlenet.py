"""ParticleNets of weaver on flat edges against onnxruntime on padded tensors, jet by jet."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec import Network, models
from coffea_mljec.models import node_names
from coffea_mljec.models.engines import particlenet
from coffea_mljec.models.engines.padded import PaddedNetwork
from coffea_mljec.models.engines.particlenet import FlatParticleNet
from coffea_mljec.models.kernels.neighbours import neighbours_with_nothing
from coffea_mljec.models.sessions import session
from tests.models import weaver_particlenet
from tests.models.made_up import flat_arrays

SMALL = {"k": 4, "blocks": ((20, 16), (24, 24, 30)), "fusion": 40, "hidden": 12}
COUNTS = [0, 1, 2, 3, 4, 5, 6, 8, 20, 49, 50, 51, 60]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    paths = weaver_particlenet.write(tmp_path_factory.mktemp("particlenet"), **SMALL)
    return Network.from_weaver(*paths, collection="Jet")


def made_up(network: Network, seed: int = 1) -> dict[str, Any]:
    counts = np.repeat(COUNTS, 4)
    return flat_arrays(network.card, {"candidates": counts, "sv": np.resize([0, 1, 6, 3], len(counts))},
                       np.random.default_rng(seed))  # fmt: skip


def check(network: Network, arrays: dict[str, Any]) -> np.ndarray:
    """The flat network's outputs, and those of the padded one, are the same; returns which jets are doubtful."""
    flat, padded = session(network.model), PaddedNetwork(network.model)
    assert isinstance(flat, FlatParticleNet)
    (output,) = {output.source for output in network.card.outputs}
    found, expected = flat.run(arrays), padded.run(arrays)
    np.testing.assert_allclose(found[output], expected[output], rtol=1e-5, atol=1e-5 * np.abs(expected[output]).max())
    np.testing.assert_array_equal(found[node_names.REPLACED], expected[node_names.REPLACED])
    assert np.ptp(expected[output], axis=0).max() > 0.01
    return flat._evaluated(arrays)[1]


def test_equal_to_the_padded_graph(network: Network) -> None:
    assert check(network, made_up(network)).mean() < 0.2


def test_points_on_top_of_each_other_are_left_to_onnxruntime(network: Network) -> None:
    """Which of them is nearest to itself hangs on rounding."""
    arrays = made_up(network)
    offsets = arrays["candidates_offsets"]
    jet = COUNTS.index(8) * 4
    rows = arrays["candidates_features"]
    rows[offsets[jet] + 3] = rows[offsets[jet]]
    assert check(network, arrays)[jet]


def test_what_is_not_finite_is_replaced(network: Network) -> None:
    arrays = made_up(network)
    arrays["candidates_features"][[10, 50]] = [[np.nan], [np.inf]]
    assert session(network.model).run(arrays)[node_names.REPLACED].any()
    check(network, arrays)


def test_a_jet_alone_has_the_same_bits(network: Network) -> None:
    arrays, runner = made_up(network), session(network.model)
    whole = runner.run(arrays)["softmax"]
    for jet in range(0, len(whole), 7):
        assert isinstance(runner, FlatParticleNet)
        if not runner._evaluated(arrays)[1][jet]:
            alone = runner.run(particlenet.taken(arrays, np.array([jet])))["softmax"]
            np.testing.assert_array_equal(alone[0], whole[jet])


@pytest.mark.parametrize(("name", "collection"), [("ParticleNetAK4_CHS", "Jet"), ("ParticleNetAK8_General", "FatJet"),
                                                  ("ParticleNetAK8_MassRegression", "FatJet")])  # fmt: skip
def test_networks_of_cms(name: str, collection: str, real_data: Path) -> None:
    files = real_data / "models"
    network = Network.from_weaver(files / f"{name}.onnx", files / f"{name}.preprocess.json", collection=collection)
    random = np.random.default_rng(2)
    counts = {"candidates": random.integers(0, 70, 24), "sv": random.integers(0, 4, 24)}
    assert check(network, flat_arrays(network.card, counts, random)).mean() < 0.3


def test_another_network_stays_with_onnxruntime(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose numbers are not those of the flat edges, and an ensemble."""
    padded = PaddedNetwork(network.model)
    assert FlatParticleNet.of(network.model, padded) is not None
    monkeypatch.setattr(particlenet, "_TOLERANCE", 0.0)
    assert FlatParticleNet.of(network.model, padded) is None
    monkeypatch.undo()
    both = models.folder.model_of(network.model.graph, network.card.model_dump(), [network.model.graph])
    assert FlatParticleNet.of(both, padded) is None


def test_neighbours_equal_plain_python() -> None:
    random = np.random.default_rng(3)
    counts, k = [0, 1, 2, 3, 4, 5, 19], 3
    offsets = np.append(0, np.cumsum(counts))
    points = random.normal(size=(offsets[-1], 2)).astype(np.float32)
    points[-1] = points[-2]  # the last jet is doubtful
    source, doubtful = neighbours_with_nothing(points, offsets, k)
    assert doubtful.tolist() == [False] * 6 + [True]
    for first, last in itertools.pairwise(offsets[:-1]):
        for row in range(first, last):
            others = [other for other in range(first, last) if other != row]
            others.sort(key=lambda other: float(((points[row] - points[other]) ** 2).sum()))
            nearest = sorted(others[:k])
            assert source[row].tolist() == nearest + [len(points)] * (k - len(nearest))
