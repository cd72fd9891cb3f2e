"""Numbers in bins as points with error bars, and axes that end where they end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.common.style import colour, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["filled_range", "from_zero", "points", "y_range"]

_MOST_WITH_WIDTHS = 3


def points(
    axes: Axes,
    edges: Sequence[float],
    measured: Sequence[Measured],
    index: int,
    name: str | None,
    *,
    beside: int = 1,
    widths: bool = True,
    joined: bool = False,
    hollow: bool = False,
) -> npt.NDArray[np.float64]:
    """Draw numbers in bins with their errors. Without any that has a value, the legend has no entry.

    Parameters
    ----------
    axes : Axes
        Its x axis already has its scale: on a logarithmic one a bin's centre is the geometric mean.
    edges : sequence of float
        Of the bins, one more than `measured`.
    index : int
        Of the colour and the marker.
    name : str or None
        In the legend.
    beside : int
        Of how many curves of the figure this is one: a bin's points stand side by side, in the order of `index`.
    widths, joined, hollow : bool
        Horizontal bars over the bins, of a few curves; a line from point to point; open markers, for the second of a
        pair.

    Returns
    -------
    ndarray of shape (n, 2)
        The values drawn and their errors, for the limits of the axis.
    """
    low, high = np.asarray(edges[:-1], float), np.asarray(edges[1:], float)
    centres = _side_by_side(np.asarray(edges, float), index % beside, beside, axes.get_xscale() == "log")
    values = np.array([np.nan if m.value is None else m.value for m in measured])
    errors = np.array([0.0 if m.error is None else m.error for m in measured])
    known = np.isfinite(values)
    drawn = np.stack((values[known], errors[known]), axis=1)
    if not known.any():
        return drawn
    axes.errorbar(
        centres[known],
        values[known],
        yerr=errors[known],
        xerr=(centres[known] - low[known], high[known] - centres[known])
        if widths and beside <= _MOST_WITH_WIDTHS
        else None,
        fmt=marker(index) + ("-" if joined else ""),
        color=colour(index),
        markerfacecolor="white" if hollow else colour(index),
        markersize=5.5,
        elinewidth=1.2,
        linewidth=1.0,
        label=name,
    )
    return drawn


def _side_by_side(
    edges: npt.NDArray[np.float64], index: int, beside: int, logarithmic: bool
) -> npt.NDArray[np.float64]:
    """Where in each bin the point of a curve stands: a little apart, and within the middle of the bin."""
    scale = np.log(edges) if logarithmic else edges
    width = np.diff(scale)
    step = np.minimum(min(0.12, 0.6 / beside) * width, 0.012 * (scale[-1] - scale[0]))
    places = scale[:-1] + 0.5 * width + (index - 0.5 * (beside - 1)) * step
    return np.asarray(np.exp(places) if logarithmic else places)


def filled_range(edges: Sequence[float], *curves: Sequence[Measured]) -> tuple[float, float]:
    """From the first to the last bin in which any curve has a value; all bins if none has."""
    filled = [k for k in range(len(edges) - 1) if any(curve[k].value is not None for curve in curves)]
    return (edges[filled[0]], edges[filled[-1] + 1]) if filled else (edges[0], edges[-1])


def from_zero(axes: Axes, drawn: Sequence[npt.NDArray[np.float64]], headroom: float = 1.35) -> None:
    """Limits from zero, with room for a legend above the highest value; `drawn` as `points` returns it."""
    _, highest = _ends(drawn, (0.0, 0.4))
    axes.set_ylim(0.0, headroom * highest)


def y_range(
    axes: Axes, drawn: Sequence[npt.NDArray[np.float64]], floor: float, include: float, headroom: float = 0.4
) -> None:
    """Limits around values and errors, with room for a legend above.

    Parameters
    ----------
    drawn : sequence of ndarray
        As `points` returns it.
    floor, include : float
        The limits reach at least `floor` above and below `include`.
    headroom : float
        Room above, as a share of the range.
    """
    found = _ends(drawn, (include, include))
    low, high = min(found[0], include - floor), max(found[1], include + floor)
    axes.set_ylim(low - 0.08 * (high - low), high + headroom * (high - low))


def _ends(drawn: Sequence[npt.NDArray[np.float64]], nothing: tuple[float, float]) -> tuple[float, float]:
    """Lowest and highest end of the error bars; of those longer than twice the usual one, only as much is counted."""
    values, errors = np.concatenate([*drawn, np.empty((0, 2))]).T
    if not len(values):
        return nothing
    counted = np.minimum(errors, 2.0 * np.median(errors))
    return float(np.min(values - counted)), float(np.max(values + counted))
