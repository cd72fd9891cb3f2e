"""Figures of how median and resolution depend on |eta|, rho and the number of vertices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.points import filled_range, from_zero, points, y_range
from coffea_mljec.validation.common.section import Drawing
from coffea_mljec.validation.common.style import REGION_TEXT, heads, inside, legend, new_figure, unity
from coffea_mljec.validation.response.summary import Summary
from coffea_mljec.validation.response.trend import Trend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_trends"]

_AXES = {
    "abs_eta": r"$|\eta_{\mathrm{gen}}|$",
    "rho": r"$\rho$ (GeV)",
    "npv": "Good primary vertices",
}
_IN_WORDS = {
    "abs_eta": "|eta| of the generator jet",
    "rho": "rho, the energy density of pileup",
    "npv": "the number of vertices",
}
_WANTED = ("30-50", "100-300")
_MIN_BINS = 3
_ROWS = {"median": "Median response", "resolution": r"$(Q_{75} - Q_{25}) \,/\, Q_{50}$", "ratio": "Ratio to\n"}


def draw_trends(summary: Summary, caption: Caption) -> Iterator[Drawing]:
    """Draw ``<variable>_<region>``: medians, resolutions and their ratio to the standard's, in two ranges of pT.

    Parameters
    ----------
    summary : Summary
    caption : Caption
        Above each figure.

    Yields
    ------
    Drawing
        None of ranges with fewer than three bins that have a value: two say nothing of a trend.
    """
    for variable, words in _IN_WORDS.items():
        for region, where in REGION_TEXT.items():
            found = [t for t in summary.trends if (t.variable, t.region) == (variable, region)]
            known = list(dict.fromkeys(t.interval for t in found if _bins(t) >= _MIN_BINS and t.interval != ">30"))
            wanted = [name for name in _WANTED if name in known] or known[:2]
            shown = [[t for t in found if t.interval == interval] for interval in wanted]
            if shown:
                ending = f"; {region}." if where else "."
                text = f"Median, resolution and ratio against {words}{ending}"
                yield Drawing(
                    f"{variable}_{region}", "pileup", text, _trend(summary, shown, caption), wide=len(shown) > 1
                )


def _bins(trend: Trend) -> int:
    return sum(number.value is not None for number in trend.median)


def _trend(summary: Summary, columns: Sequence[Sequence[Trend]], caption: Caption) -> Figure:
    count = len(columns)
    figure, grid = new_figure(
        3,
        count,
        (5.6 * count + 1.35, 9.0),
        (1.1, 0.25, 0.85, 0.45),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=(1.5, 1.5, 1.0),
        wspace=0.1,
        hspace=0.08,
    )
    drawn: dict[str, list[Any]] = {name: [] for name in _ROWS}
    for column, trends in enumerate(columns):
        words = trends[0].interval.replace("-", " to ").replace(">", "> ")
        inside(grid[0, column], f"{words} GeV\n{REGION_TEXT[trends[0].region]}")
        for trend in trends:
            index = summary.providers.index(trend.provider)
            for row, name in enumerate(_ROWS):
                if name == "ratio" and trend.provider == summary.standard:
                    continue
                values = points(
                    grid[row, column], trend.edges, getattr(trend, name), index, trend.provider, beside=len(trends)
                )
                drawn[name].append(values)
        unity(grid[0, column])
        unity(grid[2, column])
        grid[2, column].set_xlabel(_AXES[trends[0].variable])
    shown = [trend for trends in columns for trend in trends]
    grid[2, 0].set_xlim(*filled_range(shown[0].edges, *(trend.median for trend in shown)))
    for row, (name, words) in enumerate(_ROWS.items()):
        grid[row, 0].set_ylabel(words + (summary.standard if name == "ratio" else ""), fontsize=15)
    y_range(grid[0, 0], drawn["median"], floor=0.02, include=1.0, headroom=0.35 if len(summary.providers) <= 4 else 0.6)
    from_zero(grid[1, 0], drawn["resolution"], 1.25)
    y_range(grid[2, 0], drawn["ratio"], floor=0.02, include=1.0, headroom=0.15)
    heads(grid[0], caption)
    legend(grid[0, -1])
    return figure
