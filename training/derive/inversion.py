"""From a median response at fixed pt_gen to a correction at reconstructed pT, by numerical inversion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.derive.level import LARGEST_PT, Level, Row, mirrored

__all__ = ["Inversion", "invert", "inverted_level"]

Floats = NDArray[np.float64]

_FACTOR = "max(0.0001,[1]+log10(x/[0])*([2]+log10(x/[0])*([3]+log10(x/[0])*[4])))"
_STEP = 1.35
_LEAST_RISE = 1.002


@dataclass(frozen=True)
class Inversion:
    """The correction of one bin of |eta|: a monotone cubic spline of the factor in log10(pT).

    Attributes
    ----------
    pt : float64 array [n]
        Ascending nodes of the pT that is to be corrected, in GeV; beyond the ends the factor stays what it is there.
    coefficients : float64 array [n - 1, 4]
        Between nodes i and i + 1 the factor is the polynomial in log10(pT / pt[i]), constant term first.
    """

    pt: Floats
    coefficients: Floats

    def __call__(self, pt: Floats) -> Floats:
        """Return the factor at reconstructed pT (GeV)."""
        row = np.clip(np.searchsorted(self.pt, pt, side="right") - 1, 0, len(self.coefficients) - 1)
        x = np.log10(np.clip(pt, self.pt[0], self.pt[-1]) / self.pt[row])
        c = self.coefficients[row]
        result: Floats = c[:, 0] + x * (c[:, 1] + x * (c[:, 2] + x * c[:, 3]))
        return result


def invert(response: Callable[[Floats], Floats], lowest: float, highest: float) -> Inversion:
    """Invert a median response, for pt_gen from ``lowest`` to ``highest`` GeV.

    The median of pt_gen x response is a function of pt_gen; where it rises, its inverse maps reconstructed pT to
    pt_gen, and because the median commutes with a rising function, the corrected pT has median pt_gen exactly. A
    correction of 1 / response at equal *reconstructed* pT would not have that. Where the median does not rise, nothing
    could tell the momenta apart, and its nodes are left out.

    Parameters
    ----------
    response : callable
        Median response against pt_gen (GeV), arrays.
    lowest, highest : float
        Beyond them the factor stays what it is there.

    Raises
    ------
    InputError
        If the median rises nowhere.
    """
    from scipy.interpolate import PchipInterpolator

    n_nodes = max(3, round(np.log(highest / lowest) / np.log(_STEP)) + 1)
    generated = np.geomspace(lowest, highest, n_nodes)
    reconstructed = generated * response(generated)
    kept = [0]
    for i in range(1, n_nodes):
        if reconstructed[i] > reconstructed[kept[-1]] * _LEAST_RISE:
            kept.append(i)
    if len(kept) < 2:
        raise InputError(
            f"the median of the pT that is to be corrected does not rise with pt_gen between {lowest:.3g} and "
            f"{highest:.3g} GeV: it cannot be inverted; simulate more events"
        )
    pt = reconstructed[kept]
    spline = PchipInterpolator(np.log10(pt), generated[kept] / pt)
    return Inversion(pt, spline.c[::-1].T.copy())


def inverted_level(level: str, edges: Floats, inversions: Sequence[Inversion]) -> Level:
    """Return a level in bins of eta and pT: cubic in log10(pT) within each, continuous with its slope across them."""
    rows = []
    for eta_low, eta_high, inversion in zip(edges[:-1], edges[1:], inversions, strict=True):
        nodes = inversion.pt
        for i, coefficients in enumerate(inversion.coefficients):
            pt_bin = (0.0 if i == 0 else nodes[i], LARGEST_PT if i == len(nodes) - 2 else nodes[i + 1])
            bins, reach = [(eta_low, eta_high), pt_bin], [(nodes[i], nodes[i + 1])]
            rows.append(Row.create(bins, reach, [nodes[i], *coefficients]))
    return Level(level, "Correction", ("JetEta", "JetPt"), ("JetPt",), _FACTOR, mirrored(rows))
