"""Jets bucket by bucket against each jet alone at its exact length, as CMSSW runs them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from coffea_mljec import Network, models
from coffea_mljec.errors import ModelError
from coffea_mljec.features import CATALOGUE
from coffea_mljec.models import node_names
from coffea_mljec.models.backends import runtime
from coffea_mljec.models.engines import padded
from tests.models import weaver_toy as toy
from tests.models.made_up import flat_arrays, one_jet

BORDERS = [0, 1, 3, 4, 5, 9, 11, 12, 13, 30]
"""Numbers of constituents around the shortest and the longest length of the toy."""


def alone(model: models.ModelFolder, arrays: dict[str, Any], jet: int) -> list[np.ndarray]:
    """What onnxruntime gives for one jet whose tensors have the length max(shortest, min(longest, count))."""
    names = model.card.feature_set.names()
    feed = {}
    for tensor in model.card.tensors:
        rows = one_jet(arrays, tensor.collection, jet)[: tensor.max_length].astype(np.float64)
        padded_rows = np.empty((len(tensor.variables), max(tensor.min_length, len(rows))))
        for place, variable in enumerate(tensor.variables):
            padded_rows[place] = variable.pad
            column = rows[:, names[tensor.collection].index(variable.feature)]
            padded_rows[place, : len(rows)] = toy.prepared(column, variable.model_dump(exclude={"feature"}))
        feed[tensor.name] = padded_rows[None].astype(np.float32)
    out = []
    for graph in (model.graph, *model.members):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        out.append(onnxruntime.InferenceSession(graph, options).run(None, feed)[0][0])
    return out


def check(model: models.ModelFolder, arrays: dict[str, Any], tolerance: float = 1e-5) -> None:
    given = models.run(model, arrays)
    (name,) = {output.source for output in model.card.outputs}
    expected = np.array([np.mean(alone(model, arrays, jet), axis=0) for jet in range(len(given[name]))])
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(given[name], expected, rtol=tolerance, atol=tolerance)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network.from_weaver(*toy.write(tmp_path / "toy"), collection="Jet")


def made_up(network: Network, seed: int = 3) -> dict[str, Any]:
    counts = np.array(list(itertools.product(BORDERS, [0, 1, 3, 6])))
    return flat_arrays(network.card, {"candidates": counts[:, 0], "sv": counts[:, 1]}, np.random.default_rng(seed))


def test_buckets_equal_each_jet_alone(network: Network) -> None:
    arrays = made_up(network)
    check(network.model, arrays)
    assert not models.run(network.model, arrays)[node_names.REPLACED].any()


@pytest.mark.parametrize(("rows", "step"), [(1, 1.01), (40, 1.5), (10_000, 9.0)])
def test_any_size_of_buckets(network: Network, monkeypatch: pytest.MonkeyPatch, rows: int, step: float) -> None:
    monkeypatch.setitem(runtime._ROWS, "cpu", rows)
    monkeypatch.setattr(padded, "_STEP", step)
    arrays = made_up(network)
    got = padded.PaddedNetwork(network.model).run(arrays)["softmax"]
    np.testing.assert_allclose(got, models.run(network.model, arrays)["softmax"], rtol=1e-5, atol=1e-6)


def test_mean_of_an_ensemble(tmp_path: Path) -> None:
    network = Network.from_weaver(*toy.write(tmp_path, seeds=(0, 1, 2)), collection="Jet")
    assert len(network.model.members) == 2
    check(network.model, made_up(network))


def test_a_jet_is_the_same_in_any_company(network: Network) -> None:
    arrays = made_up(network)
    together = models.run(network.model, arrays)["softmax"]
    for jet in range(len(together)):
        own: dict[str, Any] = {"jet_features": arrays["jet_features"][jet : jet + 1]}
        for collection in ("candidates", "sv"):
            own[f"{collection}_features"] = one_jet(arrays, collection, jet)
            own[f"{collection}_offsets"] = np.array([0, len(own[f"{collection}_features"])])
        np.testing.assert_allclose(models.run(network.model, own)["softmax"][0], together[jet], rtol=1e-5, atol=1e-6)


def test_no_jets(network: Network) -> None:
    arrays = flat_arrays(network.card, {"candidates": [], "sv": []}, np.random.default_rng(1))
    given = models.run(network.model, arrays)
    assert given["softmax"].shape == (0, 3)
    assert given[node_names.REPLACED].shape == (0,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2e32])
def test_what_is_not_finite_is_replaced_and_counted(network: Network, bad: float) -> None:
    arrays = made_up(network)
    names = network.card.features.candidates
    column = names.index("track_dxy_sig")
    rows = np.flatnonzero(np.diff(arrays["candidates_offsets"]) == 5)
    first = arrays["candidates_offsets"][rows[0]]
    arrays["candidates_features"][first : first + 2, column] = bad
    given = models.run(network.model, arrays)
    counted = np.zeros(len(given["softmax"]))
    counted[rows[0]] = 2
    np.testing.assert_array_equal(given[node_names.REPLACED], counted)
    assert np.isfinite(given["softmax"]).all()
    check(network.model, arrays)


def test_grid_of_lengths() -> None:
    for shortest, longest, step in ((1, 1, 2.0), (16, 100, 1.125), (8, 50, 1.125), (1, 10, 2.0), (5, 6, 1.01)):
        grid = padded._grid(shortest, longest, step)
        counts = np.arange(longest + 1)
        assert (len(grid), grid[0], grid[-1]) == (longest + 1, shortest, longest)
        assert np.all(grid >= counts)
        assert np.all(grid <= np.maximum(shortest, np.ceil(counts * step) + 1))


def refused(network: Network, **changes: Any) -> pytest.ExceptionInfo[ModelError]:
    """The error of a model with a changed card."""
    from coffea_mljec.models.folder import model_of

    fields = network.card.model_dump(exclude={"sha256", "members", "schema_version"}) | changes
    with pytest.raises(ModelError) as error:
        models.run(model_of(network.model.graph, fields), made_up(network))
    return error


def test_graph_and_card_that_disagree(network: Network) -> None:
    tensors = [tensor.model_dump() for tensor in network.card.tensors]
    error = refused(network, tensors=tensors[:-1])
    assert error.match(r"has inputs \['pf_features', .*'sv_mask'\], its card describes .*'sv_features'\]")
    short = [*tensors[1:], tensors[0] | {"variables": tensors[0]["variables"][:1]}]
    assert refused(network, tensors=short).match(
        r"input 'pf_points' of model 'toy-0' must be tensor\(float\) with a free first axis and 1 variables; got "
        r"tensor\(float\) \['n', 2, 'length_pf'\]. The graph and its preprocess.json must come from one export"
    )
    outputs = [output.model_dump() for output in network.card.outputs]
    error = refused(network, outputs=[outputs[0] | {"graph": "nothing"}])
    assert error.match(r"has no output 'nothing', which its card names; it has 'softmax'")
    error = refused(network, outputs=[outputs[0] | {"column": 3}])
    assert error.match("output 'softmax' of model 'toy-0' has 3 columns; its card reads column 3, counted from 0")


def test_a_minimum_below_what_the_graph_needs(network: Network) -> None:
    tensors = [tensor.model_dump() | {"min_length": 1} for tensor in network.card.tensors]
    assert refused(network, tensors=tensors).match(r"cannot be run on \d+ jets: .*TopK")


def test_cards_that_name_the_engine_wrongly(network: Network) -> None:
    assert refused(network, tensors=()).match("engine 'padded' needs the graph's tensors; got none")
    assert refused(network, engine="onnx").match("engine 'onnx' takes flat arrays; tensors are for engine 'padded'")
    features = network.card.features.model_dump() | {"sv": ("log_pt", "mask")}
    assert refused(network, features=features).match(
        "tensor 'sv_features' reads sv.flight_significance, which is not among the card's features"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ParticleNetAK4_CHS", "ParticleNetAK8_General", "ParticleNetAK8_MassRegression"])
def test_networks_of_cms(real_data: Path, name: str) -> None:
    files = [real_data / "models" / f"{name}{end}" for end in (".onnx", ".preprocess.json")]
    network = Network.from_weaver(*files, collection="FatJet" if "AK8" in name else "Jet")
    assert set(network.card.features.candidates) <= set(CATALOGUE["candidates"])
    longest = max(tensor.max_length for tensor in network.card.tensors)
    shortest = max(tensor.min_length for tensor in network.card.tensors)
    counts = [0, 1, shortest - 1, shortest, shortest + 1, 33, longest - 1, longest, longest + 1, 2 * longest]
    arrays = flat_arrays(
        network.card, {"candidates": counts, "sv": [0, 3, 1, 0, 2, 20, 1, 0, 5, 4]}, np.random.default_rng(4)
    )
    check(network.model, arrays)
