"""Reading jet energy scale uncertainties, from text files and from correctionlib files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coffea_mljec.corrections.payloads.uncertainty import Uncertainties

__all__ = ["read_uncertainties_json", "read_uncertainties_text"]


def read_uncertainties_text(path: str | Path, sources: str | Sequence[str] = "all") -> Uncertainties:
    """Read ``*_UncertaintySources_*.junc.txt`` or ``*_Uncertainty_*.junc.txt``, plain or gzipped.

    Parameters
    ----------
    path : str or Path
        With its original name, which says tag and algorithm. A file of regrouped sources
        (``RegroupedV2_<tag>_UncertaintySources_...``) is read alike. The one source of a ``_Uncertainty_`` file is
        called ``jes``, as in coffea (``JES_jes``).
    sources : str or sequence of str
        ``"all"`` that the file has, ``"total"``, or names, in the order in which they are wanted.

    Raises
    ------
    InputError
        A source that the file does not have (the message names the nearest), or none.
    PayloadError
        The file is missing, unreadable, cut short or damaged (message: file, line, got, expected), or something else.
    """
    raise NotImplementedError


def read_uncertainties_json(
    path: str | Path, tag: str, algorithm: str, sources: str | Sequence[str] = "all"
) -> Uncertainties:
    """Read the sources of a correctionlib file.

    Parameters
    ----------
    path : str or Path
        ``jet_jerc.json.gz``, ``fatJet_jerc.json.gz``.
    tag, algorithm : str
        ``Summer22_22Sep2023_V3_MC``, ``AK4PFPuppi``. Uncertainties stand under the tag of simulation, for data too.
    sources : str or sequence of str
        ``"all"`` full sources with their totals, ``"regrouped"`` (names begin with ``Regrouped_``; without their
        total), ``"total"``, or names, in the order in which they are wanted.

    Raises
    ------
    InputError
        A source that the file does not have (the message names the nearest), or none.
    PayloadError
        The file is unreadable, not a correctionlib file, or has no such tag or algorithm.
    """
    raise NotImplementedError
