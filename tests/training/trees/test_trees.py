"""Boosted trees: grown from a recipe, exported to a graph that gives what lightgbm gives, applied by mljec."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import onnxruntime
import pytest

from coffea_mljec import MLJEC, Status
from coffea_mljec.corrections import FastSimulationWarning
from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.features import JETS, compute
from coffea_mljec.models import open_folder
from coffea_mljec.models.onnx_guard import check_graph
from coffea_mljec.nano import flatten
from training.learning.export import export
from training.learning.recipe import TreesRecipe, parse_recipe
from training.onnx.trees import parameter_count, single_below, trees_graph
from training.trees.growing import grow, read_trees


def recipe_of(tmp_path: Path, **changes: Any) -> TreesRecipe:
    settings = {
        "name": "tiny-bdt", "description": "a test", "sample": "toy jets", "fast_simulation": True,
        "productions": ["unused"], "cache": tmp_path / "cache", "runs": tmp_path / "runs", "seed": 3,
        "trees": {"rounds": 60, "leaves": 15, "min_jets_in_leaf": 10, "threads": 1},
    }  # fmt: skip
    recipe = parse_recipe(settings | changes)
    assert isinstance(recipe, TreesRecipe)
    return recipe


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, toy_jets: Callable[..., Any]) -> Path:
    """A run on toy jets, with little metrics and a plot of its sampling."""
    import training.learning.training_data as training_data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_data, "prepare", lambda *a, **k: toy_jets(4000, feature_set=JETS))
        return grow(recipe_of(tmp_path_factory.mktemp("trees")), progress=False)


@pytest.fixture(scope="module")
def model(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(grown, tmp_path_factory.mktemp("model") / "tiny-bdt")


def session_of(graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def test_trees_learn_and_the_run_says_what(grown: Path) -> None:
    run = json.loads((grown / "run.json").read_text())
    metrics = run["metrics"]
    assert metrics["val_loss"] < 0.9 * metrics["val_loss_uncorrected"]
    assert metrics["test_loss"] < 0.9 * metrics["test_loss_uncorrected"]
    assert sum(run["importance"].values()) == pytest.approx(1.0)
    (booster,) = read_trees(grown)
    assert run["trees"] == booster.num_trees() <= 60
    assert run["parameters"] == parameter_count([booster])
    curve = (grown / "metrics.csv").read_text().splitlines()
    assert curve[0] == "target,trees,val_l1"
    losses = [float(line.split(",")[2]) for line in curve[1:]]
    assert np.argmin(losses) + 1 == run["trees"]
    assert (grown / "sampling.png").stat().st_size > 0


def test_masses_have_trees_of_their_own(
    tmp_path: Path, toy_jets: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down to a graph with a column for each."""
    import training.learning.training_data as training_data

    jets = toy_jets(4000, feature_set=JETS)
    column = list(JETS.jet).index("rho")
    mass = (0.01 * jets.features["jet_features"][:, column]).astype(np.float32)
    monkeypatch.setattr(
        training_data, "prepare", lambda *a, **k: replace(jets, columns=jets.columns | {"target_mass": mass})
    )
    run = grow(recipe_of(tmp_path, selection={"masses": ["mass"]}), progress=False)
    record = json.loads((run / "run.json").read_text())
    assert record["metrics"]["val_loss"] < 0.5 * record["metrics"]["val_loss_uncorrected"]
    model = open_folder(export(run, tmp_path / "model"))
    assert [(o.name, o.quantity, o.column) for o in model.card.outputs] == [
        ("log_correction", "pt", 0), ("mass", "mass", 1)
    ]  # fmt: skip
    rows = jets.features["jet_features"][:500]
    (got,) = session_of(model.graph).run(None, {"jet_features": rows})
    wanted = np.column_stack([booster.predict(rows) for booster in read_trees(run)])
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    assert np.abs(got[:, 1] - mass[:500]).mean() < 0.02


def test_the_same_seed_grows_the_same_trees(
    tmp_path: Path, grown: Path, toy_jets: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import training.learning.training_data as training_data

    monkeypatch.setattr(training_data, "prepare", lambda *a, **k: toy_jets(4000, feature_set=JETS))
    again = grow(recipe_of(tmp_path), progress=False)
    rows = toy_jets(100, seed=9, feature_set=JETS).features["jet_features"]
    np.testing.assert_array_equal(read_trees(again)[0].predict(rows), read_trees(grown)[0].predict(rows))
    with pytest.raises(InputError, match="exists: --resume goes on with it"):
        grow(recipe_of(tmp_path), progress=False)
    with pytest.raises(InputError, match="is finished: export it"):
        grow(recipe_of(tmp_path), resume=True, progress=False)
    # An interrupted run has no run.json and starts again; with other settings it does not.
    (again / "run.json").unlink()
    with pytest.raises(InputError, match="differs in seed"):
        grow(recipe_of(tmp_path, seed=4), resume=True, progress=False)
    assert (grow(recipe_of(tmp_path), resume=True, progress=False) / "run.json").exists()


@pytest.mark.parametrize("n", [0, 1, 2, 700])
def test_the_graph_gives_what_lightgbm_gives(grown: Path, toy_jets: Callable[..., Any], n: int) -> None:
    (booster,) = read_trees(grown)
    rows = toy_jets(700, seed=5, feature_set=JETS).features["jet_features"][:n]
    (got,) = session_of(trees_graph([booster], len(JETS.jet))).run(["log_correction"], {"jet_features": rows})
    assert got.shape == (n,)
    assert got.dtype == np.float32
    if n:
        np.testing.assert_allclose(got, booster.predict(rows), atol=1e-5, rtol=0)


def test_jets_at_a_threshold_end_in_the_same_leaf(grown: Path, toy_jets: Callable[..., Any]) -> None:
    """Single-precision features at, just below and just above every threshold."""
    (booster,) = read_trees(grown)
    found: list[tuple[int, float]] = []

    def collect(node: dict[str, Any]) -> None:
        if "threshold" in node:
            found.append((node["split_feature"], node["threshold"]))
            collect(node["left_child"])
            collect(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        collect(tree["tree_structure"])
    assert len(found) > 20
    rows = np.repeat(toy_jets(3, feature_set=JETS).features["jet_features"][:1], 3 * len(found), axis=0)
    for i, (feature, threshold) in enumerate(found):
        near = np.float32(threshold)
        rows[3 * i : 3 * i + 3, feature] = (
            near,
            np.nextafter(near, np.float32(-1e9)),
            np.nextafter(near, np.float32(1e9)),
        )
    (got,) = session_of(trees_graph([booster], len(JETS.jet))).run(None, {"jet_features": rows})
    np.testing.assert_allclose(got, booster.predict(rows), atol=1e-5, rtol=0)


@pytest.mark.parametrize("threshold", [0.1, 1.0000000180025095e-35, 25.400000000000002, -3.3, 0.0])
def test_thresholds_are_rounded_down(threshold: float) -> None:
    single = single_below(threshold)
    assert single <= threshold
    assert float(np.float32(single)) == single
    assert float(np.nextafter(np.float32(single), np.float32(np.inf))) > threshold


def test_the_model_folder_has_the_same_contract(model: Path) -> None:
    folder = open_folder(model)
    assert folder.card.feature_set == JETS
    assert folder.card.feature_set.constituents == ()
    assert [(o.name, o.quantity, o.transform) for o in folder.card.outputs] == [("log_correction", "pt", "exp")]
    assert folder.card.training.seed == 3
    assert folder.card.parameters > 60


def test_the_guard_reads_trees_and_what_they_hold(grown: Path) -> None:
    """The standard domain of trees is let through; a tensor of theirs that lies in another file is not."""
    import onnx

    graph = trees_graph(read_trees(grown), len(JETS.jet))
    check_graph(graph, "trees")
    changed = onnx.load_from_string(graph)
    tensor = onnx.helper.make_tensor("base", onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../elsewhere")
    changed.graph.node[0].attribute.append(onnx.helper.make_attribute("base_values_as_tensor", tensor))
    with pytest.raises(ModelError, match="trees keeps tensors in files outside itself"):
        check_graph(changed.SerializeToString(), "trees")


def test_it_corrects_jets_of_the_sample(model: Path, sample: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(sample, entry_stop=20)
    jets = MLJEC(model).apply(events)
    features = compute(flatten(events, jet=JETS.jet_quantities), JETS)["jet_features"]
    applied = (ak.flatten(jets.mljec_status).to_numpy() & Status.APPLIED) != 0
    assert applied.sum() > 20
    (wanted,) = session_of((model / "model.onnx").read_bytes()).run(None, {"jet_features": features})
    np.testing.assert_allclose(
        ak.flatten(jets.jet_energy_correction).to_numpy()[applied], np.exp(wanted)[applied], rtol=1e-5
    )


@pytest.mark.parametrize(
    "name", ["nanoaod_v12_tt_mc.root", "nanoaod_v15_tt_mc.root", "nanoaod_v13_egamma2022e_data.root"]
)
def test_it_runs_on_real_files_without_constituents(
    model: Path, real_data: Path, open_nano: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coffea_mljec.corrections.evaluation._warned", set())
    events = open_nano(real_data / "nano" / name, entry_stop=50)
    # Of two of these files it also says that their jets are PUPPI jets.
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        jets = MLJEC(model).apply(events)
    assert any(issubclass(one.category, FastSimulationWarning) and "tiny-bdt" in str(one.message) for one in told)
    status = ak.flatten(jets.mljec_status).to_numpy()
    assert ((status & Status.FOREIGN_SAMPLE) != 0).all()
    applied = (status & Status.APPLIED) != 0
    assert applied.mean() > 0.5
    assert np.isfinite(ak.flatten(jets.pt).to_numpy()[applied]).all()


def test_what_cannot_be_grown_or_exported_is_refused(
    tmp_path: Path, grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="boosted trees read jet features only, and these hold jet, charged"):
        recipe_of(tmp_path, features="pfnano")
    with pytest.raises(ValueError, match=r"trees\.depth\n  Extra inputs are not permitted"):
        recipe_of(tmp_path, trees={"depth": 3})
    with pytest.raises(InputError, match=f"the trees read {len(JETS.jet)} features, their recipe has 3"):
        trees_graph(read_trees(grown), 3)

    class Categorical:
        best_iteration = 1

        def num_feature(self) -> int:
            return 1

        def dump_model(self, **_: Any) -> dict[str, Any]:
            leaf = {"leaf_value": 0.0}
            node = {"decision_type": "==", "missing_type": "None", "split_feature": 0, "threshold": "1||2"}
            return {"tree_info": [{"tree_structure": node | {"left_child": leaf, "right_child": leaf}}]}

    with pytest.raises(InputError, match="tree 0 splits by =="):
        trees_graph([Categorical()], 1)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(InputError, match="boosted trees need lightgbm: pip install"):
        grow(recipe_of(tmp_path), progress=False)
