"""Resolution after the standard correction, beside CMS's and the reference thesis's.

CMS's numbers are sigmas of the response's Gaussian core, so our Gaussian core is compared with them, at equal |eta|,
rho and pt_gen; the thesis's are (Q75 - Q25) / median, so ours is that too. Both widths are in the report's JSON.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.plots import COLOURS
from training.realism.drawing import TARGET, centres, head, panels, pt_axis, text_inside
from training.realism.jets import Sample
from training.realism.row import FEW, MISS, Part, Row
from training.realism.spread import GAUSSIAN, Spread, fill, measure
from training.realism.targets import JER_ETA_EDGES, jer, targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["against_cms", "against_thesis", "cms_cells", "thesis_cells"]

LIMIT = 0.15
RHO_WINDOWS = ((2.5, 7.5), (7.5, 12.5), (15.0, 25.0), (25.0, 35.0))
PT_POINTS = (30.0, 50.0, 100.0, 200.0, 300.0, 500.0, 1000.0)
#: A point stands for pt_gen within this factor.
_WIDTH = 1.2
_REGIONS = {"central": (0.0, 2.5), "forward": (2.5, 5.0)}


def cms_cells(jets: Sample) -> tuple[NDArray[np.int64], tuple[int, int, int]]:
    """Return the cell (rho, |eta|, pt_gen) of every jet, -1 outside, and the numbers of bins."""
    shape = (len(RHO_WINDOWS), len(JER_ETA_EDGES) - 1, len(PT_POINTS))
    rho, pt = jets["rho"], jets["pt_gen"]
    eta_bin = np.digitize(np.abs(jets["eta"]), JER_ETA_EDGES) - 1
    rho_bin, pt_bin = (np.full(len(jets), -1) for _ in range(2))
    for number, (low, high) in enumerate(RHO_WINDOWS):
        rho_bin[(rho >= low) & (rho < high)] = number
    for number, point in enumerate(PT_POINTS):
        pt_bin[(pt >= point / _WIDTH) & (pt < point * _WIDTH)] = number
    inside = (rho_bin >= 0) & (pt_bin >= 0) & (eta_bin < shape[1])
    cell = (rho_bin * shape[1] + eta_bin) * shape[2] + pt_bin
    return np.where(inside, cell, -1), shape


def _means(values: NDArray[np.float64], weight: NDArray[np.float64], cell: NDArray[np.int64], n: int) -> Any:
    kept = cell >= 0
    sums = np.bincount(cell[kept], weight[kept], n)
    total = np.bincount(cell[kept], weight[kept] * values[kept], n)
    return np.divide(total, sums, out=np.full(n, np.nan), where=sums > 0)


def against_cms(jets: Sample) -> Part:
    """Compare the Gaussian core with CMS's resolution, 30 GeV to 1 TeV."""
    cell, shape = cms_cells(jets)
    n = int(np.prod(shape))
    spread = measure(fill(jets["response"], jets["mix"], cell, n))
    mean_rho = _means(jets["rho"], jets["mix"], cell, n)
    mean_pt = np.exp(_means(np.log(jets["pt_gen"]), jets["mix"], cell, n))
    cms = jer()
    part = Part(
        "Resolution against CMS",
        "Gaussian core (matched moments within two sigma, iterated) of pT(corrected) / pt_gen, sigma over mean, "
        f"against {cms.tag} ({cms.source}), which is a Gaussian core too. Bins: |eta| as in CMS's payload, pt_gen "
        "within a factor 1.2 of the point; the target is taken at the bin's mean rho and pt_gen. A row of the table is "
        "the worst of an |eta| bin's points that are measured to a third of the limit or better; all points are below. "
        "IQR / 1.349 / median is quoted with each, not judged: tails make it wider than the core.",
    )
    lines = []
    points: dict[int, list[Row]] = {}
    deviation = np.full(shape, np.nan)
    for index in np.ndindex(*shape):
        flat = int(np.ravel_multi_index(index, shape))
        eta_bin = index[1]
        target = cms.at(eta_bin, mean_rho[flat], mean_pt[flat]) if spread.effective[flat] > 0 else np.nan
        if not np.isfinite(target) or not np.isfinite(spread.core[flat]):
            continue
        where = f"{_eta_text(eta_bin)}, rho {mean_rho[flat]:.1f}, pT {mean_pt[flat]:.0f} GeV"
        row = Row.within(
            "Gaussian core", where, float(spread.core[flat]), float(spread.core_error[flat]), target, LIMIT,
            relative=True, source=cms.tag, digits=4,
        )  # fmt: skip
        points.setdefault(eta_bin, []).append(row)
        if row.verdict != FEW and row.deviation is not None:
            deviation[index] = row.deviation
        lines.append([
            where, f"{row.target:.4f}", f"{row.measured:.4f} +- {row.error:.4f}",
            f"{spread.iqr[flat] / GAUSSIAN:.4f} +- {spread.iqr_error[flat] / GAUSSIAN:.4f}",
            f"{100 * (row.deviation or 0.0):+.1f} %", row.verdict,
        ])  # fmt: skip
    for eta_bin in range(shape[1]):
        part.rows.append(_worst(eta_bin, points.get(eta_bin, [])))
    judged = deviation[np.isfinite(deviation)]
    if len(judged):
        part.text += (
            f"\n\nOver all {len(judged)} points measured well enough: mean deviation {100 * judged.mean():+.1f} %, "
            f"{100 * np.mean(np.abs(judged) <= LIMIT):.0f} % of them within 15 %."
        )
    header = ["point", "CMS", "Gaussian core", "IQR / 1.349 / median", "deviation", "verdict"]
    part.tables.append((f"All {len(lines)} points", header, lines))
    part.figures += [
        ("resolution_cms", "Resolution at rho 15 to 25 against CMS; the band is +-15 %.", lambda: _draw_curves(jets)),
        ("resolution_deviation", "Deviation of the Gaussian core from CMS, per cent.", lambda: _draw_map(deviation)),
    ]
    return part


def _eta_text(eta_bin: int) -> str:
    return f"\\|eta\\| {JER_ETA_EDGES[eta_bin]:g}-{JER_ETA_EDGES[eta_bin + 1]:g}"


def _worst(eta_bin: int, rows: list[Row]) -> Row:
    judged = [row for row in rows if row.verdict != FEW]
    if not judged:
        return Row(
            "resolution, Gaussian core", f"{_eta_text(eta_bin)}: no point measured well enough", float("nan"),
            source=jer().tag, low=float("nan"), high=float("nan"),
        )  # fmt: skip
    worst = max(judged, key=lambda row: abs(row.deviation or 0.0))
    missed = sum(row.verdict == MISS for row in judged)
    where = f"{worst.where}: worst of {len(judged)} points, {len(judged) - missed} within 15 %"
    return Row(
        "resolution, Gaussian core", where, worst.measured, worst.error, worst.target, worst.low, worst.high,
        worst.source, relative=True, digits=4,
    )  # fmt: skip


def _curves(jets: Sample, eta_bin: int, edges: NDArray[np.float64]) -> tuple[Spread, NDArray[np.float64]]:
    rho, away = jets["rho"], np.abs(jets["eta"])
    kept = (rho >= 15.0) & (rho < 25.0) & (away >= JER_ETA_EDGES[eta_bin]) & (away < JER_ETA_EDGES[eta_bin + 1])
    cell = np.where(kept, np.digitize(jets["pt_gen"], edges) - 1, -1)
    n = len(edges) - 1
    cell[cell >= n] = -1
    return measure(fill(jets["response"], jets["mix"], cell, n)), _means(rho, jets["mix"], cell, n)


def _draw_curves(jets: Sample) -> Figure:
    figure, grid = panels(3, 5, (17.0, 9.5), sharex=True)
    edges = np.geomspace(20.0, 2000.0, 17)
    middle = centres(edges)
    cms, older = jer(), jer("Summer20UL16_JRV3_MC")
    for eta_bin, axes in enumerate(grid.flat[: len(JER_ETA_EDGES) - 1]):
        spread, rho = _curves(jets, eta_bin, edges)
        wanted, before = (
            np.array([one.at(eta_bin, r if np.isfinite(r) else 20.0, p) for r, p in zip(rho, middle, strict=True)])
            for one in (cms, older)
        )
        axes.fill_between(middle, (1 - LIMIT) * wanted, (1 + LIMIT) * wanted, color="0.88", linewidth=0)
        axes.plot(middle, wanted, color=TARGET, label="CMS 2018")
        axes.plot(middle, before, color=TARGET, linestyle=":", label="CMS 2016")
        known = spread.core_error < 0.1 * spread.core
        axes.errorbar(
            middle[known], spread.core[known], spread.core_error[known], fmt="o", color=COLOURS[1], markersize=5,
            label="Gaussian core",
        )  # fmt: skip
        axes.plot(
            middle[known], spread.iqr[known] / GAUSSIAN, "s", color=COLOURS[2], markersize=4, fillstyle="none",
            label="IQR / 1.349",
        )  # fmt: skip
        axes.set_ylim(0.0, 1.6 * float(np.nanmax(wanted)))
        text_inside(axes, rf"{JER_ETA_EDGES[eta_bin]:g} < |$\eta$| < {JER_ETA_EDGES[eta_bin + 1]:g}", x=0.95)
        pt_axis(axes, 20.0, 2000.0, ticks=(20, 50, 100, 200, 500, 1000))
        axes.tick_params(labelbottom=True)
    for axes in grid[:, 0]:
        axes.set_ylabel(r"$\sigma / \mu$")
    for axes in grid.flat[len(JER_ETA_EDGES) - 1 :]:
        axes.set_axis_off()
    grid.flat[-1].legend(*grid.flat[0].get_legend_handles_labels(), loc="center", fontsize=15)
    head(grid[0, 0])
    return figure


def _draw_map(deviation: NDArray[np.float64]) -> Figure:
    figure, grid = panels(1, len(RHO_WINDOWS), (17.0, 5.6), sharey=True)
    for number, axes in enumerate(grid[0]):
        image = axes.imshow(100 * deviation[number], cmap="RdBu_r", vmin=-30, vmax=30, aspect="auto", origin="lower")
        for eta_bin, pt_bin in np.argwhere(np.isfinite(deviation[number])):
            value = 100 * deviation[number, eta_bin, pt_bin]
            axes.text(
                pt_bin, eta_bin, f"{value:+.0f}", ha="center", va="center", fontsize=11,
                color="white" if abs(value) > 20 else "black",
            )  # fmt: skip
        axes.set_xticks(range(len(PT_POINTS)), [f"{point:g}" for point in PT_POINTS])
        axes.set_yticks(
            range(len(JER_ETA_EDGES) - 1),
            [f"{low:g}-{high:g}" for low, high in pairwise(JER_ETA_EDGES)],
        )
        axes.minorticks_off()
        axes.set_xlabel(r"$p_{\mathrm{T}}^{\mathrm{gen}}$ (GeV)")
        head(axes, rf"$\rho$ {RHO_WINDOWS[number][0]:g} to {RHO_WINDOWS[number][1]:g} GeV")
        if number:
            axes.set_title("", loc="left")
    grid[0, 0].set_ylabel(r"|$\eta$|")
    figure.colorbar(image, ax=grid[0].tolist(), label="core / CMS - 1 (per cent)")
    return figure


def thesis_cells(jets: Sample) -> tuple[NDArray[np.int64], int]:
    """Return the cell (region, fine bin of pt_gen) of every jet, -1 outside, and the number of fine bins."""
    edges = np.array(targets()["thesis"]["pt_edges"])
    pt_bin = np.digitize(jets["pt_gen"], edges) - 1
    n = len(edges) - 1
    region = (np.abs(jets["eta_gen"]) >= 2.5).astype(np.int64)
    return np.where((pt_bin >= 0) & (pt_bin < n), region * n + pt_bin, -1), n


def against_thesis(jets: Sample) -> Part:
    """Compare (Q75 - Q25) / median with the thesis's curve for its standard correction, all flavours."""
    found = targets()["thesis"]
    edges = np.array(found["pt_edges"])
    cell, n = thesis_cells(jets)
    spread = measure(fill(jets["response"], jets["target"], cell, 2 * n))
    part = Part(
        "Resolution against the reference thesis",
        "(Q75 - Q25) / median of pT(corrected) / pt_gen in the thesis's fine bins of pt_gen, with jets weighted to the "
        "thesis's density and flavour mix (DESIGN section 4), against its standard correction, which is the same "
        "quantity. Judged from 30 GeV to 1 TeV where the thesis's own error is below 3 %.",
    )
    for region_number, region in enumerate(_REGIONS):
        for number in range(n):
            value, error = (found["resolution"][region][name][number] for name in ("value", "error"))
            cell_number = region_number * n + number
            inside = edges[number] >= 26.0 and edges[number + 1] <= 1050.0
            if not value or not inside or error > 0.03 * value:
                continue
            part.rows.append(Row.within(
                "resolution, IQR / median", f"{region}, pt_gen {edges[number]:.0f}-{edges[number + 1]:.0f} GeV",
                float(spread.iqr[cell_number]), float(spread.iqr_error[cell_number]), value, LIMIT, relative=True,
                source="thesis, standard correction",
            ))  # fmt: skip
    part.figures.append((
        "resolution_thesis", "(Q75 - Q25) / median against the thesis; the band is +-15 %.",
        lambda: _draw_thesis(spread, edges),
    ))  # fmt: skip
    return part


def _draw_thesis(spread: Spread, edges: NDArray[np.float64]) -> Figure:
    figure, grid = panels(2, 2, (13.0, 7.5), sharex=True, height_ratios=(2.2, 1.0))
    n = len(edges) - 1
    middle = centres(edges)
    for number, region in enumerate(_REGIONS):
        upper, lower = grid[:, number]
        wanted = np.array(targets()["thesis"]["resolution"][region]["value"], np.float64)
        wanted[~(wanted > 0.05)] = np.nan
        ours = slice(number * n, (number + 1) * n)
        known = spread.iqr_error[ours] < 0.1 * spread.iqr[ours]
        value, error = spread.iqr[ours], spread.iqr_error[ours]
        upper.fill_between(middle, (1 - LIMIT) * wanted, (1 + LIMIT) * wanted, color="0.88", linewidth=0)
        upper.plot(middle, wanted, color=TARGET, label="reference thesis, standard")
        upper.errorbar(middle[known], value[known], error[known], fmt="o", color=COLOURS[1], label="this sample")
        upper.set_ylim(0.0, 0.45)
        upper.legend()
        head(upper, r"|$\eta_{\mathrm{gen}}$| < 2.5" if number == 0 else r"2.5 < |$\eta_{\mathrm{gen}}$| < 5")
        lower.axhspan(1 - LIMIT, 1 + LIMIT, color="0.88", linewidth=0)
        lower.axhline(1.0, color=TARGET, linewidth=1)
        lower.errorbar(middle[known], (value / wanted)[known], (error / wanted)[known], fmt="o", color=COLOURS[1])
        lower.set_ylim(0.65, 1.45)
        pt_axis(lower, 20.0, 3000.0)
        upper.set_xlabel("")
    grid[0, 0].set_ylabel(r"$(Q_{75} - Q_{25}) \,/\, Q_{50}$")
    grid[1, 0].set_ylabel("ratio")
    return figure
