"""What the measurements in situ share: bins of pT and |eta|, tables, the extrapolation to events without more jets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec.validation.common.accumulated import Accumulated
from coffea_mljec.validation.common.events import checked_edges
from coffea_mljec.validation.common.measured import Measured, measured
from coffea_mljec.validation.common.measurement import MeasurementProcessor, MeasurementSummary
from coffea_mljec.validation.common.statistics import line_at_zero
from coffea_mljec.validation.common.table import without_repeats

__all__ = [
    "ETA_LIMIT",
    "LOWEST_PT",
    "MIN_POINTS",
    "Binned",
    "InSituProcessor",
    "InSituSummary",
    "extrapolated",
    "in_bins",
    "rows_of_cells",
    "selected_events",
]

_Floats = npt.NDArray[np.float64]

ETA_LIMIT = 5.2
"""Largest |eta| of jets."""

LOWEST_PT = 15.0
"""GeV: NanoAOD holds no jets below, so that a cut on a further jet below that means nothing."""

MIN_POINTS = 3
"""Cuts on the further jet that an extrapolation needs."""


@dataclass(frozen=True)
class InSituSummary(MeasurementSummary):
    """What the summaries in situ share.

    Attributes
    ----------
    selected : dict of str to int
        Provider -> events.
    estimator : str
        Of locations and widths: `coffea_mljec.validation.common.widths.ESTIMATORS`.
    eta_edges, pt_edges : list of float
        Of the cells; pT in GeV.
    """

    selected: dict[str, int]
    estimator: str
    eta_edges: list[float]
    pt_edges: list[float]


class InSituProcessor(MeasurementProcessor):
    """A measurement in bins of pT (GeV) and |eta|: `pt_edges`, `eta_edges`."""

    pt_edges: tuple[float, ...]
    eta_edges: tuple[float, ...]

    @final
    def _set_bins(self, pt_edges: Sequence[float], eta_edges: Sequence[float]) -> None:
        """Check and keep the edges."""
        self.pt_edges = checked_edges("pt_edges", pt_edges)
        self.eta_edges = checked_edges("eta_edges", eta_edges)

    @final
    def _cell_axes(self, pt: str, eta: str = "|eta|") -> tuple[Any, Any]:
        """Axes ``pt`` and ``abs_eta`` with these labels; what lies outside is selected away before."""
        return (
            hist.axis.Variable(self.pt_edges, name="pt", label=pt, flow=False),
            hist.axis.Variable(self.eta_edges, name="abs_eta", label=eta, flow=False),
        )


class Binned:
    """The bins of a histogram in situ, and the fields of `InSituSummary` that follow from it."""

    def __init__(self, histogram: hist.Hist[Any]) -> None:
        self.histogram = histogram
        self.eta_edges: list[float] = histogram.axes["abs_eta"].edges.tolist()
        self.pt_edges: list[float] = histogram.axes["pt"].edges.tolist()

    def cells(self) -> Iterator[tuple[int, list[float], int, list[float]]]:
        """Number and limits of each bin of |eta|, and in it of each bin of pT."""
        for e, eta in enumerate(pairwise(self.eta_edges)):
            for t, pt in enumerate(pairwise(self.pt_edges)):
                yield e, list(eta), t, list(pt)

    def shared(self, accumulated: Accumulated, estimator: str) -> dict[str, Any]:
        """Fields of `InSituSummary` by name."""
        return accumulated.shared(self.histogram) | {
            "selected": accumulated.counts("selected"),
            "estimator": estimator,
            "eta_edges": self.eta_edges,
            "pt_edges": self.pt_edges,
        }


def in_bins(cells: Iterable[Any], edges: Sequence[float], name: str) -> list[Measured]:
    """One number of each cell, bin by bin of pT; nothing where there is no cell."""
    found = {tuple(cell.pt): getattr(cell, name) for cell in cells}
    return [found.get(limits, Measured(None, None)) for limits in pairwise(edges)]


def rows_of_cells(
    cells: Iterable[Any], place: Callable[[Any], str], numbers: Callable[[Any], tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """Rows of a table: where (from `place`), pT, provider, events, and the numbers of each cell."""
    return without_repeats(
        (place(cell), f"{cell.pt[0]:g}-{cell.pt[1]:g}", cell.provider, f"{cell.events}", *numbers(cell))
        for cell in cells
    )


def selected_events(summary: InSituSummary) -> str:
    """How many events each provider's jets selected, for a page."""
    return " ".join(f"{name}: {count:,};" for name, count in summary.selected.items()).rstrip(";")


def extrapolated(
    cuts: Sequence[tuple[int, float]],
    number: Callable[[slice], int],
    values: Callable[[slice], _Floats],
    min_events: int,
) -> Measured:
    """A number without further jets: the straight line through its values with ever softer cuts, at zero.

    Parameters
    ----------
    cuts : sequence of (int, float)
        Bins of alpha, the further jet's pT over the average or the reference's, and their upper edges.
    number, values : callable of slice
        Events with alpha in these bins, and the number in every replica.
    min_events : int
        Below the hardest cut.
    """
    below = [slice(k + 1) for k, _ in cuts]
    numbers = [number(bins) for bins in below]
    if len(cuts) < MIN_POINTS or numbers[0] < min_events:
        return measured(np.full(1, np.nan))
    points = np.stack([values(bins) for bins in below])
    return measured(line_at_zero(np.array([alpha for _, alpha in cuts]), points, np.array(numbers, np.float64)))
