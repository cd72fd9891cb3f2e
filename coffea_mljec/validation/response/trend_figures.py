"""Figures of how median and resolution depend on |eta|, rho and the number of vertices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coffea_mljec.validation.common.style import head, inside, new_figure, points, unity, y_range
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
_WANTED = ("30-50", "100-300")
_REGIONS = {"central": r"$|\eta_{\mathrm{gen}}| < 2.5$", "forward": r"$2.5 < |\eta_{\mathrm{gen}}| < 5$", "all": ""}


def draw_trends(summary: Summary, save: Callable[[str, Figure], Any], label: str) -> None:
    """Draw ``<variable>_<region>``: medians, resolutions and their ratio to the standard's, in two ranges of pT.

    Parameters
    ----------
    summary : Summary
    save : callable of (name, figure)
    label : str
        Above each figure.
    """
    for variable in _AXES:
        for region in _REGIONS:
            found = [t for t in summary.trends if (t.variable, t.region) == (variable, region)]
            intervals = list(dict.fromkeys(t.interval for t in found))
            wanted = [name for name in _WANTED if name in intervals] or intervals[:2]
            shown = [[t for t in found if t.interval == interval] for interval in wanted]
            if any(jets for column in shown for trend in column for jets in trend.jets):
                save(f"{variable}_{region}", _trend(summary, shown, label, region))


def _trend(summary: Summary, columns: list[list[Trend]], label: str, region: str) -> Figure:
    count = len(columns)
    figure, grid = new_figure(
        3,
        count,
        (5.6 * count + 1.2, 9.0),
        (1.1, 0.25, 0.85, 0.45),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=(1.5, 1.5, 1.0),
        wspace=0.06,
        hspace=0.08,
    )
    drawn: dict[str, list[Any]] = {"median": [], "resolution": [], "ratio": []}
    for column, trends in enumerate(columns):
        head(grid[0, column], label if column == 0 else "", _REGIONS[region] if column == count - 1 else "")
        inside(grid[0, column], trends[0].interval.replace("-", " to ").replace(">", "> ") + " GeV")
        for trend in trends:
            index = summary.providers.index(trend.provider)
            for row, name in enumerate(drawn):
                if name == "ratio" and trend.provider == summary.standard:
                    continue
                shown = points(grid[row, column], trend.edges, getattr(trend, name), index, trend.provider)
                drawn[name].append(shown)
        unity(grid[0, column])
        unity(grid[2, column])
        grid[2, column].set_xlim(trends[0].edges[0], trends[0].edges[-1])
        grid[2, column].set_xlabel(_AXES[trends[0].variable])
    for row, (name, words) in enumerate(
        (("median", "Median response"), ("resolution", r"$(Q_{75} - Q_{25}) \,/\, Q_{50}$"), ("ratio", "Ratio"))
    ):
        grid[row, 0].set_ylabel(words if name != "ratio" else f"Ratio to\n{summary.standard}", fontsize=15)
        if name == "resolution":
            highest = max((float(values.max()) for values in drawn[name] if len(values)), default=0.4)
            grid[row, 0].set_ylim(0.0, 1.25 * highest)
        else:
            y_range(grid[row, 0], drawn[name], floor=0.02, include=1.0, headroom=0.45 if row == 0 else 0.15)
    grid[0, -1].legend(loc="upper right", columnspacing=1.0, handletextpad=0.4)
    return figure
