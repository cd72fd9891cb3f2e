"""Toy payloads, written as CMS writes them: two sources of uncertainty, a resolution of 10 %, scale factors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coffea_mljec.payloads.resolution_files import read_resolution_text, read_scale_factor_text
from coffea_mljec.payloads.uncertainty_files import read_uncertainties_text

SOURCES = "[Scale]\n{1 JetEta 1 JetPt \"\" Correction JECSource}\n-5.4 5.4 6 10 0.02 0.04 100 0.01 0.03\n" \
    "[Flavour]\n{1 JetEta 1 JetPt \"\" Correction JECSource}\n-5.4 5.4 6 10 0.05 0.05 100 0.05 0.05\n"  # fmt: skip
RESOLUTION = "{1 JetEta 1 JetPt [0] Resolution}\n-5.191 5.191 3 1 6500 0.1\n"
SCALE_FACTOR = "{1 JetEta 0 None ScaleFactor}\n-5.191 5.191 3 1.2 1.1 1.3\n"


def written(folder: Path, name: str, text: str) -> Path:
    """A text in a file."""
    path = folder / name
    path.write_text(text)
    return path


def sources(folder: Path, algorithm: str = "AK4PFPuppi", kind: str = "MC") -> dict[str, Any]:
    """The option ``uncertainties`` of a provider."""
    path = written(folder, f"Toy1_V1_{kind}_UncertaintySources_{algorithm}.junc.txt", SOURCES)
    return {"uncertainties": read_uncertainties_text(path)}


def smearing(folder: Path, algorithm: str = "AK4PFPuppi", kind: str = "MC") -> dict[str, Any]:
    """The options ``resolution`` and ``scale_factor``."""
    resolution = written(folder, f"Toy1_V1_{kind}_PtResolution_{algorithm}.jr.txt", RESOLUTION)
    scale_factor = written(folder, f"Toy1_V1_{kind}_SF_{algorithm}.jersf.txt", SCALE_FACTOR)
    return {
        "resolution": read_resolution_text(resolution),
        "scale_factor": read_scale_factor_text(scale_factor),
    }
