"""The derivation, from simulated jets to payloads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Payload, read_text
from coffea_mljec.support.atomic import make_folder
from training.defaults import LARGE
from training.derive.inversion import Inversion, invert, inverted_level
from training.derive.jets import MatchedJets
from training.derive.level import CLOSURE, Level, unit_level
from training.derive.library import write_library
from training.derive.mix import mix_weights
from training.derive.offset import fit_offset, no_offset, offset_level, subtracted
from training.derive.resolution import fit_resolution, resolution_level, scale_factor_level
from training.derive.response import fit_response
from training.derive.soft_drop import fit_soft_drop
from training.derive.text import write_text

__all__ = ["ETA_EDGES", "Derived", "corrected", "derive", "derive_closure", "uncorrected"]

Floats = NDArray[np.float64]

#: |eta| bins of the correction: CMS's, two joined where the response is flat, divided where it falls steeply.
ETA_EDGES = np.array([
    0.0, 0.174, 0.348, 0.522, 0.696, 0.879, 1.044, 1.218, 1.305, 1.392, 1.479, 1.566, 1.653, 1.74, 1.83, 1.93, 2.043,
    2.172, 2.25, 2.322, 2.411, 2.5, 2.575, 2.65, 2.75, 2.853, 2.91, 2.964, 3.05, 3.139, 3.225, 3.314, 3.489, 3.664,
    3.839, 4.013, 4.191, 4.363, 4.538, 4.716, 4.889, 5.191,
])  # fmt: skip
#: Of large jets: few are beyond, as none is below 100 GeV.
LARGEST_ETA = 2.5
LOWEST_PT = 8.0
HIGHEST_PT = 5000.0
BEAM_ENERGY = 6500.0
STANDARD_LEVELS = ("L1FastJet", "L2Relative", "L3Absolute")


@dataclass(frozen=True)
class Derived:
    """What was written.

    Attributes
    ----------
    payload : Payload
        The correction, read back from its text files.
    texts : tuple of Path
        Its levels, the resolution and the scale factors.
    library : Path
        The correctionlib file with all of them.
    """

    payload: Payload
    texts: tuple[Path, ...]
    library: Path


def derive(jets: MatchedJets, folder: Path, tag: str, algorithm: str, about: str = "") -> Derived:
    """Derive the standard correction: L1FastJet, L2Relative, L3Absolute (1: L2Relative leads to the generator's scale).

    PUPPI takes pileup away itself: for its jets L1FastJet is 1, as CMS has it. For AK8 jets bins end at |eta| 2.5; if
    their files have the soft-drop mass, its correction is derived too: ``SoftDropMass``, a file beside the levels.

    Parameters
    ----------
    jets : MatchedJets
        Training events only.
    folder : Path
        Made if absent.
    tag, algorithm : str
        ``MLJECSim_V1_MC`` and ``AK4PFchs``: text files are ``<tag>_<level>_<algorithm>.jec.txt``, the correctionlib
        file ``<tag>_<algorithm>.json.gz``.
    about : str
        What the jets are, for the correctionlib file.

    Raises
    ------
    InputError
        If the tag is not of the form ``<campaign>_<version>_MC`` or there are too few jets.
    """
    _prepare(folder, tag, algorithm)
    weight = mix_weights(jets)
    edges = _edges(jets)
    offset = no_offset(edges) if jets.algorithm.endswith("Puppi") else fit_offset(jets, weight, edges)
    inversions = _inversions(jets, weight, subtracted(jets, offset))
    levels = [
        offset_level(offset), inverted_level("L2Relative", edges, inversions), unit_level("L3Absolute", edges[-1]),
    ]  # fmt: skip
    # CMS's simulation has a residual of 1, so that one name serves data and simulation.
    residual = unit_level("L2L3Residual", edges[-1])
    stacks = {"L1L2L3": STANDARD_LEVELS, "L1L2L3Res": (*STANDARD_LEVELS, residual.level)}
    pt = _apply(inversions, jets, subtracted(jets, offset))
    companions = _companions(jets, weight, pt)
    companions += [fit_soft_drop(jets, pt)] if "msoftdrop" in jets.columns else []
    texts = write_text(folder, tag, algorithm, [*levels, *companions])
    library = _library(folder, tag, algorithm)
    write_library(library, tag, algorithm, [*levels, residual, *companions], stacks, about)
    return Derived(read_text(texts[: len(levels)]), tuple(texts), library)


def derive_closure(jets: MatchedJets, folder: Path, tag: str, algorithm: str, about: str = "") -> Derived:
    """Derive the closure of a provider by the same inversion: one level, ``MLClosure``, of eta and the provider's pT.

    Parameters are those of `derive`; ``jets`` have the column ``pt``.
    """
    _prepare(folder, tag, algorithm)
    weight = mix_weights(jets)
    inversions = _inversions(jets, weight, jets["pt"])
    level = inverted_level(CLOSURE, _edges(jets), inversions)
    companions = _companions(jets, weight, _apply(inversions, jets, jets["pt"]))
    texts = write_text(folder, tag, algorithm, [level, *companions])
    library = _library(folder, tag, algorithm)
    write_library(library, tag, algorithm, [level, *companions], {}, about)
    return Derived(read_text(texts[:1]), tuple(texts), library)


def corrected(jets: MatchedJets, payload: Payload) -> Floats:
    """Return the jets' corrected pT in GeV, 0 where the payload does not reach."""
    start = uncorrected(jets)
    columns = {name: jets[name] for name in ("eta", "area", "rho")} | {"pt_raw": start}
    factor, valid = payload.evaluate(columns)
    return np.where(valid, start * factor, 0.0)


def uncorrected(jets: MatchedJets) -> Floats:
    """Return the pT that a payload is applied to: the provider's, or without one the raw pT."""
    return jets["pt"] if "pt" in jets.columns else jets["pt_raw"]


def _prepare(folder: Path, tag: str, algorithm: str) -> None:
    # coffea splits names at underscores and wants five parts.
    if not re.fullmatch(r"[A-Za-z0-9-]+_[A-Za-z0-9-]+_MC", tag) or not re.fullmatch(r"[A-Za-z0-9]+", algorithm):
        raise InputError(
            f"names {tag!r}, {algorithm!r}: expected <campaign>_<version>_MC (letters, digits, hyphens), as in "
            "MLJECSim_V1_MC, and letters and digits, as in AK4PFchs"
        )
    make_folder(folder)


def _edges(jets: MatchedJets) -> Floats:
    """Return the bins of |eta|."""
    return ETA_EDGES[ETA_EDGES <= LARGEST_ETA] if jets.algorithm == LARGE else ETA_EDGES


def _inversions(jets: MatchedJets, weight: Floats, pt: Floats) -> list[Inversion]:
    edges = _edges(jets)
    surface = fit_response(
        pt / jets["pt_gen"], np.abs(jets["eta"]), np.abs(jets["eta_gen"]), jets["pt_gen"], weight, edges
    )
    inversions = []
    for row, (low, high) in enumerate(pairwise(edges)):
        try:
            inversions.append(invert(surface.curve(row), LOWEST_PT, min(HIGHEST_PT, BEAM_ENERGY / float(np.cosh(low)))))
        except InputError as error:
            raise InputError(f"{low:g} < |eta| < {high:g}: {error}") from None
    return inversions


def _apply(inversions: list[Inversion], jets: MatchedJets, pt: Floats) -> Floats:
    """Return the corrected pT, as the payload will give it: nothing is written before everything is derived."""
    row = np.clip(np.digitize(np.abs(jets["eta"]), _edges(jets)) - 1, 0, len(inversions) - 1)
    result = np.empty(len(pt))
    for number, inversion in enumerate(inversions):
        rows = np.flatnonzero(row == number)
        result[rows] = pt[rows] * inversion(pt[rows])
    return result


def _companions(jets: MatchedJets, weight: Floats, pt: Floats) -> list[Level]:
    resolution = fit_resolution(jets, weight, pt, float(_edges(jets)[-1]))
    return [resolution_level(resolution), scale_factor_level()]


def _library(folder: Path, tag: str, algorithm: str) -> Path:
    return folder / f"{tag}_{algorithm}.json.gz"
