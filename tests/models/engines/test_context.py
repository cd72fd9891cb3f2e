"""Particle flow networks with context by numba: which graphs they are. What they give is in ``test_pfn``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coffea_mljec import models
from coffea_mljec.errors import ModelError
from coffea_mljec.features import FeatureSet
from coffea_mljec.models.engines import engine_fields
from tests.models import toy
from tests.models.running import log_correction

pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from tests.training.networks.jets import COUNTS, batch_of, settled
from training.networks.architecture import ContextArchitecture
from training.onnx.graph import network_graph

TWO = ((9, 5), (21,))


@pytest.mark.parametrize(
    "features",
    [
        FeatureSet(jet=("log_pt", "eta"), neutral=("rel_phi", "pt", "rel_pt")),
        FeatureSet(jet=("eta",), charged=("rel_pt", "dxy"), sv=("pt", "rel_pt")),
    ],
)
def test_some_collections_in_both_ways_of_pooling(tmp_path: Path, features: FeatureSet) -> None:
    arrays = batch_of(features, COUNTS)
    shape = ContextArchitecture(blocks_candidate=TWO, blocks_vertex=TWO, context=(6,), head=(33, 6))
    graph = network_graph(settled(shape, features, arrays))
    fields = toy.card(features=features.names()) | engine_fields(graph, features)
    assert fields["engine"] == "context"
    ours = models.write_folder(tmp_path / "context", graph, fields)
    portable = models.write_folder(tmp_path / "onnx", graph, fields | {"engine": "onnx"})
    np.testing.assert_allclose(log_correction(ours, arrays), log_correction(portable, arrays), rtol=1e-5, atol=1e-5)


def test_other_ways_of_pooling_are_for_onnxruntime(tmp_path: Path) -> None:
    features = FeatureSet(jet=("eta",), charged=("rel_eta", "rel_pt"))
    shape = ContextArchitecture(blocks_candidate=TWO, blocks_vertex=TWO, context=(6,), head=(6,), pooling=("pt",))
    graph = network_graph(settled(shape, features, batch_of(features, COUNTS)))
    assert engine_fields(graph, features)["engine"] == "onnx"
    model = models.write_folder(tmp_path / "pt", graph, toy.card(engine="context", features=features.names()))
    with pytest.raises(
        ModelError, match=r"lacks sums of constituents, a context and jet features in every round: only"
    ):
        log_correction(model, batch_of(features, COUNTS))


def test_a_graph_without_context(tmp_path: Path) -> None:
    features = {"jet": ("pt", "eta"), "charged": ("rel_eta", "rel_phi")}
    model = models.write_folder(tmp_path / "toy", toy.graph(), toy.card(engine="context", features=features))
    with pytest.raises(ModelError, match=r"no constant 'jet.0.plain.weight' \(2 x 2\): only a PFN with context"):
        log_correction(model, {})
    lite = models.open_model("pfn-r-lite")
    fields = lite.card.model_dump(mode="json") | {"engine": "context"}
    lite = models.write_folder(tmp_path / "lite", lite.graph, fields)
    with pytest.raises(ModelError, match=r"only a PFN with context .* or say engine 'onnx'|must be float32 10 x 10"):
        log_correction(lite, {})
