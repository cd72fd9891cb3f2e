"""Model folders (``model.onnx`` + ``card.json``), the bundled models, and what runs them."""

from __future__ import annotations

from coffea_mljec.models.card import Cloud, Domain, Features, ModelCard, Training
from coffea_mljec.models.folder import ModelFolder, bundled, given_model, open_folder, open_model, write_folder
from coffea_mljec.models.sessions import run, session
from coffea_mljec.models.signatures import sign_folder

__all__ = [
    "Cloud",
    "Domain",
    "Features",
    "ModelCard",
    "ModelFolder",
    "Training",
    "bundled",
    "given_model",
    "open_folder",
    "open_model",
    "run",
    "session",
    "sign_folder",
    "write_folder",
]
