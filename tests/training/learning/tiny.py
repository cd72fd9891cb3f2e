"""A recipe whose training takes a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coffea_mljec.features import FeatureSet
from training.learning.recipe import Recipe

SMALL = FeatureSet(jet=("log_pt", "eta"), charged=("rel_pt",), neutral=("pt", "rel_pt"))


def tiny(tmp_path: Path, **changes: Any) -> Recipe:
    learning = {"batch_size": 64, "max_epochs": 3, "threads": 1, "accelerator": "cpu"} | changes.pop("learning", {})
    return Recipe.model_validate(
        {
            "name": "tiny",
            "description": "a test",
            "sample": "toy jets",
            "fast_simulation": True,
            "productions": ["unused"],
            "cache": tmp_path / "cache",
            "runs": tmp_path / "runs",
            "features": SMALL.names(),
            "architecture": {"phi_candidate": (8, 8), "phi_vertex": (4,), "head": (16, 8), "momentum": 0.2},
            "learning": learning,
            **changes,
        }
    )
