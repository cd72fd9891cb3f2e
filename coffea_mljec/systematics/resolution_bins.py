"""The bins in which the uncertainty of the resolution is varied by itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["RESOLUTION_BINS", "ResolutionBin"]


class ResolutionBin(NamedTuple):
    """A range of abs(eta) and one of pT (GeV), lower bounds included.

    Attributes
    ----------
    name : str
        JERC's, after ``CMS_res_j_``; the variation is ``JER_<name>``.
    """

    name: str
    abs_eta: tuple[float, float]
    pt: tuple[float, float]

    def of(self, eta: npt.NDArray[np.floating], pt: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Which jets lie in it, by their smeared pT, shape (n,)."""
        away = np.abs(eta)
        (low, high), (least, most) = self.abs_eta, self.pt
        return (away >= low) & (away < high) & (pt >= least) & (pt < most)


_ANY = (0.0, np.inf)

# Bins and order of nanoAOD-tools and CMSJMECalculators (jer0 to jer5), which leave no jet out; names of the JERC
# group's example (github.com/ravindkv/cms-jerc-application), whose last bins end at 5.
RESOLUTION_BINS = (
    ResolutionBin("eta0to1p93_pt0toInf", (0.0, 1.93), _ANY),
    ResolutionBin("eta1p93to2p5_pt0toInf", (1.93, 2.5), _ANY),
    ResolutionBin("eta2p5to3p0_pt0to50", (2.5, 3.0), (0.0, 50.0)),
    ResolutionBin("eta2p5to3p0_pt50toInf", (2.5, 3.0), (50.0, np.inf)),
    ResolutionBin("eta3to5_pt0to50", (3.0, np.inf), (0.0, 50.0)),
    ResolutionBin("eta3to5_pt50toInf", (3.0, np.inf), (50.0, np.inf)),
)
