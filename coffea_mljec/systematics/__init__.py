"""Variations of corrected jets: random numbers that belong to a jet, and smearing to the resolution of data."""

from __future__ import annotations

from coffea_mljec.systematics.jerc_tool import JERSmear
from coffea_mljec.systematics.jet_mass import JetMass
from coffea_mljec.systematics.randomness import standard_normal
from coffea_mljec.systematics.smearing import generator_pt, smear_factor

__all__ = ["JERSmear", "JetMass", "generator_pt", "smear_factor", "standard_normal"]
