"""Cards of both versions: what is read, and what is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec import models
from coffea_mljec.errors import ModelError
from coffea_mljec.models import ModelCard
from coffea_mljec.models.card import SCHEMA_VERSION
from coffea_mljec.models.folder import model_of, open_folder, write_folder
from tests.models import toy
from tests.models import weaver_toy as weaver

BUNDLED = Path(models.__file__).parent / "bundled"


@pytest.mark.parametrize("name", models.bundled())
def test_bundled_cards_say_the_same_in_both_versions(name: str) -> None:
    """Whatever version they are written in, nothing that a network computes with differs."""
    text = (BUNDLED / name / "card.json").read_text()
    written, card = json.loads(text), ModelCard.parse(text, name)
    assert (card.outputs[0].quantity, card.outputs[0].transform) == ("pt", "exp")
    if written["schema_version"] == 1:
        assert [output.name for output in card.outputs] == ["log_correction"]
    again = ModelCard.parse(card.model_dump_json(), name)
    assert again == card
    kept = {key: value for key, value in written.items() if key not in ("schema_version", "outputs")}
    for key in ("target", "inverse", "output"):
        kept.pop(key, None)
    assert json.loads(card.model_dump_json(include=set(kept))) == json.loads(
        ModelCard.model_validate(again.model_dump() | kept).model_dump_json(include=set(kept))
    )


def version_1(**changes: Any) -> str:
    fields = toy.card() | {
        "schema_version": 1, "target": "log(pt_gen / pt_raw)", "inverse": "exp", "output": "log_correction",
        "sha256": "0" * 64,
    }  # fmt: skip
    del fields["outputs"]
    fields |= changes
    return json.dumps({key: value for key, value in fields.items() if value is not None})


def test_version_1_is_read_as_one_output() -> None:
    card = ModelCard.parse(version_1(), "here")
    assert card.schema_version == SCHEMA_VERSION == 2
    (output,) = card.outputs
    assert (output.name, output.quantity, output.transform, output.column) == ("log_correction", "pt", "exp", None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": None}, "missing key 'target' of a card of version 1"),
        ({"inverse": "sqrt"}, "inverse of a card of version 1 must be 'exp'; got 'sqrt'"),
        ({"schema_version": 3}, "schema_version: "),
        ({"outputs": []}, "outputs"),
        ({"schema_version": 2}, "missing key 'outputs'.*unknown key 'target', which nothing reads"),
    ],
)
def test_version_1_that_is_wrong(changes: dict[str, Any], message: str) -> None:
    if "outputs" in changes:
        fields = json.loads(version_1()) | changes | {"schema_version": 2}
        text = json.dumps({key: v for key, v in fields.items() if key not in ("target", "inverse", "output")})
    else:
        text = version_1(**changes)
    with pytest.raises(ModelError, match=f"(?s)here is not a model card of schema version 2: .*{message}"):
        ModelCard.parse(text, "here")


@pytest.fixture
def imported(tmp_path: Path) -> models.ModelFolder:
    from coffea_mljec import Network

    return Network.from_weaver(*weaver.write(tmp_path, seeds=(0, 1)), collection="FatJet").model


def test_round_trip_with_members(imported: models.ModelFolder, tmp_path: Path) -> None:
    fields = imported.card.model_dump(exclude={"sha256", "members", "schema_version"})
    written = write_folder(tmp_path / "folder", imported.graph, fields, imported.members)
    read = open_folder(tmp_path / "folder")
    assert read == written == imported
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["card.json", "member-2.onnx", "model.onnx"]
    assert read.card.selection["candidates"].minimum_puppi_weight == 0.01


@pytest.mark.parametrize("name", ["model.onnx", "member-2.onnx"])
def test_a_graph_that_was_changed(imported: models.ModelFolder, tmp_path: Path, name: str) -> None:
    fields = imported.card.model_dump(exclude={"sha256", "members", "schema_version"})
    write_folder(tmp_path / "folder", imported.graph, fields, imported.members)
    (tmp_path / "folder" / name).write_bytes(weaver.graph(seed=7))
    with pytest.raises(ModelError, match=rf"{name} is not the graph that its card describes: sha256 expected"):
        open_folder(tmp_path / "folder")
    (tmp_path / "folder" / name).unlink()
    with pytest.raises(ModelError, match=f"has no {name}"):
        open_folder(tmp_path / "folder")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selection": {"charged": {"order_by": "pt"}}}, "selection of 'charged': the network reads no features of it"),
        (
            {"selection": {"candidates": {"order_by": "puppi_wieght"}}},
            "selection of 'candidates': unknown quantity 'puppi_wieght'. Did you mean 'puppi_weight'",
        ),
        (
            {"selection": {"sv": {"order_by": "pt", "minimum_puppi_weight": 0.1}}},
            "selection of 'sv': only candidates have PUPPI weights",
        ),
        ({"selection": {"sv": {"order_by": "pt", "at_most": 0}}}, "greater than or equal to 1"),
        ({"outputs": ()}, "at least 1 item"),
        ({"engine": "paded"}, "unknown engine 'paded': Did you mean 'padded'"),
    ],
)
def test_cards_that_are_wrong(imported: models.ModelFolder, changes: dict[str, Any], message: str) -> None:
    fields = imported.card.model_dump(exclude={"sha256", "members", "schema_version"}) | changes
    with pytest.raises(ModelError, match=f"(?s)these fields do not make a model card: .*{message}"):
        model_of(imported.graph, fields)
