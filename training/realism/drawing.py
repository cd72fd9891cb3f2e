"""What all figures of the report share: axes in pT, labels, bands, text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.style import LABEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TARGET", "centres", "head", "panels", "pt_axis", "text_inside"]

#: Colour of targets.
TARGET = "0.45"
PT_GEN = r"$p_{\mathrm{T}}^{\mathrm{gen}}$ (GeV)"


def panels(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """Return a figure of ``size`` inches and its axes as an array [rows, columns]."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def head(axes: Axes, right: str = "") -> None:
    """Write whose jets these are above a panel, and what it shows at its right."""
    axes.set_title(LABEL, loc="left", fontsize=13, fontweight="bold")
    axes.set_title(right, loc="right", fontsize=13)


def text_inside(axes: Axes, text: str, x: float = 0.05, y: float = 0.95) -> None:
    """Write into a panel's upper left corner."""
    axes.text(
        x, y, text, transform=axes.transAxes, fontsize=12, va="top" if y > 0.5 else "bottom",
        ha="left" if x < 0.5 else "right",
    )  # fmt: skip


def pt_axis(
    axes: Axes, low: float, high: float, label: str = PT_GEN,
    ticks: Sequence[int] = (20, 50, 100, 200, 500, 1000, 2000),
) -> None:  # fmt: skip
    """Make the x axis one of transverse momentum, in GeV and logarithmic."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, [str(tick) for tick in shown])
    axes.tick_params(axis="x", which="minor", labelbottom=False)
    axes.set_xlabel(label)


def centres(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the middles of bins in the logarithm."""
    return np.sqrt(edges[1:] * edges[:-1])
