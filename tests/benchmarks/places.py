"""Where things are. Dask workers import this: nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["ROOT", "SAMPLE", "SAMPLE_JEC", "data_folder"]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "coffea_mljec" / "data" / "mljec_sample.root"
SAMPLE_JEC = SAMPLE.parent / "jec"


def data_folder() -> Path:
    """Folder with the public CMS files, where they are."""
    return Path(os.environ.get("MLJEC_REAL_DATA") or ROOT.parent / "shared" / "data")
