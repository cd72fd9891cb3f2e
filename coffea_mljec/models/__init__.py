"""Model folders (``model.onnx`` + ``card.json``), the bundled models, and the sessions that run them."""

from __future__ import annotations

from coffea_mljec.models.card import Cloud, Domain, Features, ModelCard, Training
from coffea_mljec.models.engines.onnx import run, session
from coffea_mljec.models.folder import ModelFolder, bundled, open_folder, open_model, write_folder

__all__ = [
    "Cloud",
    "Domain",
    "Features",
    "ModelCard",
    "ModelFolder",
    "Training",
    "bundled",
    "open_folder",
    "open_model",
    "run",
    "session",
    "write_folder",
]
