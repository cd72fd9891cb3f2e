"""Smearing: the jets of simulation get the resolution of data.

The hybrid method of CMS (JINST 12 (2017) P02014, section 8.3; CMSSW PhysicsTools/PatUtils/interface/
SmearedJetProducerT.h; https://cms-jerc.web.cern.ch/JER): a jet with a generator jet is scaled,
``c = 1 + (s - 1) (pt - pt_gen) / pt``, any other one gets a random factor, ``c = 1 + N(0, sigma) sqrt(max(s^2 - 1, 0))``,
with the resolution sigma of simulation and the scale factor s. The generator jet must lie within R/2 and within three
sigma in pT.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


import numpy as np
import numpy.typing as npt

__all__ = ["JERSmear", "generator_pt", "smear_factor"]

FloatArray = npt.NDArray[np.float64]

NO_MATCH = -1.0
"""What stands for "no generator jet", never 0: the JERC group's tool takes 0 for a match."""

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

    The matching is `coffea_mljec.matching` (one to one, nearest pairs first), not the file's ``genJetIdx``, which CMS
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
    """
    raise NotImplementedError


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
        Never below 0.01 GeV / (pt cosh(eta)). 1 where sigma or the scale factor is NaN (not valid), or pT is not
        positive or not finite: such jets are left alone.

    Raises
    ------
    InputError
        Columns that are not flat, of one length, and numeric.
    """
    raise NotImplementedError


class JERSmear:
    """The JERC group's own smearing, ``jer_smear.json.gz``, evaluated by correctionlib.

    Its random numbers are a hash of pT, eta, rho and event: they do not depend on the chunk, but on pT, so jets shifted
    by a JES source draw others.

    Parameters
    ----------
    path : str or Path
        ``jer_smear.json.gz``. Its text is kept and pickled; workers need no access to the file.

    Raises
    ------
    PayloadError
        The file is unreadable or holds no ``JERSmear``.
    """

    def __init__(self, path: str | Path) -> None:
        raise NotImplementedError

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns: ``pt eta pt_gen rho event sigma scale_factor``."""
        raise NotImplementedError

    def factor(self, columns: Mapping[str, npt.ArrayLike]) -> FloatArray:
        """Return smeared / unsmeared pT of each jet.

        Parameters
        ----------
        columns : mapping of str to array_like, shape (n,)
            ``pt eta sigma scale_factor`` and ``pt_gen`` as of `smear_factor` (-1 for none), ``rho`` (GeV) and ``event``
            (of which the 31 lowest bits enter: correctionlib's integers end there, see correctionlib#298).

        Returns
        -------
        ndarray of float64, shape (n,)
            The generator jet counts within three sigma, which the file leaves to its user. Floor and invalid jets as of
            `smear_factor`.
        """
        raise NotImplementedError
