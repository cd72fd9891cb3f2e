"""The resolution from the asymmetry of two jets."""

from __future__ import annotations

from coffea_mljec.validation.common.measurement import Measurement
from coffea_mljec.validation.dijet.figures import draw_dijets
from coffea_mljec.validation.dijet.processor import DijetProcessor
from coffea_mljec.validation.dijet.sections import about, sections

__all__ = ["DIJETS"]

DIJETS = Measurement(
    "dijets",
    DijetProcessor,
    draw_dijets,
    sections,
    about,
    needs_generator=False,
    summary_options=lambda _: {"coarse": True},
)
