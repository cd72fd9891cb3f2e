"""Smooth curves and surfaces through measured points: B-splines held smooth by a penalty (P-splines).

How smooth is decided by the points themselves: the strengths of the penalties are those with the smallest expected
error of prediction, chi^2 + 2 x 1.4 x (effective number of parameters). The 1.4 leans to the smooth side, since points
of one event are correlated.

Source: P. H. C. Eilers, B. D. Marx, Stat. Sci. 11 (1996) 89; the 1.4: Y.-J. Kim, C. Gu, J. R. Stat. Soc. B 66 (2004)
337.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri

__all__ = ["Axis", "smooth_curve", "smooth_surface"]

Floats = NDArray[np.float64]
Strengths = tuple[int, ...]

_DEGREE = 3
_WEAKEST, _STRONGEST = -4, 4  # powers of ten
_CAUTION = 1.4
# Keeps what no point constrains finite; nine orders below what a point weighs.
_RIDGE = 1e-9


@dataclass(frozen=True)
class Axis:
    """One variable of a spline: ascending ``breaks`` [k], between which it is a cubic.

    The penalty is on the second differences of neighbouring coefficients: where breaks are dense, the spline may bend
    faster.
    """

    breaks: Floats

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return len(self.breaks) + _DEGREE - 1

    def design(self, x: Floats) -> Floats:
        """Return the B-splines at ``x`` [n], clamped to the breaks: [n, size]."""
        knots = np.concatenate([[self.breaks[0]] * _DEGREE, self.breaks, [self.breaks[-1]] * _DEGREE])
        inside = np.clip(x, self.breaks[0], self.breaks[-1])
        dense: Floats = BSpline.design_matrix(inside, knots, _DEGREE).toarray()
        return dense

    def penalty(self) -> Floats:
        """Return the matrix of the penalty, [size, size]."""
        differences = np.diff(np.eye(self.size), 2, axis=0)
        result: Floats = differences.T @ differences
        return result


def smooth_curve(axis: Axis, x: Floats, y: Floats, error: Floats) -> Callable[[Floats], Floats]:
    """Fit a curve to points (x, y +- error), arrays [n], and return it as a function."""
    coefficients, _ = _fit(axis.design(x), y, error, [axis.penalty()], None)
    return lambda at: axis.design(np.asarray(at, dtype=np.float64)) @ coefficients


def smooth_surface(
    axes: tuple[Axis, Axis], x: Floats, y: Floats, value: Floats, error: Floats, strengths: Strengths | None = None
) -> tuple[Callable[[Floats, Floats], Floats], Strengths]:
    """Fit a surface to points (x, y, value +- error), arrays [n].

    Returns
    -------
    callable
        The surface as a function of x and y, arrays [n].
    tuple of int
        The strengths of the two penalties (powers of ten), chosen or as given.
    """
    first, second = axes
    penalties = [
        np.asarray(np.kron(one, other), np.float64)
        for one, other in ((first.penalty(), np.eye(second.size)), (np.eye(first.size), second.penalty()))
    ]

    def design(at_x: Floats, at_y: Floats) -> Floats:
        rows = first.design(at_x)[:, :, None] * second.design(at_y)[:, None, :]
        return rows.reshape(len(rows), -1)

    coefficients, strengths = _fit(design(x, y), value, error, penalties, strengths)
    table = coefficients.reshape(first.size, second.size)

    def surface(at_x: Floats, at_y: Floats) -> Floats:
        result: Floats = np.einsum("ni,ij,nj->n", first.design(at_x), table, second.design(at_y), optimize=True)
        return result

    return surface, strengths


def _fit(
    design: Floats, y: Floats, error: Floats, penalties: Sequence[Floats], strengths: Strengths | None
) -> tuple[Floats, Strengths]:
    weighted = design / error[:, None]
    target = y / error
    normal = weighted.T @ weighted
    right = weighted.T @ target
    # In units of what a typical coefficient is known to, strengths mean the same whatever the unit of y.
    scale = float(np.trace(normal)) / len(normal)
    ridge = _RIDGE * scale * np.eye(len(normal))
    tried: dict[Strengths, tuple[float, Floats]] = {}

    def attempt(powers: Strengths) -> float:
        if powers not in tried:
            matrix = normal + ridge
            for power, penalty in zip(powers, penalties, strict=True):
                matrix = matrix + scale * 10.0**power * penalty
            factor = cho_factor(matrix, lower=True)
            coefficients = cho_solve(factor, right)
            lower, _ = dpotri(factor[0], lower=1)
            # trace(inverse x normal) from the inverse's lower triangle.
            inverse = np.tril(lower)
            parameters = 2.0 * float(np.sum(inverse * normal)) - float(np.sum(np.diag(inverse) * np.diag(normal)))
            misfit = float(np.sum((weighted @ coefficients - target) ** 2))
            tried[powers] = misfit + 2.0 * _CAUTION * parameters, coefficients
        return tried[powers][0]

    best = (0,) * len(penalties) if strengths is None else strengths
    while True:
        attempt(best)
        near = [] if strengths is not None else [
            powers
            for powers in product(*(range(power - 1, power + 2) for power in best))
            if all(_WEAKEST <= power <= _STRONGEST for power in powers)
        ]  # fmt: skip
        step = min(near, key=attempt, default=best)
        if step == best:
            return tried[best][1], best
        best = step
