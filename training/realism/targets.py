"""The targets: numbers of CMS and of the reference thesis (``targets.json``), and where each comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["JER_ETA_EDGES", "Resolution", "jer", "targets"]

#: |eta| bins of CMS's resolution payloads (Summer19UL17_JRV2, Summer19UL18_JRV2), which the targets' points stand for.
JER_ETA_EDGES = np.array([0.0, 0.5, 0.8, 1.1, 1.3, 1.7, 1.9, 2.1, 2.3, 2.5, 2.8, 3.0, 3.2, 4.7])


@dataclass(frozen=True)
class Resolution:
    """Relative resolution of CMS in simulation, the Gaussian core's sigma.

    Attributes
    ----------
    tag, source : str
    rho, abs_eta, pt : float64 arrays
        The points, ascending; rho and pt in GeV.
    sigma : float64 array [rho, abs_eta, pt]
        NaN where kinematics allow no jets.
    """

    tag: str
    source: str
    rho: NDArray[np.float64]
    abs_eta: NDArray[np.float64]
    pt: NDArray[np.float64]
    sigma: NDArray[np.float64]

    def at(self, eta_bin: int, rho: float, pt: float) -> float:
        """Return sigma at one point; see `of_jets`."""
        return float(self.of_jets(eta_bin, np.array([rho]), np.array([pt]))[0])

    def of_jets(self, eta_bin: int, rho: NDArray[np.float64], pt: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sigma in one bin of |eta|, arrays [n] in GeV.

        ln(sigma) is linear in ln(pt) between the points, sigma then linear in rho, held beyond the ends; NaN more than
        a fifth above the last pT.
        """
        curves = self.sigma[:, eta_bin]
        known = np.isfinite(curves).all(axis=0)
        if not known.any():
            return np.full(len(pt), np.nan)
        x, ends = np.log(pt), np.log(self.pt[known])
        at_pt = np.stack([np.exp(np.interp(x, ends, np.log(row[known]))) for row in curves])
        low = np.clip(np.searchsorted(self.rho, rho) - 1, 0, len(self.rho) - 2)
        share = np.clip((rho - self.rho[low]) / (self.rho[low + 1] - self.rho[low]), 0.0, 1.0)
        column = np.arange(len(pt))
        sigma = (1.0 - share) * at_pt[low, column] + share * at_pt[low + 1, column]
        return np.where(x > ends[-1] + np.log(1.2), np.nan, sigma)


@cache
def targets() -> dict[str, Any]:
    """Return the content of ``targets.json``."""
    content: dict[str, Any] = json.loads(Path(__file__).with_name("targets.json").read_text())
    return content


@cache
def jer(tag: str = "Summer19UL18_JRV2_MC") -> Resolution:
    """Return the resolution of one campaign."""
    found = targets()["jer"]
    rho, abs_eta, pt = (np.array(found[name], np.float64) for name in ("rho", "abs_eta", "pt"))
    # float64 turns None into NaN.
    return Resolution(tag, found["source"], rho, abs_eta, pt, np.array(found["tags"][tag], np.float64))
