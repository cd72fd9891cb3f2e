"""Flat jets -> the vector that their correction takes from MET: the kernels of type-1 MET."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.jit import njit
from coffea_mljec.status import StatusArray

__all__ = ["EM_FRACTION_LIMIT", "ETA_LIMIT", "PT_THRESHOLD", "counting_jets", "event_bits", "propagated_sums"]

PT_THRESHOLD = 15.0
"""GeV, of the corrected pT without muons, before smearing (CMSSW, ``PFJetMETcorrInputProducer``)."""

EM_FRACTION_LIMIT = 0.9
"""Jets above it are photons and electrons, which need no jet correction."""

ETA_LIMIT = 5.2


@njit()
def counting_jets(
    pt_raw: npt.NDArray[Any],
    eta: npt.NDArray[Any],
    muon_fraction: npt.NDArray[Any],
    em_fraction: npt.NDArray[Any],
    factor: npt.NDArray[np.float64],
    level1: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Return which jets are propagated; the same ones in every variation.

    With m the muons' share of the raw pT: those with ``pt_raw (1 - m) factor > 15 GeV``, ``em_fraction < 0.9`` and
    ``|eta| < 5.2`` (CMSSW, JetMETCorrections/Type1MET, ``PFJetMETcorrInputProducerT.h``). Parameters are those of
    `propagated_sums`; a jet with a NaN in any of them is not.
    """
    counting = np.zeros(len(pt_raw), np.bool_)
    for jet in range(len(pt_raw)):
        without_muons = np.float64(pt_raw[jet]) * (1.0 - np.float64(muon_fraction[jet]))
        counting[jet] = (
            without_muons * factor[jet] > PT_THRESHOLD
            and em_fraction[jet] < EM_FRACTION_LIMIT
            and abs(eta[jet]) < ETA_LIMIT
            and not math.isnan(level1[jet])
        )
    return counting


@njit()
def propagated_sums(
    offsets: npt.NDArray[np.int64],
    counting: npt.NDArray[np.bool_],
    pt_raw: npt.NDArray[Any],
    phi: npt.NDArray[Any],
    muon_fraction: npt.NDArray[Any],
    factor: npt.NDArray[np.float64],
    level1: npt.NDArray[np.float64],
    scale: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return each event's vector sum of what correcting its jets has added to them.

    With m the muons' share, a jet adds ``pt_raw (1 - m) (factor - level1)``: the tracker measures muons, so that no jet
    correction is theirs. A variation scales the jet with them: ``(pt_raw (1 - m) factor + pt_raw m) (scale - 1)`` more
    (CMSJMECalculators, ``Type1METVariationsCalculator``).

    Parameters
    ----------
    offsets : ndarray of int64, shape (n_events + 1,)
    counting : ndarray of bool, shape (n_jets,)
        From `counting_jets`.
    pt_raw : ndarray of float, shape (n_jets,)
        Before any correction, with muons (GeV).
    phi : ndarray of float, shape (n_jets,)
        Of the jet without its muons.
    muon_fraction : ndarray of float, shape (n_jets,)
        Of the raw pT (``muonSubtrFactor``).
    factor, level1 : ndarray of float64, shape (n_jets,)
        Corrected / raw pT, not smeared; the same of the level that MET has for its jets already: L1FastJet for CHS
        jets, whose pileup the raw MET balances, 1 for PUPPI jets.
    scale : ndarray of float64, shape (n_jets,)
        Varied or smeared / corrected pT; 1 for the nominal MET.

    Returns
    -------
    ndarray of float64, shape (n_events, 2)
        px and py (GeV), to be subtracted from the raw MET; 0 for events without such jets.
    """
    sums = np.zeros((len(offsets) - 1, 2))
    for event in range(len(offsets) - 1):
        px = 0.0
        py = 0.0
        for jet in range(offsets[event], offsets[event + 1]):
            if not counting[jet]:
                continue
            raw = np.float64(pt_raw[jet])
            muons = raw * np.float64(muon_fraction[jet])
            corrected = (raw - muons) * factor[jet]
            added = corrected - (raw - muons) * level1[jet] + (corrected + muons) * (scale[jet] - 1.0)
            px += added * math.cos(np.float64(phi[jet]))
            py += added * math.sin(np.float64(phi[jet]))
        sums[event, 0] = px
        sums[event, 1] = py
    return sums


@njit()
def event_bits(offsets: npt.NDArray[np.int64], bits: StatusArray) -> StatusArray:
    """Return the bits of all jets of each event together, shape (n_events,)."""
    together = np.zeros(len(offsets) - 1, bits.dtype)
    for event in range(len(offsets) - 1):
        for jet in range(offsets[event], offsets[event + 1]):
            together[event] |= bits[jet]
    return together
