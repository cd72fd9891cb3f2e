"""Energy and mass of large jets, and the peaks of heavy particles."""

from __future__ import annotations

from coffea_mljec.validation.common.measurement import Measurement
from coffea_mljec.validation.mass.figures import draw_masses
from coffea_mljec.validation.mass.processor import MassProcessor
from coffea_mljec.validation.mass.sections import about, markdown, sections

__all__ = ["MASSES"]

MASSES = Measurement(
    "mass",
    MassProcessor,
    draw_masses,
    sections,
    about,
    needs_generator=True,
    summary_options=lambda _: {},
    markdown=markdown,
    collections=("FatJet",),
)
