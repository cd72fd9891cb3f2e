"""Graphs that mix the jets of a batch are refused when their runner is made; the bundled ones are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffea_mljec.errors import ModelError
from coffea_mljec.models import bundled, open_model, session, write_folder
from coffea_mljec.models.engines import ENGINES
from coffea_mljec.models.independence import check_independence
from tests.fuzz.targets.graphs import graph
from tests.models import toy

MIXING = ("batch mean", "batch sum", "running sum", "reversed", "first jet", "random")


def written(folder: Path, kind: str, **changes: object) -> Path:
    write_folder(folder, graph(kind), toy.card(features={"jet": ("pt", "eta")}, **changes))
    return folder


@pytest.mark.parametrize("kind", MIXING)
def test_graphs_that_mix_jets(kind: str, tmp_path: Path) -> None:
    model = open_model(written(tmp_path / "model", kind))
    for _ in range(2):  # refused each time: nothing is kept
        with pytest.raises(
            ModelError, match=r"model 'toy' gives a jet \S+ among 4 jets and \S+ (for|in|alone).*random, or"
        ):
            session(model)


@pytest.mark.parametrize("kind", ["bias 0.1", "bias nan", "division", "if", "nested"])
def test_graphs_that_do_not(kind: str, tmp_path: Path) -> None:
    """NaN and infinity are equal to themselves here; such jets are flagged later."""
    session(open_model(written(tmp_path / "model", kind)))


@pytest.mark.parametrize(
    "domain",
    [
        {"pt_raw": (5.0, 5000.0), "abs_eta": (0.0, 5.2)},
        {"pt_raw": (1e9, 1e10), "abs_eta": (-1e30, 1e30)},
        {"pt_raw": (0.0, 1e-30), "abs_eta": (6.0, 7.0)},
    ],
)
def test_any_domain(domain: dict[str, tuple[float, float]], tmp_path: Path) -> None:
    session(open_model(written(tmp_path / "model", "bias 0.1", domain=domain)))


@pytest.mark.parametrize("name", sorted(bundled()))
def test_bundled_graphs(name: str) -> None:
    """By onnxruntime, whatever engine their cards name."""
    model = open_model(name)
    check_independence(ENGINES["onnx"].build(model), model.card)
