"""What is used where nothing is said: one place for the defaults that several rooms of ``training`` share."""

from __future__ import annotations

from pathlib import Path

import coffea_mljec

__all__ = ["ALGORITHM", "ALGORITHMS", "JEC", "JEC_AK8", "LARGE"]

ALGORITHMS = {"chs": "AK4PFchs", "puppi": "AK4PFPuppi"}
"""Kind of the simulated AK4 jets -> jet algorithm and pileup scheme, as CMS names them."""

ALGORITHM = ALGORITHMS["chs"]
"""Of the jets that are simulated, corrected and trained on by default."""

LARGE = "AK8PFPuppi"
"""Of the large jets, whatever the AK4 jets are made of."""

JEC = Path(coffea_mljec.__file__).resolve().parent / "data" / "jec"
"""Folder of the standard corrections that come with the package, derived from this simulation."""

JEC_AK8 = JEC.with_name("jec_ak8")
"""Those of the large jets, with a correction of the soft-drop mass."""
