"""Resolution after the standard correction, beside CMS's and the reference thesis's.

CMS's numbers are sigmas of the response's Gaussian core, so our Gaussian core is compared with them, at equal |eta|,
rho and pt_gen; the thesis's are (Q75 - Q25) / median, so ours is that too. Both widths are in the report's JSON.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.validation.common.style import COLOURS
from training.realism.drawing import TARGET, centres, head, panels, pt_axis, text_inside
from training.realism.jets import SimulatedJets
from training.realism.row import FEW, PASS, Part, Row
from training.realism.spread import GAUSSIAN, Binned, Spread, fill, measure
from training.realism.targets import JER_ETA_EDGES, jer, targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["against_cms", "against_thesis", "cms_ratio", "in_units_of_cms", "thesis_cells"]

LIMIT = 0.15
RHO_EDGES = np.array([2.5, 15.0, 25.0, 35.0])
PT_EDGES = np.array([30.0, 50.0, 100.0, 200.0, 500.0, 1000.0])
#: Width that a response as wide as CMS's is scaled to, so that the response's binning suits it.
_UNIT = 0.1
_REGIONS = {"central": (0.0, 2.5), "forward": (2.5, 5.0)}


def in_units_of_cms(jets: SimulatedJets) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return 1 + 0.1 (response - 1) / sigma, and the cell (rho, |eta|, pt_gen) of every jet, -1 outside.

    sigma is CMS's at the jet's own rho, |eta| and pt_gen: in any group of jets, the width of this quantity over 0.1 is
    our resolution over CMS's at equal rho, |eta| and pT, whatever their distributions.
    """
    n_eta, n_pt = len(JER_ETA_EDGES) - 1, len(PT_EDGES) - 1
    rho, pt, eta_bin = jets["rho"], jets["pt_gen"], np.digitize(np.abs(jets["eta"]), JER_ETA_EDGES) - 1
    rho_bin, pt_bin = (np.digitize(values, edges) - 1 for values, edges in ((rho, RHO_EDGES), (pt, PT_EDGES)))
    inside = (rho_bin >= 0) & (rho_bin < len(RHO_EDGES) - 1) & (pt_bin >= 0) & (pt_bin < n_pt) & (eta_bin < n_eta)
    sigma = np.full(len(jets), np.nan)
    for number in range(n_eta):
        rows = np.flatnonzero(inside & (eta_bin == number))
        sigma[rows] = jer().of_jets(number, rho[rows], pt[rows])
    inside &= np.isfinite(sigma)
    cell = (rho_bin * n_eta + eta_bin) * n_pt + pt_bin
    return 1.0 + _UNIT * (jets["response"] - 1.0) / sigma, np.where(inside, cell, -1)


def cms_ratio(scaled: Spread, plain: Spread) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return our Gaussian core over CMS's, its error, and the same of IQR / 1.349, from the spreads of the quantity of
    `in_units_of_cms` and of the plain response in the same cells (its median: CMS's sigma is relative).
    """
    scale = scaled.median / (_UNIT * plain.median)
    return scaled.core * scale, scaled.core_error * scale, scaled.iqr * scale / GAUSSIAN


def against_cms(jets: SimulatedJets) -> Part:
    """Compare the Gaussian core with CMS's resolution, 30 GeV to 1 TeV."""
    value, cell = in_units_of_cms(jets)
    shape = (len(RHO_EDGES) - 1, len(JER_ETA_EDGES) - 1, len(PT_EDGES) - 1)
    n = int(np.prod(shape))
    # The last entry in rho is all of them.
    scaled, plain = (
        measure(_with_all(fill(column, jets["mix"], cell, n), shape)) for column in (value, jets["response"])
    )
    ratio, error, wide = (part.reshape(shape[0] + 1, *shape[1:]) for part in cms_ratio(scaled, plain))
    part = Part(
        "Resolution against CMS",
        "Gaussian core (matched moments within two sigma, iterated) of pT(corrected) / pt_gen, relative to the median, "
        f"against {jer().tag} ({jer().source}), which is a Gaussian core too. Each jet's response is taken in units of "
        "CMS's sigma at its own rho, |eta| (CMS's bins) and pt_gen, so a ratio of 1 means equal resolution at equal "
        "rho, |eta| and pT; rho from 2.5 to 35 GeV. A row of the table is the worst of an |eta| bin's intervals of pT "
        "that are measured to a third of the limit or better; all are below. IQR / 1.349 is quoted with each, not "
        "judged: tails make it wider than the core.",
    )
    lines = []
    for eta_bin in range(shape[1]):
        rows = []
        for pt_bin, (low, high) in enumerate(pairwise(PT_EDGES)):
            for rho_bin in range(shape[0] + 1):
                at = (rho_bin, eta_bin, pt_bin)
                if not np.isfinite(ratio[at]):
                    continue
                everything = rho_bin == shape[0]
                rho = "all" if everything else f"{RHO_EDGES[rho_bin]:g}-{RHO_EDGES[rho_bin + 1]:g}"
                where = f"{_eta_text(eta_bin)}, pt_gen {low:g}-{high:g} GeV"
                row = Row.within(
                    "Gaussian core / CMS", where, float(ratio[at]), float(error[at]), 1.0, LIMIT, source=jer().tag,
                )  # fmt: skip
                if everything:
                    rows.append(row)
                lines.append([
                    where, rho, f"{row.measured:.3f} +- {row.error:.3f}", f"{wide[at]:.3f}", row.verdict,
                ])  # fmt: skip
        part.rows.append(_worst(eta_bin, rows))
    known = ratio[-1][error[-1] < LIMIT / 3.0] - 1.0
    if len(known):
        part.text += (
            f"\n\nOver all {len(known)} intervals of |eta| and pT measured well enough: mean deviation "
            f"{100 * known.mean():+.1f} %, {100 * np.mean(np.abs(known) <= LIMIT):.0f} % of them within 15 %."
        )
    header = ["jets", "rho (GeV)", "Gaussian core / CMS", "IQR / 1.349 / CMS", "verdict"]
    part.tables.append((f"All {len(lines)} intervals", header, lines))
    shown = np.where(error < LIMIT / 2.0, ratio - 1.0, np.nan)
    part.figures += [
        ("resolution_cms", "Resolution at rho 15 to 25 against CMS; the band is +-15 %.", lambda: _draw_curves(jets)),
        ("resolution_deviation", "Deviation of the Gaussian core from CMS, per cent.", lambda: _draw_map(shown)),
    ]
    return part


def _with_all(content: Binned, shape: tuple[int, ...]) -> Binned:
    """Append the sum over the first axis of the cells."""
    both = []
    for part in (content.weights, content.squares):
        cells = part.reshape(*shape, -1)
        both.append(np.concatenate([cells, cells.sum(axis=0, keepdims=True)]).reshape(-1, cells.shape[-1]))
    return Binned(*both)


def _means(values: NDArray[np.float64], weight: NDArray[np.float64], cell: NDArray[np.int64], n: int) -> Any:
    kept = cell >= 0
    sums = np.bincount(cell[kept], weight[kept], n)
    total = np.bincount(cell[kept], weight[kept] * values[kept], n)
    return np.divide(total, sums, out=np.full(n, np.nan), where=sums > 0)


def _eta_text(eta_bin: int) -> str:
    return f"\\|eta\\| {JER_ETA_EDGES[eta_bin]:g}-{JER_ETA_EDGES[eta_bin + 1]:g}"


def _worst(eta_bin: int, rows: list[Row]) -> Row:
    judged = [row for row in rows if row.verdict != FEW]
    if not judged:
        return Row.within(
            "Gaussian core / CMS", f"{_eta_text(eta_bin)}: no interval measured well enough", float("nan"), None, 1.0,
            LIMIT, source=jer().tag,
        )  # fmt: skip
    worst = max(judged, key=lambda row: abs(row.deviation or 0.0))
    good = sum(row.verdict == PASS for row in judged)
    return replace(worst, where=f"{worst.where}: worst of {len(judged)} intervals, {good} within 15 %")


def _curves(jets: SimulatedJets, eta_bin: int, edges: NDArray[np.float64]) -> tuple[Spread, NDArray[np.float64]]:
    rho, away = jets["rho"], np.abs(jets["eta"])
    kept = (rho >= 15.0) & (rho < 25.0) & (away >= JER_ETA_EDGES[eta_bin]) & (away < JER_ETA_EDGES[eta_bin + 1])
    cell = np.where(kept, np.digitize(jets["pt_gen"], edges) - 1, -1)
    n = len(edges) - 1
    cell[cell >= n] = -1
    return measure(fill(jets["response"], jets["mix"], cell, n)), _means(rho, jets["mix"], cell, n)


def _draw_curves(jets: SimulatedJets) -> Figure:
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
    figure, grid = panels(1, len(RHO_EDGES), (17.0, 5.6), sharey=True)
    names = [rf"$\rho$ {low:g} to {high:g} GeV" for low, high in pairwise(RHO_EDGES)]
    for axes, content, name in zip(grid[0], np.roll(deviation, 1, axis=0), [r"all $\rho$", *names], strict=True):
        image = axes.imshow(100 * content, cmap="RdBu_r", vmin=-30, vmax=30, aspect="auto", origin="lower")
        for eta_bin, pt_bin in np.argwhere(np.isfinite(content)):
            value = 100 * content[eta_bin, pt_bin]
            axes.text(
                pt_bin, eta_bin, f"{value:+.0f}", ha="center", va="center", fontsize=11,
                color="white" if abs(value) > 20 else "black",
            )  # fmt: skip
        intervals = [f"{low:g}-\n{high:g}" for low, high in pairwise(PT_EDGES)]
        axes.set_xticks(range(len(intervals)), intervals, fontsize=12)
        axes.set_yticks(range(len(JER_ETA_EDGES) - 1), [f"{low:g}-{high:g}" for low, high in pairwise(JER_ETA_EDGES)])
        axes.minorticks_off()
        axes.set_xlabel(r"$p_{\mathrm{T}}^{\mathrm{gen}}$ (GeV)")
        axes.set_title(name, loc="right", fontsize=13)
    head(grid[0, 0], r"all $\rho$")
    grid[0, 0].set_ylabel(r"|$\eta$|")
    figure.colorbar(image, ax=grid[0].tolist(), label="core / CMS - 1 (per cent)")
    return figure


def thesis_cells(jets: SimulatedJets) -> tuple[NDArray[np.int64], int]:
    """Return the cell (region, fine bin of pt_gen) of every jet, -1 outside, and the number of fine bins."""
    edges = np.array(targets()["thesis"]["pt_edges"])
    pt_bin = np.digitize(jets["pt_gen"], edges) - 1
    n = len(edges) - 1
    region = (np.abs(jets["eta_gen"]) >= 2.5).astype(np.int64)
    return np.where((pt_bin >= 0) & (pt_bin < n), region * n + pt_bin, -1), n


def against_thesis(jets: SimulatedJets) -> Part:
    """Compare (Q75 - Q25) / median with the thesis's curve for its standard correction, all flavours."""
    found = targets()["thesis"]
    edges = np.array(found["pt_edges"])
    cell, n = thesis_cells(jets)
    spread = measure(fill(jets["response"], jets["target"], cell, 2 * n))
    part = Part(
        "Resolution against the reference thesis",
        "(Q75 - Q25) / median of pT(corrected) / pt_gen in the thesis's fine bins of pt_gen, with jets weighted to the "
        "thesis's density and flavour mix, against its standard correction, which is the same "
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
