"""Variations of corrected jets: random numbers that belong to a jet, and smearing to the resolution of data."""

from __future__ import annotations

from coffea_mljec.variations.jer_smear import JERSmear
from coffea_mljec.variations.randomness import standard_normal
from coffea_mljec.variations.smearing import generator_pt, smear_factor

__all__ = ["JERSmear", "generator_pt", "smear_factor", "standard_normal"]
