"""A model written for weaver's programs gives the numbers of the model: read back, and run as those programs do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("onnx", reason="graphs are wrapped with onnx")

import onnxruntime

import coffea_mljec as mljec
from coffea_mljec import models
from coffea_mljec.errors import InputError
from coffea_mljec.features import CATALOGUE, alias_of, feature_of_alias
from coffea_mljec.models.folder import model_of
from tests.models import toy
from tests.models.backends.padded_toy import padded_toy
from tests.models.running import log_correction
from training.learning.export_weaver import export_weaver

MODELS = ["pfn-r-lite", "particlenet-r-lite", "jet-bdt"]


@pytest.fixture(scope="module")
def events(sample: Path, open_nano: Callable[..., Any]) -> Any:
    return open_nano(sample, entry_stop=60)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an exported bundled model."""
    folder = tmp_path_factory.mktemp("weaver")

    def of(name: str) -> Path:
        if not (folder / name).exists():
            export_weaver(name, folder / name)
        return folder / name

    return of


def read_back(folder: Path, **options: Any) -> mljec.Network:
    graphs = sorted(folder.glob("*.onnx"), key=lambda path: path.name != "model.onnx")
    return mljec.Network.from_weaver(graphs, folder / "preprocess.json", collection="Jet", **options)


def test_the_folder_is_the_same_model(events: Any, exported: Callable[[str], Path]) -> None:
    for name in MODELS:
        here, there = mljec.MLJEC(name)(events), mljec.MLJEC(models.open_folder(exported(name)))(events)
        np.testing.assert_array_equal(ak.flatten(there.mljec_status), ak.flatten(here.mljec_status))
        np.testing.assert_allclose(ak.flatten(there.pt), ak.flatten(here.pt), rtol=1e-5, err_msg=name)
        assert ak.sum(mljec.Status.APPLIED.of(here)) > 100


@pytest.mark.parametrize("name", MODELS)
def test_from_weaver_gives_the_same_corrections(name: str, events: Any, exported: Callable[[str], Path]) -> None:
    """Of the same constituents in the same order: which of equally near neighbours is taken depends on that."""
    model = models.open_model(name)
    back = read_back(
        exported(name),
        algorithm=model.card.algorithm,
        outputs={model.card.outputs[0].name: ("pt", "exp")},
        domain={key: value for key, value in model.card.domain if value is not None},
    )
    ordered = {key: value for key, value in back.features(events).items()}
    for collection, own in model.card.feature_set.names().items():
        ordered[f"{collection}_features"] = ordered[f"{collection}_features"][:, : len(own)]
    factor = np.exp(log_correction(model, ordered).astype(np.float64))
    here, there = mljec.MLJEC(name)(events), mljec.MLJEC(back.model)(events)
    np.testing.assert_array_equal(ak.flatten(there.mljec_status), ak.flatten(here.mljec_status))
    treated = ak.to_numpy(ak.flatten(mljec.Status.APPLIED.of(there)))
    np.testing.assert_allclose(ak.flatten(there.jet_energy_correction)[treated], factor[treated], rtol=1e-5)
    if name != "particlenet-r-lite":
        np.testing.assert_allclose(ak.flatten(there.pt), ak.flatten(here.pt), rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_it_runs_as_weaver_runs_it(name: str, events: Any, exported: Callable[[str], Path]) -> None:
    """All of a batch padded to its longest jet, groups and variables as the file lists them."""
    corrector = mljec.MLJEC(name)
    arrays = corrector.features(events)
    expected = log_correction(corrector.model, arrays)
    n_jets = len(expected)
    file = json.loads((exported(name) / "preprocess.json").read_text())
    inputs = {}
    for group in file["input_names"]:
        places = [feature_of_alias(variable) for variable in file[group]["var_names"]]
        (collection,) = {collection for collection, _ in places}
        columns = [_column(corrector, arrays, collection, feature) for _, feature in places]
        if collection == "jet":
            assert file[group]["var_length"] is None
            inputs[group] = np.stack(columns, axis=1)
            continue
        counts = np.diff(arrays[f"{collection}_offsets"])
        inputs[group] = np.zeros((n_jets, len(columns), counts.max()), np.float32)
        for row, values in enumerate(columns):
            for jet, own in enumerate(np.split(values, np.cumsum(counts)[:-1])):
                inputs[group][jet, row, : len(own)] = own
    session = onnxruntime.InferenceSession(str(exported(name) / "model.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, inputs)
    assert found.shape == (n_jets, len(file["output_names"]))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-5)


def _column(corrector: mljec.MLJEC, arrays: dict[str, Any], collection: str, feature: str) -> np.ndarray[Any, Any]:
    values = arrays[f"{collection}_features"]
    if feature == "mask":
        return np.ones(len(values), np.float32)
    return values[:, corrector.feature_names[collection].index(feature)]


def test_the_longest_jets_are_cut(events: Any, tmp_path: Path) -> None:
    """The toy counts charged constituents: 0.02 each."""
    model = toy.write(tmp_path / "toy", features=toy.FEATURES | {"neutral": ("rel_pt",)})
    export_weaver(model, tmp_path / "short", length=3)
    arrays = mljec.MLJEC(model).features(events)
    charged, neutral = (np.diff(arrays[f"{c}_offsets"]) for c in ("charged", "neutral"))
    expected = models.run(models.open_folder(model), arrays)["log_correction"] - 0.02 * np.maximum(charged - 3, 0)
    network = mljec.Network(models.open_folder(tmp_path / "short"))
    found = ak.to_numpy(ak.flatten(network.outputs(events).log_correction))
    alike = (neutral <= 3) & np.isfinite(found)
    assert np.any(charged[alike] > 3)
    np.testing.assert_allclose(np.log(found[alike]), expected[alike], rtol=1e-5, atol=1e-6)


def test_ensembles_and_padded_networks(events: Any, tmp_path: Path) -> None:
    """Every member is wrapped; a graph on padded tensors stays as it is."""
    both = model_of(toy.graph(), toy.card(), [toy.graph(offset=0.3)])
    models.write_folder(tmp_path / "both", both.graph, toy.card(), both.members)
    export_weaver(tmp_path / "both", tmp_path / "weaver")
    back = read_back(tmp_path / "weaver", algorithm="AK4PFchs", outputs={"log_correction": ("pt", "exp")})
    here, there = mljec.MLJEC(both).correction(events), mljec.MLJEC(back.model).correction(events)
    treated = ak.flatten(mljec.Status.APPLIED.of(mljec.MLJEC(both)(events)))
    np.testing.assert_allclose(ak.flatten(there)[treated], ak.flatten(here)[treated], rtol=1e-5)

    padded = padded_toy()
    fields = padded.card.model_dump(exclude={"sha256", "members", "schema_version"})
    models.write_folder(tmp_path / "padded", padded.graph, fields)
    assert export_weaver(tmp_path / "padded", tmp_path / "again").graph == padded.graph
    text = (tmp_path / "again" / "preprocess.json").read_text()
    assert json.loads(text)["candidates"]["var_names"] == ["pfcand_ptrel"]
    back = read_back(tmp_path / "again", algorithm="AK4PFchs", outputs={"m": "mass", "r": "resolution"})
    here, there = mljec.Network(padded).outputs(events), back.outputs(events)
    for field in here.fields:
        np.testing.assert_allclose(ak.flatten(there[field]), ak.flatten(here[field]), rtol=1e-6)


def test_every_feature_has_one_name_in_such_files() -> None:
    names = [alias_of(collection, name) for collection, rows in CATALOGUE.items() for name in rows]
    assert len(set(names)) == len(names)
    places = [(collection, name) for collection, rows in CATALOGUE.items() for name in rows]
    assert [feature_of_alias(name) for name in names] == places
    assert alias_of("sv", "mass") in ("sv_mass", "jet_sv_mass")
    assert alias_of("charged", "rel_pt") == "charged.rel_pt"


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"length must be at least 1; got 0\."):
        export_weaver("pfn-r-lite", tmp_path / "out", length=0)
    with pytest.raises(InputError, match=r"no feature for the variable 'charged.rel_tp'"):
        feature_of_alias("charged.rel_tp")
    card = models.open_model("jet-bdt").card
    import onnx

    from training.onnx.padded import padded_graph

    graph = onnx.load_model_from_string(models.open_model("jet-bdt").graph)
    graph.opset_import[0].version = 12
    with pytest.raises(InputError, match=r"the graph of model 'jet-bdt' has opset 12: export it with 13 or later\."):
        padded_graph(graph.SerializeToString(), card)
    graph.opset_import[0].version = 18
    graph.graph.node[0].output[0] = graph.graph.node[1].input[0] = "padded.output0"
    with pytest.raises(InputError, match=r"has a value 'padded.output0', which padded tensors need"):
        padded_graph(graph.SerializeToString(), card)
    assert not (tmp_path / "out").exists()
