"""How figures look: mplhep's CMS style at the size of ours. matplotlib's global settings stay as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import MLJECError
from coffea_mljec.validation.common.measured import Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "LABEL",
    "MARKERS",
    "PT_TICKS",
    "head",
    "inside",
    "new_figure",
    "points",
    "pt_axis",
    "style",
    "unity",
    "y_range",
]

LABEL = "coffea-mljec simulation"
"""Whose jets are shown; the first word is set as mplhep sets the experiment's name, the others as its status."""

# Black and the six colours that CMS recommends (Petroff, arXiv:2107.02270), told apart by colour-blind readers too; the
# markers say the same again.
COLOURS = ("#000000", "#e42536", "#5790fc", "#f89c20", "#964a8b", "#9c9ca1", "#7a21dd")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

PT_TICKS = (20, 50, 100, 200, 500, 1000, 2000)

# The style is made for figures of 10 inches, ours have 7.5 and are read at half a page's width.
_SETTINGS: Any = {
    "font.size": 16,
    "axes.labelsize": 18,
    "axes.linewidth": 1.6,
    "xtick.labelsize": 15,
    "ytick.labelsize": 15,
    "xtick.major.size": 9,
    "ytick.major.size": 9,
    "xtick.minor.size": 4.5,
    "ytick.minor.size": 4.5,
    "legend.fontsize": 14,
    "savefig.dpi": 110,
    "pdf.fonttype": 42,
}


@contextmanager
def style() -> Iterator[None]:
    """Put the style in force; figures must be made and saved inside.

    Raises
    ------
    MLJECError
        If matplotlib or mplhep is not installed.
    """
    try:
        import matplotlib
        import mplhep
    except ImportError:
        raise MLJECError(
            "plots need matplotlib and mplhep, and not both are installed; pip install 'coffea-mljec[plot]'."
        ) from None
    with matplotlib.rc_context({**mplhep.style.CMS, **_SETTINGS}):
        yield


def new_figure(
    rows: int, columns: int, size: tuple[float, float], margins: tuple[float, float, float, float], **options: Any
) -> tuple[Figure, Any]:
    """A figure without a display, and its axes.

    Parameters
    ----------
    rows, columns : int
    size : (width, height)
        In inches.
    margins : (left, right, bottom, top)
        In inches; an automatic layout doubles the time.
    **options
        Of ``Figure.subplots``; ``wspace`` and ``hspace`` between the axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    left, right, bottom, top = margins
    spaces = {name: options.pop(name) for name in ("wspace", "hspace") if name in options}
    figure.subplots_adjust(left / size[0], bottom / size[1], 1.0 - right / size[0], 1.0 - top / size[1], **spaces)
    return figure, figure.subplots(rows, columns, **options)


def points(
    axes: Axes,
    edges: Sequence[float],
    measured: Sequence[Measured],
    index: int,
    name: str | None,
    *,
    widths: bool = True,
    line: bool = False,
    hollow: bool = False,
) -> npt.NDArray[np.float64]:
    """Draw numbers in bins with their errors; return those that have a value.

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
    widths, line, hollow : bool
        Horizontal bars over the bins; a line from point to point; open markers, for the second of a pair.
    """
    low, high = np.asarray(edges[:-1], float), np.asarray(edges[1:], float)
    centres = np.sqrt(low * high) if axes.get_xscale() == "log" else 0.5 * (low + high)
    values = np.array([np.nan if m.value is None else m.value for m in measured])
    errors = np.array([0.0 if m.error is None else m.error for m in measured])
    known = np.isfinite(values)
    axes.errorbar(
        centres[known],
        values[known],
        yerr=errors[known],
        xerr=(centres[known] - low[known], high[known] - centres[known]) if widths else None,
        fmt=MARKERS[index % len(MARKERS)] + ("-" if line else ""),
        color=COLOURS[index % len(COLOURS)],
        markerfacecolor="white" if hollow else COLOURS[index % len(COLOURS)],
        markersize=5.5,
        elinewidth=1.2,
        linewidth=1.0,
        label=name,
    )
    return values[known]


def pt_axis(axes: Axes, edges: Sequence[float], label: str) -> None:
    """A logarithmic axis over the edges (GeV) with ticks that people read."""
    axes.set_xscale("log")
    low, high = max(edges[0], 1.0), edges[-1]
    axes.set_xlim(low, high)
    ticks = [tick for tick in (5, 10, *PT_TICKS) if low <= tick <= high]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlabel(label)


def head(axes: Axes, label: str, right: str = "") -> None:
    """Write above the axes: the label on the left, what is shown on the right."""
    import mplhep

    name, _, status = label.partition(" ")
    # scilocator_adjust would render the whole figure first, to look for a power of ten above the axis: none is there.
    mplhep.label.exp_text(
        exp=name,
        text=status,
        lumi=right or None,
        ax=axes,
        loc=0,
        fontsize=(19.0, 15.0, 14.0, 12.0),
        scilocator_adjust=False,
    )


def inside(axes: Axes, text: str) -> None:
    """Write into the upper left corner."""
    axes.text(0.05, 0.95, text, transform=axes.transAxes, fontsize=14, va="top")


def unity(axes: Axes) -> None:
    """A thin line at 1, behind everything."""
    axes.axhline(1.0, color="0.6", linewidth=1.0, linestyle="--", zorder=0)


def y_range(
    axes: Axes, drawn: Sequence[npt.NDArray[np.float64]], floor: float, include: float, headroom: float = 0.4
) -> None:
    """Limits around the values, not around the longest error bar, with room for a legend above."""
    values = np.concatenate([*drawn, [include - floor, include + floor]])
    low, high = float(values.min()), float(values.max())
    axes.set_ylim(low - 0.15 * (high - low), high + headroom * (high - low))
