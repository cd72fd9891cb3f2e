"""JEC payloads: text files and correctionlib files, read into objects that evaluate flat columns."""

from coffea_mljec.payloads.correctionlib_json import read_json, tags_of
from coffea_mljec.payloads.payload import Payload
from coffea_mljec.payloads.resolution import Resolution, ScaleFactor
from coffea_mljec.payloads.resolution_files import (
    read_resolution_json,
    read_resolution_text,
    read_scale_factor_json,
    read_scale_factor_text,
)
from coffea_mljec.payloads.text import level_files, read_soft_drop_text, read_text
from coffea_mljec.payloads.uncertainty import Shifts, Uncertainties
from coffea_mljec.payloads.uncertainty_files import read_uncertainties_json, read_uncertainties_text

__all__ = [
    "Payload",
    "Resolution",
    "ScaleFactor",
    "Shifts",
    "Uncertainties",
    "level_files",
    "read_json",
    "read_resolution_json",
    "read_resolution_text",
    "read_scale_factor_json",
    "read_scale_factor_text",
    "read_soft_drop_text",
    "read_text",
    "read_uncertainties_json",
    "read_uncertainties_text",
    "tags_of",
]
