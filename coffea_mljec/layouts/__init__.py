"""The one adapter: any NanoAOD flavour -> canonical quantities, flat content + offsets. No features here."""

from __future__ import annotations

from coffea_mljec.layouts.adapter import flatten, raw_jets, required_paths
from coffea_mljec.layouts.flat import Constituents, FlatJets
from coffea_mljec.layouts.layout import Layout, detect

__all__ = ["Constituents", "FlatJets", "Layout", "detect", "flatten", "raw_jets", "required_paths"]
