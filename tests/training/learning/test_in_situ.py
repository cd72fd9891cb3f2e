"""Little trainings that see data: what is held, what is kept, what diverges, what the card says."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")

from coffea_mljec.errors import InputError
from coffea_mljec.models import open_folder
from tests.training.conftest import toy_columns_and_features
from tests.training.learning.tiny import SMALL, tiny
from training.dataset import PreparedJets
from training.dataset.dijets import ALPHA_EDGES, Dijets
from training.learning.export import export

AT_REST = {"max_epochs": 1, "symmetries": False}


def dijets(n: int, seed: int, truth: bool) -> Dijets:
    """Pairs of toy jets whose true pT are equal but for 5 %: what is measured of each follows its response."""
    columns, features = toy_columns_and_features(2 * n, seed, SMALL)
    rng = np.random.default_rng(seed)
    pt_gen = np.repeat(np.exp(rng.uniform(np.log(70), np.log(500), n)), 2) * np.exp(rng.normal(0, 0.05, 2 * n))
    pt_raw = pt_gen * columns["pt_raw"] / columns["pt_gen"]
    features["jet_features"][:, 0] = np.log(pt_raw)
    columns |= {
        "pt_gen": pt_gen.astype("f4"), "pt_raw": pt_raw.astype("f4"), "target": np.log(pt_gen / pt_raw).astype("f4"),
        "scatter": np.repeat(np.arange(n), 2),
    }  # fmt: skip
    if not truth:
        columns |= {name: np.full(2 * n, np.nan, "f4") for name in ("pt_gen", "target", "eta_gen")}
    jets = PreparedJets(columns, features, SMALL, {"shards": {f"{seed}.root": f"{seed:064d}"}})
    interval = np.digitize(pt_raw.reshape(-1, 2).mean(axis=1), (60, 100, 160, 250, 400, 1000)) - 1
    cell = np.clip(interval, 0, 4) * len(ALPHA_EDGES)
    return Dijets(jets, pt_raw.reshape(-1, 2).mean(axis=1), cell, np.zeros((n, 2)), {"all": n, "two jets": n})


@pytest.fixture
def with_data(toy_training: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """``with_data(recipe)``: train with toy dijets in place of files."""
    import training.learning.in_situ_setup as module

    def read(paths: Any, features: Any, *bins: Any, truth: bool, **names: Any) -> Dijets:
        return dijets(4000, 2, True) if truth else dijets(1500, 3, False)

    monkeypatch.setattr(module, "read_dijets", read)
    return toy_training


@pytest.fixture
def start(tmp_path: Path, toy_training: Callable[..., Path]) -> Path:
    return toy_training(tiny(tmp_path, name="first", learning={"max_epochs": 4, "loss": "gaussian"}))


def recipe(tmp_path: Path, start: Path, name: str, **learning: Any) -> Any:
    in_situ = {"factor": 1.0, "data": ["x"], "batch_size": 128} | learning.pop("in_situ", {})
    learning = {"max_epochs": 2, "loss": "gaussian", "learning_rate": 1e-3, "start_from": start} | learning
    return tiny(tmp_path, name=name, learning=learning | {"in_situ": in_situ})


@pytest.mark.parametrize("way", ["asymmetry", "pairs"])
def test_the_term_falls_and_the_scale_stays(
    tmp_path: Path, start: Path, with_data: Callable[..., Path], way: str
) -> None:
    in_situ = {"way": way, "factor": 3.0}
    folder = with_data(recipe(tmp_path, start, "tuned", max_epochs=6, in_situ=in_situ))
    record = json.loads((folder / "run.json").read_text())["in_situ"]
    lines = record["epochs"]
    assert [line["epoch"] for line in lines] == [-1, 0, 1, 2, 3, 4, 5]
    assert record["diverged"] is None
    assert record["kept"] == "best epoch"
    assert min(line["term"] for line in lines) < lines[0]["term"] - 0.02
    assert lines[0]["largest_shift"] == 0.0
    assert all(abs(line["largest_shift"]) < 0.1 for line in lines)
    if way == "asymmetry":
        assert lines[0]["term"] == pytest.approx(1.0, abs=0.25)
    assert all(cell["sigma_start"] > cell["sigma_generator"] > 0.05 for cell in record["cells"])


def test_the_card_says_what_data_it_saw(tmp_path: Path, start: Path, with_data: Callable[..., Path]) -> None:
    folder = with_data(recipe(tmp_path, start, "tuned"))
    card = open_folder(export(folder, tmp_path / "model")).card
    assert card.training.in_situ is not None
    assert "dijets of 1 files (digest " in card.training.in_situ
    assert "way asymmetry, f 1, weights of the " in card.training.in_situ
    assert (card.training.started_from or "").startswith("first")


def test_norms_keep_the_starts_statistics(tmp_path: Path, start: Path, with_data: Callable[..., Path]) -> None:
    folder = with_data(recipe(tmp_path, start, "tuned"))
    with np.load(start / "network.npz") as old, np.load(folder / "network.npz") as new:
        for name in old.files:
            assert np.array_equal(old[name], new[name]) == ("running" in name or "tracked" in name), name


def test_averaged_weights_are_validated_by_the_data_too(
    tmp_path: Path, start: Path, with_data: Callable[..., Path]
) -> None:
    """A mean that forgets nothing stays where the first batch brought it: so does its term."""
    folder = with_data(recipe(tmp_path, start, "averaged", max_epochs=3, ema=1.0 - 1e-9, in_situ={"factor": 3.0}))
    terms = [line["term"] for line in json.loads((folder / "run.json").read_text())["in_situ"]["epochs"]]
    assert terms[2:] == pytest.approx([terms[1]] * 2, abs=1e-5)
    assert abs(terms[1] - terms[0]) > 1e-4


def test_a_search_with_data_is_judged_by_both(tmp_path: Path, start: Path, with_data: Callable[..., Path]) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'coffea-mljec[train]'")
    from training.learning.search import search

    folder = search(recipe(tmp_path, start, "tuned"), trials=2, progress=False)
    with (folder / "study.csv").open() as file:
        rows = {row["trial"]: row for row in csv.DictReader(file)}
    assert rows["0"]["factor"] == "recipe"
    assert 0 < float(rows["1"]["factor"]) <= 10
    assert float(rows["1"]["dropout"]) in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    for number, row in rows.items():
        record = json.loads((folder / f"trial-00{number}" / "run.json").read_text())["in_situ"]
        lines = [line for line in record["epochs"] if line["epoch"] == int(row["epoch"])]
        assert lines == [record["kept_line"]]
        assert float(row["val_loss"]) == pytest.approx(lines[0]["supervised"] + lines[0]["term"], abs=1e-5)
        assert (row["epoch"] == "-1") == (record["kept"] == "start")


def test_what_diverges_is_stopped_and_the_starts_weights_are_kept(
    tmp_path: Path, start: Path, with_data: Callable[..., Path]
) -> None:
    learning = {"max_epochs": 30, "learning_rate": 0.3}
    free = {"factor": 1000.0, "scale_weight": 0.0}
    folder = with_data(recipe(tmp_path, start, "free", **learning, in_situ=free))
    record = json.loads((folder / "run.json").read_text())["in_situ"]
    assert "the scale of jets of " in record["diverged"]
    assert "has moved by" in record["diverged"]
    assert len(record["epochs"]) < 12
    assert record["kept"] == "start"
    with np.load(start / "network.npz") as old, np.load(folder / "network.npz") as new:
        assert all(np.array_equal(old[name], new[name]) for name in old.files)


def test_resumed_equals_uninterrupted(tmp_path: Path, start: Path, with_data: Callable[..., Path]) -> None:
    whole = with_data(recipe(tmp_path, start, "whole", max_epochs=3))
    with_data(recipe(tmp_path, start, "parts", max_epochs=1))
    parts = with_data(recipe(tmp_path, start, "parts", max_epochs=3), resume=True)
    records = [json.loads((folder / "run.json").read_text())["in_situ"] for folder in (whole, parts)]
    assert records[0]["epochs"] == records[1]["epochs"]
    with np.load(whole / "network.npz") as one, np.load(parts / "network.npz") as other:
        assert all(np.array_equal(one[name], other[name]) for name in one.files)


def test_data_without_a_generator_asymmetry_are_refused(
    tmp_path: Path, start: Path, with_data: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import training.learning.in_situ_setup as module

    few = dijets(20, 2, True)
    monkeypatch.setattr(module, "read_dijets", lambda *a, truth, **k: few if truth else dijets(400, 3, False))
    with pytest.raises(InputError, match=r"no generator asymmetry to subtract.*none has 30 dijets of the simulation"):
        with_data(recipe(tmp_path, start, "few"))
