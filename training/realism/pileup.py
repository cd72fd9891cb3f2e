"""Pileup: rho against the number of interactions, and the offset under a jet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Payload
from coffea_mljec.validation.common.style import COLOURS
from training.realism.drawing import TARGET, head, panels
from training.realism.jets import SimulatedJets
from training.realism.row import Part, Row
from training.realism.targets import targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["offset", "pileup", "rho_slope"]

#: The issue names targets for the offset but no limit: this one is ours.
OFFSET_LIMIT = 0.20


def rho_slope(n_pu: NDArray[np.float64], rho: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return slope, its error, and intercept of rho against the number of interactions (least squares).

    Raises
    ------
    InputError
        With fewer than three events.
    """
    if len(rho) < 3:
        raise InputError(f"rho against pileup needs at least 3 events, got {len(rho)}")
    away = n_pu - n_pu.mean()
    square = float(np.sum(away**2))
    if square == 0.0:
        return float("nan"), float("nan"), float("nan")
    slope = float(np.sum(away * rho) / square)
    intercept = float(rho.mean() - slope * n_pu.mean())
    left = rho - intercept - slope * n_pu
    # Of the slope where the spread may depend on the number of interactions (White's estimate).
    return slope, float(np.sqrt(np.sum(away**2 * left**2)) / square), intercept


def offset(payload: Payload, eta: NDArray[np.float64], rho: float, area: float, pt: float) -> NDArray[np.float64]:
    """Return the offset in GeV that the payload's first level takes off a jet of raw pT ``pt``."""
    first = Payload(payload.stack[:1], payload.tag, payload.algorithm)
    same = {name: np.full(len(eta), value) for name, value in (("pt_raw", pt), ("area", area), ("rho", rho))}
    factor, _ = first.evaluate(same | {"eta": eta})
    return pt * (1.0 - factor)


def pileup(jets: SimulatedJets, payload: Payload) -> Part:
    """Compare rho an interaction and the offset with CMS."""
    wanted, points = targets()["rho_per_interaction"], targets()["offset"]
    slope, error, _ = rho_slope(jets.event_n_pu, jets.event_rho)
    part = Part(
        "Pileup",
        "rho (fixedGridRhoFastjetAll) against the number of pileup interactions: the slope of a straight line through "
        f"all events. The offset is our L1FastJet's at rho {points['rho']:g}, area {points['area']:g}, raw pT "
        f"{points['pt']:g} GeV; its limit of 20 % is this report's own.",
    )
    part.rows.append(Row(
        "rho an interaction (GeV)", "all events", slope, error, 0.5 * (wanted["low"] + wanted["high"]), wanted["low"],
        wanted["high"], source=wanted["source"],
    ))  # fmt: skip
    part.details += [
        Row("mean interactions an event", "all events", float(jets.event_n_pu.mean()), digits=1),
        Row("mean rho (GeV)", "all events", float(jets.event_rho.mean()), digits=2),
    ]
    where = f"rho {points['rho']:g}, area {points['area']:g}, pT {points['pt']:g}"
    for point in points["points"]:
        value = offset(payload, np.array([point["eta"]]), points["rho"], points["area"], points["pt"])
        part.rows.append(Row.within(
            "L1 offset (GeV)", f"eta {point['eta']:g}, {where}", float(value[0]), None, point["value"], OFFSET_LIMIT,
            relative=True, source=points["source"] + "; limit ours", digits=2,
        ))  # fmt: skip
    caption = "rho against interactions, and the offset against eta."
    part.figures.append(("pileup", caption, lambda: _draw(jets, payload)))
    return part


def _draw(jets: SimulatedJets, payload: Payload) -> Figure:
    figure, grid = panels(1, 2, (13.0, 5.0))
    left, right = grid[0]
    wanted, points = targets()["rho_per_interaction"], targets()["offset"]
    slope, error, intercept = rho_slope(jets.event_n_pu, jets.event_rho)
    edges = np.arange(0.0, max(float(jets.event_n_pu.max()), 4.0) + 4.0, 4.0)
    cell = np.digitize(jets.event_n_pu, edges) - 1
    count = np.bincount(cell, minlength=len(edges))
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.bincount(cell, jets.event_n_pu, len(edges)) / count
        mean = np.bincount(cell, jets.event_rho, len(edges)) / count
        spread = np.sqrt(np.maximum(np.bincount(cell, jets.event_rho**2, len(edges)) / count - mean**2, 0.0))
    known = count > 10
    line = np.array([0.0, edges[-1]])
    left.fill_between(
        line, intercept + wanted["low"] * line, intercept + wanted["high"] * line, color="0.85", linewidth=0,
        label="CMS: 0.63 to 0.70 GeV",
    )  # fmt: skip
    left.errorbar(x[known], mean[known], spread[known], fmt="o", color=COLOURS[1], label="this sample (bars: spread)")
    left.plot(line, intercept + slope * line, color=COLOURS[2], label=f"{slope:.3f} $\\pm$ {error:.3f} GeV")
    left.set_xlabel("Pileup interactions")
    left.set_ylabel(r"$\rho$ (GeV)")
    left.set_xlim(0.0, edges[-1])
    left.legend(loc="upper left")
    head(left)
    eta = np.linspace(-5.0, 5.0, 401)
    curve = offset(payload, eta, points["rho"], points["area"], points["pt"])
    right.plot(eta, curve, color=COLOURS[1], label="L1FastJet")
    right.errorbar(
        [point["eta"] for point in points["points"]], [point["value"] for point in points["points"]],
        [OFFSET_LIMIT * point["value"] for point in points["points"]], fmt="D", color=TARGET, capsize=5, label="CMS",
    )  # fmt: skip
    right.set_xlabel(r"$\eta$")
    right.set_ylabel("Offset (GeV)")
    right.set_ylim(0.0, None)
    right.legend(loc="upper left")
    head(right, rf"$\rho$ {points['rho']:g} GeV, area {points['area']:g}, {points['pt']:g} GeV")
    return figure
