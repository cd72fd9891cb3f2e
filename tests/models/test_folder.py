"""Model folders: what is written is read back; what is wrong is refused by name."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from coffea_mljec import models
from coffea_mljec.errors import ModelError
from tests.models import toy
from tests.models.running import log_correction


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy.write(tmp_path / "toy")


def edit(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | changes))


def test_round_trip(folder: Path) -> None:
    model = models.open_folder(folder)
    assert model.card.feature_set.names() == toy.FEATURES
    assert model.graph == toy.graph()
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx"]


def test_wrong_digest(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(toy.graph() + b"\0")
    with pytest.raises(ModelError, match=r"not the graph that its card describes: sha256 expected .* got"):
        models.open_folder(folder)


def test_key_that_nothing_reads(folder: Path) -> None:
    edit(folder, temperature=3)
    with pytest.raises(ModelError, match="unknown key 'temperature', which nothing reads"):
        models.open_folder(folder)


def test_missing_key(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    del card["domain"]
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="missing key 'domain'"):
        models.open_folder(folder)


def test_unknown_feature(folder: Path) -> None:
    edit(folder, features={"jet": ["pt", "charm"], "charged": [], "neutral": [], "sv": []})
    with pytest.raises(ModelError, match="unknown feature 'charm' of collection 'jet'"):
        models.open_folder(folder)


def test_domain_upside_down(folder: Path) -> None:
    edit(folder, domain={"pt_raw": [100, 10], "abs_eta": [0, 5]})
    with pytest.raises(ModelError, match=r"pt_raw must be \(lowest, highest\)"):
        models.open_folder(folder)


@pytest.mark.parametrize("name", ["model.onnx", "card.json"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"has no {name}"):
        models.open_folder(folder)


def test_no_such_model() -> None:
    with pytest.raises(ModelError, match=r"no model 'pfn-x': neither a bundled model .* Did you mean 'pfn-b'"):
        models.open_model("pfn-x")


def test_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.onnx"
    (folder / "model.onnx").rename(outside)
    (folder / "model.onnx").symlink_to(outside)
    with pytest.raises(ModelError, match="leads outside the model folder"):
        models.open_folder(folder)


def test_tensors_in_other_files_are_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(toy.graph())
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(ModelError, match="keeps tensors in files outside itself"):
        models.write_folder(tmp_path / "bad", model.SerializeToString(), toy.card())
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("graph", [b"not a graph", b"\xff" * 40, b"\x3a\x7f"], ids=["text", "ones", "short"])
def test_bytes_that_are_no_onnx_model(tmp_path: Path, graph: bytes) -> None:
    with pytest.raises(ModelError, match=r"is not an ONNX model"):
        models.write_folder(tmp_path / "bad", graph, toy.card())


def test_graph_that_disagrees_with_its_card(tmp_path: Path, folder: Path) -> None:
    models.session(models.open_folder(folder))  # the same graph, with a card that fits it
    wide = toy.FEATURES | {"jet": ("pt", "eta", "phi")}
    models.write_folder(tmp_path / "wide", toy.graph(), toy.card(features=wide))
    with pytest.raises(ModelError, match=r"input 'jet_features' of model 'toy' must be .* 3 columns"):
        models.session(models.open_folder(tmp_path / "wide"))


def test_session_is_made_once(folder: Path) -> None:
    first, second = models.open_folder(folder), models.open_folder(folder)
    assert models.session(first) is models.session(second)


@pytest.mark.parametrize("counts", [[], [0], [3], [0, 2, 0, 0, 5, 0], [300, 1]])
def test_batches_of_every_size(folder: Path, counts: list[int]) -> None:
    rng = np.random.default_rng(5)
    offsets = np.concatenate([[0], np.cumsum(np.array(counts, np.int64))]).astype(np.int64)
    arrays = {
        "jet_features": rng.normal(size=(len(counts), 2)).astype(np.float32),
        "charged_features": rng.normal(size=(offsets[-1], 2)).astype(np.float32),
        "charged_offsets": offsets,
        "neutral_features": rng.random(size=(offsets[-1], 1)).astype(np.float32),
        "neutral_offsets": offsets,
    }
    got = log_correction(models.open_folder(folder), arrays)
    np.testing.assert_allclose(got, np.log(toy.expected(arrays)), rtol=1e-5)


def test_every_bundled_model_opens() -> None:
    for name in models.bundled():
        assert models.open_model(name).card.name == name


def test_a_model_travels_without_its_folder_and_is_checked_when_it_arrives(folder: Path) -> None:
    sent = models.open_folder(folder)
    travelling = pickle.dumps(sent)
    shutil.rmtree(folder)
    first, second = pickle.loads(travelling), pickle.loads(travelling)
    assert first == sent
    assert first.graph is second.graph  # one copy a process, whatever arrives

    damaged = models.ModelFolder(sent.card.model_copy(update={"sha256": "0" * 64}), sent.graph)
    with pytest.raises(ModelError, match=r"'toy' did not reach this process whole: sha256 expected 000000000000"):
        pickle.loads(pickle.dumps(damaged))
