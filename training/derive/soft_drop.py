"""A correction of the soft-drop mass: the median of the generator's over the reconstructed one, as a function of pT.

As CMS has it for PUPPI jets (https://github.com/cms-jet/PuppiSoftdropMassCorr): jets of heavy particles, two regions of
|eta|, a polynomial in log(pT). It multiplies the mass as the file has it, beside the correction of pT.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.derive.jets import MatchedJets
from training.derive.level import Level, Row, mirrored
from training.derive.medians import effective, medians

__all__ = ["ETA_EDGES", "FORMULA", "LEVEL", "MASSES", "fit_soft_drop"]

Floats = NDArray[np.float64]

LEVEL = "SoftDropMass"
ETA_EDGES = (0.0, 1.3, 2.5)
MASSES = (50.0, 250.0)
"""Soft-drop mass in GeV of the generator jets that count: below are those of one parton."""

_STEP = "log10(x/500)"
FORMULA = f"max(0.1,[0]+{_STEP}*([1]+{_STEP}*([2]+{_STEP}*[3])))"
_PT_EDGES = np.geomspace(180.0, 3600.0, 13)
_FEWEST = 40.0
_DEGREE = 3


def fit_soft_drop(jets: MatchedJets, corrected: Floats) -> Level:
    """Fit the correction as a function of eta and corrected pT.

    Parameters
    ----------
    jets : MatchedJets
        With the columns ``msoftdrop`` and ``msoftdrop_gen``.
    corrected : float64 array [n]
        Corrected pT in GeV.

    Raises
    ------
    InputError
        If a region of |eta| has no bin of pT with enough jets.
    """
    true = jets["msoftdrop_gen"]
    # NaN, of generator jets without subjets, is in no range.
    usable = (true > MASSES[0]) & (true < MASSES[1]) & (jets["msoftdrop"] > 0.0)
    rows = []
    for low, high in pairwise(ETA_EDGES):
        away = np.abs(jets["eta"])
        inside = np.flatnonzero(usable & (away >= low) & (away < high))
        ratio, pt = jets["msoftdrop"][inside] / true[inside], corrected[inside]
        group = np.digitize(pt, _PT_EDGES) - 1
        n = len(_PT_EDGES) - 1
        group = np.where(group < n, group, -1)
        ones = np.ones(len(inside))
        count = effective(ones, group, n)
        kept = np.flatnonzero(count >= _FEWEST)
        if len(kept) == 0:
            raise InputError(
                f"{low:g} < |eta| < {high:g}: no bin of pT holds {_FEWEST:g} jets with a soft-drop mass of "
                f"{MASSES[0]:g} to {MASSES[1]:g} GeV, {len(inside)} in all: simulate more events of "
                "'--process boosted --soft-drop'"
            )
        middle, error = medians(ratio, ones, group, n)
        mean = np.bincount(group[group >= 0], pt[group >= 0], n)[kept] / count[kept]
        parameters = _polynomial(mean, 1.0 / middle[kept], error[kept] / middle[kept] ** 2)
        rows.append(Row.create([(low, high)], [(float(mean[0]), float(mean[-1]))], parameters))
    return Level(LEVEL, "Correction", ("JetEta",), ("JetPt",), FORMULA, mirrored(rows))


def _polynomial(pt: Floats, factor: Floats, error: Floats) -> list[float]:
    """Return four coefficients in log10(pT / 500 GeV), the highest 0 where points are few."""
    degree = min(_DEGREE, len(pt) - 1)
    found = np.polynomial.polynomial.polyfit(np.log10(pt / 500.0), factor, degree, w=1.0 / error)
    return [*found.tolist(), *[0.0] * (_DEGREE - degree)]
