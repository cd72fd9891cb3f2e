"""Several networks as one model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import models
from coffea_mljec.errors import InputError
from coffea_mljec.features import FEATURE_SETS
from coffea_mljec.models import open_folder, open_model, write_folder
from tests.models.running import log_correction
from training.learning.ensemble import ensemble


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three model folders: the bundled PFN-r Lite, and two with other weights."""
    import onnx
    from onnx import numpy_helper

    folder = open_model("pfn-r-lite")
    rng = np.random.default_rng(7)
    paths = []
    for number in range(3):
        graph = onnx.load_model_from_string(folder.graph)
        for tensor in graph.graph.initializer:
            values = numpy_helper.to_array(tensor)
            if number and values.dtype == np.float32 and values.ndim == 2:
                moved = (values * rng.normal(1.0, 0.02, values.shape)).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
        fields = folder.card.model_dump(exclude={"sha256", "schema_version"}) | {"name": f"member-{number}"}
        fields["domain"] = fields["domain"] | {"pt_raw": (5.0 + number, 4000.0 - number)}
        paths.append(tmp_path_factory.mktemp("members") / f"member-{number}")
        write_folder(paths[-1], graph.SerializeToString(), fields)
    return paths


def _batch(n_jets: int, counts: tuple[int, ...] = (0, 1, 17)) -> dict[str, Any]:
    rng = np.random.default_rng(n_jets)
    names = FEATURE_SETS["pfnano"].names()
    batch: dict[str, Any] = {"jet_features": rng.normal(size=(n_jets, len(names["jet"]))).astype(np.float32)}
    for collection in FEATURE_SETS["pfnano"].constituents:
        offsets = np.concatenate([[0], np.cumsum(np.resize(counts, n_jets))]).astype(np.int64)
        content = rng.normal(size=(offsets[-1], len(names[collection]))).astype(np.float32)
        batch |= {f"{collection}_features": content, f"{collection}_offsets": offsets}
    return batch


@pytest.mark.parametrize("n_jets", [0, 1, 50])
def test_the_output_is_the_mean_of_the_members(members: list[Path], tmp_path: Path, n_jets: int) -> None:
    joined = open_folder(ensemble(members, tmp_path / "joined", "joined"))
    batch = _batch(n_jets)
    single = [log_correction(open_folder(path), batch) for path in members]
    assert n_jets == 0 or np.ptp(single, axis=0).max() > 1e-3
    assert log_correction(joined, batch) == pytest.approx(np.mean(single, axis=0, dtype=np.float64), rel=1e-5, abs=1e-6)


def test_the_card_tells_of_its_members(members: list[Path], tmp_path: Path) -> None:
    card = open_folder(ensemble(members, tmp_path / "joined", "joined")).card
    first = open_folder(members[0]).card
    assert card.name == "joined"
    assert card.parameters == 3 * first.parameters
    assert "Mean of 3 networks: member-0" in card.description
    assert card.domain.pt_raw == (7.0, 3998.0)
    assert card.features == first.features
    assert card.training.fast_simulation


def test_it_applies_to_jets(members: list[Path], tmp_path: Path, sample: Path) -> None:
    from coffea_mljec.nano import open_nano

    path = ensemble(members, tmp_path / "joined", "joined")
    with warnings.catch_warnings(), open_nano(sample) as file:
        warnings.simplefilter("ignore")
        events = file.events(0, 100)
        factor, *single = (np.log(_factor(events, one)) for one in (path, *members))
    assert factor == pytest.approx(np.mean(single, axis=0), abs=1e-5)


def _factor(events: Any, model: Path) -> np.ndarray[Any, Any]:
    import awkward as ak

    return np.asarray(ak.flatten(mljec.MLJEC(model).correction(events)), np.float64)


def test_what_cannot_be_joined_is_refused(members: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two or more models, got 1"):
        ensemble(members[:1], tmp_path / "joined", "joined")
    trees = Path(models.__file__).parent / "bundled" / "jet-bdt"
    with pytest.raises(InputError, match="differ in engine, features"):
        ensemble([members[0], trees], tmp_path / "joined", "joined")
    with pytest.raises(InputError, match=r"engine 'edgeconv' of .*particlenet-r-lite does not run the mean of several"):
        ensemble([trees.with_name("particlenet-r-lite")] * 2, tmp_path / "joined", "joined")
    with pytest.raises(InputError, match="no evaluation at"):
        ensemble(members, tmp_path / "joined", "joined", tmp_path / "card.json")
    assert not (tmp_path / "joined").exists()
