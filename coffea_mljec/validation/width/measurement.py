"""The width that a correction gives of each jet, against the spread of its response."""

from __future__ import annotations

from coffea_mljec.validation.common.measurement import Measurement
from coffea_mljec.validation.width.figures import draw_widths
from coffea_mljec.validation.width.processor import PT_RESOLUTION, WidthProcessor
from coffea_mljec.validation.width.sections import about, sections

__all__ = ["WIDTHS"]

WIDTHS = Measurement(
    "widths",
    WidthProcessor,
    draw_widths,
    sections,
    about,
    needs_generator=True,
    summary_options=lambda _: {},
    needs_field=PT_RESOLUTION,
)
