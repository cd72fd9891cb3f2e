"""Reading resolutions and their scale factors, from text files and from correctionlib files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from coffea_mljec.corrections.payloads.resolution import Resolution, ScaleFactor

__all__ = ["read_resolution_json", "read_resolution_text", "read_scale_factor_json", "read_scale_factor_text"]


def read_resolution_text(path: str | Path) -> Resolution:
    """Read ``<tag>_PtResolution_<algorithm>.jr.txt``, plain or gzipped.

    Raises
    ------
    PayloadError
        The file is missing, unreadable, cut short or damaged (message: file, line, got, expected), or something else.
    """
    raise NotImplementedError


def read_scale_factor_text(path: str | Path) -> ScaleFactor:
    """Read ``<tag>_SF_<algorithm>.jersf.txt``, plain or gzipped: bins of eta, or of eta and pT.

    Rows hold nominal, down, up; what follows (sources of the uncertainty) is not read.

    Raises
    ------
    PayloadError
        As of `read_resolution_text`.
    """
    raise NotImplementedError


def read_resolution_json(path: str | Path, tag: str, algorithm: str) -> Resolution:
    """Read ``<tag>_PtResolution_<algorithm>`` of a correctionlib file.

    Parameters
    ----------
    path : str or Path
        ``jet_jerc.json.gz``, ``fatJet_jerc.json.gz``.
    tag, algorithm : str
        ``Summer22_22Sep2023_JRV1_MC``, ``AK4PFPuppi``.

    Raises
    ------
    PayloadError
        The file is unreadable, not a correctionlib file, or has no such resolution (the message names what it has).
    """
    raise NotImplementedError


def read_scale_factor_json(
    path: str | Path, tag: str, algorithm: str, uncertainty: Literal["relative", "absolute"] = "relative"
) -> ScaleFactor:
    """Read the scale factor of a correctionlib file, in the old format or the new one.

    Old: ``<tag>_ScaleFactor_<algorithm>`` takes ``systematic``: nom, up, down. New (since 2024): it does not, and
    ``<tag>_SFUncertainty_<algorithm>`` stands beside it.

    Parameters
    ----------
    path, tag, algorithm
        As of `read_resolution_json`.
    uncertainty : {"relative", "absolute"}
        How the new format is read: SF (1 +- u), as columnflow, PocketCoffea and nanoAOD-tools-modules do, or SF +- u.

    Raises
    ------
    PayloadError
        As of `read_resolution_json`.
    """
    raise NotImplementedError
