"""How figures look: mplhep's CMS style at the size of ours. matplotlib's global settings stay as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from coffea_mljec.errors import MLJECError
from coffea_mljec.validation.common.caption import Caption

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BEHIND_TEXT",
    "COLOURS",
    "LABEL",
    "LINES",
    "MARKERS",
    "PT_TICKS",
    "REGION_TEXT",
    "colour",
    "head",
    "heads",
    "inside",
    "legend",
    "line",
    "marker",
    "new_figure",
    "pt_axis",
    "shared_legend",
    "style",
    "too_few",
    "unity",
    "with_ratio",
]

LABEL = "coffea-mljec simulation"
"""Of this project's simulation; mplhep sets the first word as the experiment's name, the others as its status."""

# Black, colours that CMS recommends (Petroff, arXiv:2107.02270) and a green (Okabe and Ito): any two of the first
# eight are far apart, for colour-blind readers too. Markers and lines say the same again. Ten markers beside nine
# colours: no pair of them comes twice among the first ninety.
COLOURS = ("#000000", "#e42536", "#5790fc", "#f89c20", "#009e73", "#7a21dd", "#86c8dd", "#964a8b", "#9c9ca1")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", ">")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

BEHIND_TEXT: Any = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
"""Box of a text in a panel: nothing that is drawn runs through it."""

REGION_TEXT = {"central": r"$|\eta_{\mathrm{gen}}| < 2.5$", "forward": r"$2.5 < |\eta_{\mathrm{gen}}| < 5$", "all": ""}
"""Regions of `binning.REGIONS` as figures write them."""

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
    # Nothing that is drawn runs through a legend.
    "legend.frameon": True,
    "legend.facecolor": "white",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
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


def with_ratio(label: str, right: str, heights: tuple[float, float] = (2.4, 1.0)) -> tuple[Figure, Axes, Axes]:
    """A figure of two panels above one another with one x axis, the lower one for a ratio; both logarithmic in x."""
    figure, (axes, ratio) = new_figure(
        2, 1, (7.5, 7.5), (1.0, 0.25, 0.85, 0.45), sharex=True, height_ratios=heights, hspace=0.08
    )
    head(axes, label, right)
    for part in (axes, ratio):
        part.set_xscale("log")
    unity(ratio)
    return figure, axes, ratio


def colour(index: int) -> str:
    """The colour of the provider or flavour of this number."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """Its marker."""
    return MARKERS[index % len(MARKERS)]


def line(index: int) -> Any:
    """The line of its histogram, which has no markers."""
    return LINES[index % len(LINES)]


def pt_axis(axes: Axes, limits: tuple[float, float], label: str) -> None:
    """A logarithmic axis from the lowest to the highest edge that is filled (GeV), with ticks that people read."""
    axes.set_xscale("log")
    low, high = max(limits[0], 1.0), limits[1]
    axes.set_xlim(low, high)
    ticks = [tick for tick in (5, 10, *PT_TICKS) if low <= tick <= high]
    if len(ticks) < 3:
        ticks = sorted({*ticks, *(tick for tick in (30, 70, 150, 300, 700, 1500) if low <= tick <= high)})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.tick_params(axis="x", which="minor", labelbottom=False)
    axes.set_xlabel(label)


def legend(axes: Axes, most: int = 4, **options: Any) -> None:
    """A legend of what is drawn, in the upper right corner; in two columns if it has more than `most` entries."""
    handles, names = axes.get_legend_handles_labels()
    if not handles:
        return
    many = len(names) > most
    chosen = {"loc": "upper right", "ncols": 2 if many else 1, "fontsize": 12 if many else 14} | options
    axes.legend(handles, names, columnspacing=1.0, handletextpad=0.4, **chosen)


def shared_legend(grid: npt.NDArray[Any], shown: int) -> None:
    """The legend of a grid of panels with the same entries: where a panel is free, else in the first row's last one."""
    panels = list(grid.flat)
    for axes in panels[shown:]:
        axes.set_axis_off()
    if shown == len(panels):
        legend(grid[0, -1], most=5, fontsize=11)
        return
    handles, names = panels[0].get_legend_handles_labels()
    panels[shown].legend(handles, names, loc="center", fontsize=14)


def too_few(axes: Axes, what: str = "too few jets") -> None:
    """Say in the middle of a panel why nothing is drawn there."""
    axes.text(0.5, 0.5, what, transform=axes.transAxes, fontsize=14, color="0.5", ha="center", va="center")


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


def heads(row: Sequence[Axes], caption: Caption) -> None:
    """The label above the first panel of a row, what is shown above the last."""
    if len(row) == 1:
        head(row[0], caption.whose, caption.right)
        return
    head(row[0], caption.whose)
    head(row[-1], "", caption.right)


def inside(axes: Axes, text: str) -> None:
    """Write into the upper left corner."""
    axes.text(0.05, 0.95, text, transform=axes.transAxes, fontsize=14, va="top", bbox=BEHIND_TEXT)


def unity(axes: Axes) -> None:
    """A thin line at 1, behind everything."""
    axes.axhline(1.0, color="0.6", linewidth=1.0, linestyle="--", zorder=0)
