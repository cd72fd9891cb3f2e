"""The figures of studies: learning curve, alpha against beta, loss against cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.support.atomic import whole_file
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.statistics import spread
from coffea_mljec.validation.common.style import (
    LABEL,
    colour,
    head,
    heads,
    inside,
    legend,
    marker,
    new_figure,
    style,
    too_few,
)
from training.studies.power_law import PowerLaw, fit_power_law
from training.studies.table import MEASURES, Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Curve", "curves_of", "draw_study"]

_DPI = 90
_NAMES = {
    "loss": "Test loss", "beta_central": r"$\beta$ central (%)", "beta_forward": r"$\beta$ forward (%)",
    "alpha_central": r"$\alpha$ central (%)", "alpha_forward": r"$\alpha$ forward (%)",
}  # fmt: skip
_SCATTERS = ("train_scatters", "seed")
_WEIGHT = ("learning.flavour.weight", "seed")


@dataclass(frozen=True)
class Curve:
    """One measure of one series against the number of scatters.

    Attributes
    ----------
    measure, series : str
    scatters : float64 array [points]
    values : float64 array [points, 1 + replicas]
        Means over seeds.
    law : PowerLaw or None
    """

    measure: str
    series: str
    scatters: NDArray[np.float64]
    values: NDArray[np.float64]
    law: PowerLaw | None


def curves_of(table: Table) -> list[Curve]:
    """Return the learning curves of a study: every measure of every series that has scatters."""
    found = []
    for series in dict.fromkeys(row.series(_SCATTERS) for row in table.rows if row.scatters):
        rows = [row for row in table.rows if row.scatters and row.series(_SCATTERS) == series]
        for measure in MEASURES:
            known = [(row.scatters or 0, values) for row in rows if (values := row.values(measure)) is not None]
            sizes = np.array(sorted({size for size, _ in known}), float)
            if len(sizes):
                means = np.array([np.mean([v for n, v in known if n == size], axis=0) for size in sizes])
                found.append(Curve(measure, series, sizes, means, fit_power_law(sizes, means)))
    return found


def draw_study(table: Table, folder: Path) -> list[Path]:
    """Draw what the study's kind asks for as PNG into a folder; return the files.

    Parameters
    ----------
    table : Table
    folder : Path
    """
    drawings = {"learning-curve": _learning_curve, "frontier": _frontier, "cost": _cost}
    if table.kind not in drawings:
        return []
    path = folder / "study.png"
    with style():
        figure = drawings[table.kind](table)
        with whole_file(path) as temporary:
            figure.savefig(temporary, format="png", dpi=_DPI)
    return [path]


def _caption(table: Table) -> Caption:
    return Caption(LABEL, "AK4", None, table.sample["events"])


def _learning_curve(table: Table) -> Figure:
    figure, grid = new_figure(2, 3, (16.5, 10.0), (1.1, 0.3, 0.85, 0.45), wspace=0.3, hspace=0.25)
    places = {
        "loss": (0, 0), "beta_central": (0, 1), "alpha_central": (0, 2), "beta_forward": (1, 1), "alpha_forward": (1, 2)
    }  # fmt: skip
    curves = curves_of(table)
    names = list(dict.fromkeys(curve.series for curve in curves))
    for measure, place in places.items():
        axes = grid[place]
        axes.set_xscale("log")
        axes.set_xlabel("Hard scatters in training")
        axes.set_ylabel(_NAMES[measure])
        own = [curve for curve in curves if curve.measure == measure]
        for curve in own:
            _curve(axes, curve, names.index(curve.series))
        if not own:
            _nothing(axes)
    heads(grid[0], _caption(table))
    grid[1, 0].set_axis_off()
    grid[1, 0].legend(
        *grid[0, 0].get_legend_handles_labels(), loc="upper left", title="Open: the law at ten times more", fontsize=13
    )
    return figure


def _nothing(axes: Axes) -> None:
    """Leave a panel without numbers, which would mean nothing."""
    too_few(axes)
    axes.tick_params(labelbottom=False, labelleft=False)


def _curve(axes: Axes, curve: Curve, index: int) -> None:
    name = curve.series or "the recipe"
    axes.errorbar(
        curve.scatters, curve.values[:, 0], yerr=spread(curve.values[:, 1:]), fmt=marker(index), color=colour(index),
        label=name,
    )  # fmt: skip
    if curve.law is not None:
        n = np.geomspace(curve.scatters.min(), curve.law.beyond, 100)
        axes.plot(n, curve.law(n), color=colour(index), linewidth=1.5)
        axes.errorbar(
            [curve.law.beyond], [curve.law.there], yerr=[curve.law.there_error], fmt=marker(index), mfc="white",
            color=colour(index),
        )  # fmt: skip


def _frontier(table: Table) -> Figure:
    figure, panels = new_figure(1, 2, (13.5, 6.5), (1.1, 0.3, 0.95, 0.45), wspace=0.25)
    names = list(dict.fromkeys(row.series(_WEIGHT) for row in table.rows))
    for axes, region in zip(panels, ("central", "forward"), strict=True):
        axes.set_xlabel(_NAMES[f"beta_{region}"].replace(f" {region}", ""))
        axes.set_ylabel(_NAMES[f"alpha_{region}"].replace(f" {region}", ""))
        drawn = False
        for index, name in enumerate(names):
            rows = [row for row in table.rows if row.series(_WEIGHT) == name]
            drawn |= _front(axes, rows, region, index, name or "flavour weight", table.mark)
        if not drawn:
            _nothing(axes)
        inside(axes, region)
        axes.margins(0.15)
    heads(panels, _caption(table))
    legend(panels[0], loc="lower left")
    return figure


def _front(axes: Axes, rows: Sequence[Row], region: str, index: int, name: str, mark: Sequence[str]) -> bool:
    """Draw the points of one series, in the order of their flavour weights; return whether there is one."""
    known = [
        (row, beta, alpha)
        for row in sorted(rows, key=lambda row: row.flavour_weight or 0.0)
        if (beta := row.values(f"beta_{region}")) is not None and (alpha := row.values(f"alpha_{region}")) is not None
    ]
    if not known:
        return False
    x, y = (np.array([part[k] for part in known]) for k in (1, 2))
    axes.errorbar(
        x[:, 0], y[:, 0], xerr=spread(x[:, 1:]), yerr=spread(y[:, 1:]), fmt=marker(index), color=colour(index),
        label=name, linestyle="-", linewidth=1.0,
    )  # fmt: skip
    for (row, _, _), at_x, at_y in zip(known, x[:, 0], y[:, 0], strict=True):
        if row.flavour_weight is not None:
            axes.annotate(
                f"{row.flavour_weight:g}",
                (at_x, at_y),
                xytext=(7, 7),
                textcoords="offset points",
                fontsize=12,
                color=colour(index),
            )
        if row.label in mark:
            axes.plot(at_x, at_y, "o", markersize=20, mfc="none", mec=colour(index), mew=2)
    return True


def _cost(table: Table) -> Figure:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure, axes = new_figure(1, 1, (12.0, 6.5), (1.4, 4.0, 0.95, 0.45))
    head(axes, LABEL, _caption(table).right)
    axes.set_xscale("log")
    axes.set_xlabel(r"Processor time a jet, one core ($\mu$s)")
    axes.set_ylabel(_NAMES["loss"])
    for index, row in enumerate(table.rows):
        values = row.values("loss")
        if values is None or not np.isfinite(row.us_per_jet):
            continue
        axes.errorbar(
            [row.us_per_jet], [values[0]], yerr=[spread(values[1:])], fmt=marker(index), color=colour(index),
            label=row.series(()) or row.label,
        )  # fmt: skip
        if row.label in table.mark:
            axes.plot(row.us_per_jet, values[0], "o", markersize=20, mfc="none", mec=colour(index), mew=2)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(0.1, 0.15)
    legend(axes, most=99, loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=12)
    return figure
