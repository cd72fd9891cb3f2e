"""How well a score tells signal from background: AUC, accuracy, background rejection, each with its bootstrap error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError

__all__ = ["Rates", "rates", "roc"]

_REPLICAS = 100

Floats = NDArray[np.float64]


class Rates(NamedTuple):
    """What a score achieves; each number with its error.

    Attributes
    ----------
    auc : (float, float)
        Area under the curve of signal efficiency against background efficiency.
    accuracy : (float, float)
        Share that a cut at 1/2 puts right, both classes weighing the same.
    rejection_30, rejection_50 : (float, float)
        1 / background efficiency at 30 and 50 % signal efficiency; infinite where no background is left.
    signal, background : int
        Jets.
    """

    auc: tuple[float, float]
    accuracy: tuple[float, float]
    rejection_30: tuple[float, float]
    rejection_50: tuple[float, float]
    signal: int
    background: int


def roc(score: Floats, signal: NDArray[np.bool_], weight: Floats) -> tuple[Floats, Floats]:
    """Return the efficiencies of signal and of background, from the hardest cut to none, both beginning with 0."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order]) != 0), len(score) - 1)
    curves = []
    for part in (signal, ~signal):
        total = np.cumsum(np.where(part, weight, 0.0)[order])[ends]
        curves.append(np.append(0.0, total / total[-1]))
    return curves[0], curves[1]


def rates(
    score: NDArray[np.floating],
    signal: NDArray[np.bool_],
    weight: NDArray[np.floating] | None = None,
    scatter: NDArray[np.integer] | None = None,
    seed: int = 1,
) -> Rates:
    """Judge a score.

    Parameters
    ----------
    score : float array [n]
        Probability of the signal.
    signal : bool array [n]
        Which jets are signal; the others are background.
    weight : float array [n], optional
        Of the jets: one that makes the spectra of both classes alike, so that pT does not tell them apart.
    scatter : int array [n], optional
        Hard scatter of each jet: those of one are resampled together.
    seed : int
        Of the resampling.

    Raises
    ------
    InputError
        If a class has no jet, or a score is not finite.
    """
    values: Floats = np.asarray(score, np.float64)
    own: Floats = np.ones(len(values)) if weight is None else np.asarray(weight, np.float64)
    for name, part in (("signal", signal), ("background", ~signal)):
        if not (own[part] > 0).any():
            raise InputError(f"no {name} among {len(values)} jets: there is nothing to tell apart")
    if not np.isfinite(values).all():
        raise InputError(f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} scores are NaN or infinite")
    rng = np.random.default_rng(seed)
    found = [_numbers(values, signal, own)]
    together = np.arange(len(own)) if scatter is None else np.unique(scatter, return_inverse=True)[1]
    while len(found) <= _REPLICAS:
        drawn = own * rng.poisson(1.0, int(together.max()) + 1)[together]
        if (drawn[signal] > 0).any() and (drawn[~signal] > 0).any():
            found.append(_numbers(values, signal, drawn))
    table = np.array(found)
    errors = [_spread(column[np.isfinite(column)]) for column in table[1:].T]
    auc, accuracy, rejection_30, rejection_50 = (
        (float(value), error) for value, error in zip(table[0], errors, strict=True)
    )
    return Rates(auc, accuracy, rejection_30, rejection_50, int(signal.sum()), int((~signal).sum()))


def _spread(values: Floats) -> float:
    """Standard deviation; NaN where no background was left in all replicas but one."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _numbers(score: Floats, signal: NDArray[np.bool_], weight: Floats) -> tuple[float, float, float, float]:
    kept, passed = roc(score, signal, weight)
    rejections = []
    for efficiency in (0.3, 0.5):
        share = float(np.interp(efficiency, kept, passed))
        rejections.append(1.0 / share if share > 0.0 else np.inf)
    above = score > 0.5
    right = [float(weight[part & cut].sum() / weight[part].sum()) for part, cut in ((signal, above), (~signal, ~above))]
    return float(np.trapezoid(kept, passed)), 0.5 * sum(right), rejections[0], rejections[1]
