"""A model on flat arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from coffea_mljec import models

__all__ = ["log_correction"]


def log_correction(model: models.ModelFolder, arrays: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """ln(corrected / raw pT) of each jet, the first output of our networks."""
    first = model.card.outputs[0]
    given = models.run(model, arrays)[first.source]
    return given if first.column is None else given[:, first.column]
