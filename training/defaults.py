"""What is used where nothing is said: one place for the defaults that several rooms of ``training`` share."""

from __future__ import annotations

from pathlib import Path

import coffea_mljec

__all__ = ["ALGORITHM", "JEC"]

ALGORITHM = "AK4PFchs"
"""Jet algorithm and pileup scheme of the jets that are simulated, corrected and trained on."""

JEC = Path(coffea_mljec.__file__).resolve().parent / "data" / "jec"
"""Folder of the standard correction that comes with the package, derived from this simulation."""
