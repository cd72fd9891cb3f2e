"""The response to generator jets."""

from __future__ import annotations

from coffea_mljec.validation.common.measurement import Measurement
from coffea_mljec.validation.response.figures import draw
from coffea_mljec.validation.response.processor import ResponseProcessor
from coffea_mljec.validation.response.sections import about, sections
from coffea_mljec.validation.response.table import markdown

__all__ = ["RESPONSE"]

RESPONSE = Measurement(
    "response",
    ResponseProcessor,
    draw,
    sections,
    about,
    needs_generator=True,
    summary_options=lambda standard: {"standard": standard},
    markdown=markdown,
)
