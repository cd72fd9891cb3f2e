"""Smearing: the jets of simulation get the resolution of data.

The hybrid method of CMS (https://cms-jerc.web.cern.ch/JER/#smearing-procedures; CMSSW's SmearedJetProducerT.h in
PhysicsTools/PatUtils): a jet with a generator jet is scaled, ``c = 1 + (s - 1) (pt - pt_gen) / pt``; any other one gets
a random factor, ``c = 1 + N(0, sigma) sqrt(max(s^2 - 1, 0))``, with the resolution sigma of simulation and the scale
factor s. The generator jet must lie within R/2 and within three sigma in pT.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.columns import flat_columns
from coffea_mljec.numerics.jit import njit
from coffea_mljec.numerics.matching import match_flat

__all__ = ["generator_pt", "smear_factor"]

FloatArray = npt.NDArray[np.float64]

NO_MATCH = -1.0
"""What stands for "no generator jet", never 0: the JERC group's tool takes 0 for a match."""

N_SIGMA = 3.0

MIN_ENERGY = 0.01
"""GeV, the energy below which no jet is smeared (CMSSW and coffea): pT never turns negative."""


def generator_pt(
    eta: npt.ArrayLike,
    phi: npt.ArrayLike,
    offsets: npt.ArrayLike,
    gen_pt: npt.ArrayLike,
    gen_eta: npt.ArrayLike,
    gen_phi: npt.ArrayLike,
    gen_offsets: npt.ArrayLike,
    radius: float,
) -> FloatArray:
    """Return the pT of each jet's generator jet within half the jet radius, -1 for none.

    The matching is `numerics.matching` (one to one, nearest pairs first), not the file's ``genJetIdx``, which CMS
    fills up to delta R = 0.4 and which is absent after cuts. The cut of three sigma in pT is made by `smear_factor`,
    since it depends on the variation.

    Parameters
    ----------
    eta, phi : array_like of float, shape (n,)
        The jets.
    offsets, gen_offsets : array_like of int, shape (n_events + 1,)
        Event ``i`` owns rows ``offsets[i]:offsets[i + 1]``.
    gen_pt, gen_eta, gen_phi : array_like of float, shape (n_gen,)
        The generator jets of the same radius (``GenJet``, ``GenJetAK8``).
    radius : float
        Of the jets: 0.4, 0.8.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    InputError
        The jets and the generator jets are of different numbers of events, or the radius is not positive.
    """
    partner = match_flat(
        np.asarray(eta), np.asarray(phi), np.asarray(offsets),
        np.asarray(gen_eta), np.asarray(gen_phi), np.asarray(gen_offsets), max_dr=radius / 2,
    )  # fmt: skip
    generated = np.append(np.asarray(gen_pt, dtype=np.float64), NO_MATCH)  # -1, no partner, is the last
    return generated[partner]


def smear_factor(
    pt: npt.ArrayLike,
    eta: npt.ArrayLike,
    sigma: npt.ArrayLike,
    scale_factor: npt.ArrayLike,
    normal: npt.ArrayLike,
    pt_gen: npt.ArrayLike | None = None,
    stochastic: npt.ArrayLike | None = None,
) -> FloatArray:
    """Return smeared / unsmeared pT of each jet.

    Parameters
    ----------
    pt, eta : array_like of float, shape (n,)
        Corrected pT (GeV).
    sigma : array_like of float, shape (n,)
        `Resolution.evaluate` at this pT.
    scale_factor : array_like of float, shape (n,)
        `ScaleFactor.evaluate`, nominal, up or down.
    normal : array_like of float, shape (n,)
        `standard_normal` of the jet, the same for every variation.
    pt_gen : array_like of float, shape (n,), optional
        `generator_pt` (GeV); not positive for none. Without it all jets are smeared at random ("stochastic" instead of
        the "hybrid" method).
    stochastic : array_like of bool, shape (n,), optional
        Which jets without a generator jet get a random factor; the others get 1. For Run 3, CMS recommends to leave
        out ``2.5 < |eta| < 3.0``.

    Returns
    -------
    ndarray of float64, shape (n,)
        Never below 0.01 GeV / (pt cosh(eta)). 1 where sigma or the scale factor is NaN (not valid), pT is not
        positive or not finite, or the random number is NaN: such jets are left alone.

    Raises
    ------
    InputError
        Columns that are not flat, of one length, and numeric.
    """
    given: dict[str, npt.ArrayLike] = {
        "pt": pt, "eta": eta, "sigma": sigma, "scale_factor": scale_factor, "normal": normal,
        "pt_gen": np.full(np.shape(pt), NO_MATCH) if pt_gen is None else pt_gen,
    }  # fmt: skip
    flat = flat_columns(given, tuple(given), "smearing")
    columns = {name: np.ascontiguousarray(column) for name, column in flat.items()}
    size = columns["pt"].shape
    allowed = np.ones(size, dtype=np.bool_) if stochastic is None else np.asarray(stochastic)
    if allowed.dtype != np.bool_ or allowed.shape != size:
        raise InputError(
            f"stochastic: expected a flat mask of {size} jets, got {allowed.dtype} of shape {allowed.shape}"
        )
    return _smear(*columns.values(), allowed)


@njit()
def _smear(
    pt: FloatArray,
    eta: FloatArray,
    sigma: FloatArray,
    scale_factor: FloatArray,
    normal: FloatArray,
    pt_gen: FloatArray,
    stochastic: npt.NDArray[np.bool_],
) -> FloatArray:
    factor = np.ones(pt.size, dtype=np.float64)
    for i in range(pt.size):
        usable = pt[i] > 0.0 and math.isfinite(pt[i]) and math.isfinite(eta[i])
        if not (usable and math.isfinite(sigma[i]) and math.isfinite(scale_factor[i])):
            continue
        if is_matched(pt[i], pt_gen[i], sigma[i]):
            smeared = 1.0 + (scale_factor[i] - 1.0) * (pt[i] - pt_gen[i]) / pt[i]
        elif stochastic[i] and math.isfinite(normal[i]):
            smeared = 1.0 + normal[i] * sigma[i] * math.sqrt(max(scale_factor[i] ** 2 - 1.0, 0.0))
        else:
            continue
        factor[i] = max(smeared, MIN_ENERGY / (pt[i] * math.cosh(eta[i])))
    return factor


@njit(inline="always")
def is_matched(pt: float, pt_gen: float, sigma: float) -> bool:
    """Return whether there is a generator jet, within three sigma in pT."""
    return pt_gen > 0.0 and abs(pt - pt_gen) < N_SIGMA * sigma * pt
