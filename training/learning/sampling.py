"""From the jets that a sample has to the density that the networks are trained on (DESIGN section 4).

The target is h(pt, eta) = 1 / (cosh(p / p_ref) cosh(eta)), p = pt cosh(eta) of the generator jet: flat at low pT,
steeply falling above p_ref, the same for every flavour, with fixed shares of the flavours. Source: reference thesis,
section 6.1 (the downsampling of overpopulated regions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from coffea_mljec.errors import InputError

__all__ = [
    "FLAVOUR_GROUPS",
    "Sampled",
    "Sampling",
    "accept",
    "effective_size",
    "plot_sampling",
    "sample",
    "target_density",
]

#: Group -> PDG ids.
FLAVOUR_GROUPS: Mapping[str, tuple[int, ...]] = {"b": (5,), "c": (4,), "uds": (1, 2, 3), "g": (21,)}

#: |eta_gen| beyond which a jet is forward.
FORWARD = 2.5

Share = Annotated[float, Field(ge=0.0)]


class Sampling(BaseModel):
    """How the available jets are turned into the target density.

    A jet of ideal weight w (mean 1) is accepted with probability clip(w / accept_all_above, least_acceptance, 1), anew
    in every epoch, and carries what is left, w / probability, as a weight in the loss. So with ``least_acceptance`` 0
    the weights in the loss lie between ``accept_all_above`` and ``largest_weight``: what is over-represented beyond
    that is thinned out, what is under-represented beyond that stays so, and as many jets as possible are left.
    ``least_acceptance`` 1 is pure weighting: every jet is used, at the same target density and the least noise; with it
    0 and ``accept_all_above`` at ``largest_weight`` it is pure rejection.

    Attributes
    ----------
    p_ref : float
        Momentum in GeV beyond which the density falls.
    pt_power : float
        The density is divided by pt**pt_power. 0 is DESIGN's density, flat in pt; 1 is flat in log(pt): a small sample
        then spends its jets where corrections are largest.
    temper : float
        Ideal weights within a group of flavours are raised to this power: 1 is the target density, 0 the available one.
        A small sample far from the target density is worth few jets (its effective size); tempering gives them back.
    forward_share : float or None
        Share of the weight of each group of flavours given to jets beyond |eta_gen| = 2.5; None: what the density
        gives. DESIGN's leaves 1 % to forward jets above 30 GeV, from which a network learns little.
    shares : dict of str to float
        Group of flavours -> share; only ratios matter.
    least_acceptance : float
        See above.
    accept_all_above : float
        Ideal weight from which every jet is accepted; the smallest weight where ``least_acceptance`` is 0.
    largest_weight : float
        Ideal weights are capped here, within each group of flavours (mean 1 after the cap): a lone jet in an empty
        corner must not rule the loss.
    pt_bins, eta_bins : int
        Bins in log(pt_gen), over the range that is there, and in |eta_gen|, in which the available density is
        estimated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    p_ref: Annotated[float, Field(gt=0.0)] = 500.0
    pt_power: Annotated[float, Field(ge=0.0, le=4.0)] = 0.0
    temper: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    forward_share: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    shares: dict[str, Share] = {"b": 1.0, "c": 1.0, "uds": 2.0, "g": 2.0}
    least_acceptance: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    accept_all_above: Annotated[float, Field(gt=0.0)] = 1.0
    largest_weight: Annotated[float, Field(gt=1.0)] = 20.0
    pt_bins: Annotated[int, Field(ge=1)] = 40
    eta_bins: Annotated[int, Field(ge=1)] = 10


@dataclass(frozen=True)
class Sampled:
    """Acceptance and weight of every jet, and what they achieve.

    Attributes
    ----------
    acceptance : float32 array [n]
        Probability to be used in an epoch.
    weight : float32 array [n]
        Weight in the loss once accepted; the mean over accepted jets is 1 on average.
    report : dict
        Per group: jets, share asked and reached, jets left (expected in an epoch), effective size, share of the weight
        that forward jets carry (``forward``), share of the target where the sample has no jet (``uncovered``), share
        of the weight that the cap takes from capped jets (``capped``) and share of the weight that capped jets carry
        (``in_capped``). Of all: ``jets``, ``accepted_in_an_epoch``, ``left`` (its share), ``effective_size``,
        ``in_capped``, ``smallest_weight`` and ``largest_weight`` in the loss.
    """

    acceptance: NDArray[np.float32]
    weight: NDArray[np.float32]
    report: dict[str, Any]


def target_density(
    pt: NDArray[np.floating], eta: NDArray[np.floating], p_ref: float = 500.0, pt_power: float = 0.0
) -> NDArray[np.float64]:
    """Return h(pt, eta) / pt**pt_power, not normalised; pt in GeV."""
    pt = np.asarray(pt, np.float64)
    momentum = pt * np.cosh(eta)
    # Beyond 700 the hyperbolic cosine overflows; the density is nil long before.
    density: NDArray[np.float64] = 1.0 / (np.cosh(np.minimum(momentum / p_ref, 700.0)) * np.cosh(eta) * pt**pt_power)
    return density


def effective_size(weight: NDArray[np.floating]) -> float:
    """Return (sum w)^2 / sum w^2, 0 without jets."""
    squares = float(np.sum(np.square(weight, dtype=np.float64)))
    return float(np.sum(weight, dtype=np.float64)) ** 2 / squares if squares > 0 else 0.0


def sample(
    pt_gen: NDArray[np.floating],
    eta_gen: NDArray[np.floating],
    flavour: NDArray[np.integer],
    settings: Sampling,
) -> Sampled:
    """Return acceptance and weight of every jet so that, together, they follow the target density.

    Parameters
    ----------
    pt_gen, eta_gen : float array, shape (n,)
        Of the generator jet; pt in GeV.
    flavour : int array, shape (n,)
        PDG ids without sign.
    settings : Sampling
        Target and means.

    Raises
    ------
    InputError
        If there is no jet, a flavour belongs to no group, a group with a share has no jet, or a share names no group.
    """
    if len(pt_gen) == 0:
        raise InputError("no jet to sample from")
    if unknown := sorted(set(settings.shares) - set(FLAVOUR_GROUPS)):
        raise InputError(f"shares name {unknown}; the groups of flavours are {', '.join(FLAVOUR_GROUPS)}")
    known = [code for codes in FLAVOUR_GROUPS.values() for code in codes]
    if foreign := sorted(set(np.unique(flavour).tolist()) - set(known)):
        raise InputError(f"flavours {foreign} belong to no group; select jets of known flavour ({known}) first")
    pt, eta = np.asarray(pt_gen, np.float64), np.abs(np.asarray(eta_gen, np.float64))
    edges = _edges(pt, eta, settings)
    cell = _cells(pt, eta, edges)
    target = _target_in_cells(edges, settings)
    total_share = sum(settings.shares.values())
    ideal = np.zeros(len(pt))
    at_cap = np.zeros(len(pt), np.bool_)
    report: dict[str, Any] = {"jets": len(pt), "groups": {}}
    for group, codes in FLAVOUR_GROUPS.items():
        share = settings.shares.get(group, 0.0) / total_share
        mine = np.isin(flavour, codes)
        if share > 0 and not mine.any():
            raise InputError(
                f"the sample has no jet of flavour {group}, which has a share of {share:.3f}: simulate some"
            )
        if not mine.any():
            continue
        available = np.bincount(cell[mine], minlength=len(target))
        covered = target[available > 0].sum()
        density = target_density(pt[mine], eta[mine], settings.p_ref, settings.pt_power)
        raw = density * pt[mine] / available[cell[mine]]
        raw *= mine.sum() / raw.sum()
        raw = raw**settings.temper
        forward = eta[mine] > FORWARD
        if settings.forward_share is not None and forward.any() and not forward.all():
            raw[forward] *= settings.forward_share / raw[forward].sum()
            raw[~forward] *= (1.0 - settings.forward_share) / raw[~forward].sum()
        raw *= mine.sum() / raw.sum()
        capped = _capped(raw, settings.largest_weight)
        top = capped >= settings.largest_weight * (1.0 - 1e-9)
        at_cap[mine] = top
        lost = raw[top].sum() / raw.sum() - capped[top].sum() / capped.sum()
        ideal[mine] = capped * (share * len(pt) / capped.sum())
        report["groups"][group] = {
            "jets": int(mine.sum()),
            "share_asked": share,
            "effective_size": effective_size(ideal[mine]),
            "uncovered": float(1.0 - covered / target.sum()),
            "capped": float(lost),
        }
    acceptance = np.clip(ideal / settings.accept_all_above, settings.least_acceptance, 1.0)
    acceptance[ideal == 0] = 0.0
    weight = np.divide(ideal, acceptance, out=np.zeros_like(ideal), where=acceptance > 0)
    weight *= acceptance.sum() / ideal.sum()
    reached = acceptance * weight
    for group, codes in FLAVOUR_GROUPS.items():
        if group in report["groups"]:
            mine = np.isin(flavour, codes)
            report["groups"][group] |= {
                "share_reached": float(reached[mine].sum() / reached.sum()),
                "left": float(acceptance[mine].sum()),
                "forward": _share(reached, mine & (eta > FORWARD), mine),
                "in_capped": _share(reached, mine & at_cap, mine),
            }
    used = weight[acceptance > 0]
    report["accepted_in_an_epoch"] = float(acceptance.sum())
    report["left"] = float(acceptance.mean())
    report["in_capped"] = _share(reached, at_cap, np.ones(len(pt), np.bool_))
    report |= {"smallest_weight": float(used.min()), "largest_weight": float(used.max())}
    # Sum over the expectation of an epoch: accepted jets enter with their weight.
    report["effective_size"] = float(reached.sum() ** 2 / np.sum(acceptance * weight**2))
    return Sampled(acceptance.astype(np.float32), weight.astype(np.float32), report)


def accept(acceptance: NDArray[np.floating], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows that are used in one epoch, in order; the same seed and epoch give the same rows."""
    uniform = np.random.default_rng((seed, epoch)).random(len(acceptance), dtype=np.float32)
    return np.flatnonzero(uniform < acceptance)


def _capped(weight: NDArray[np.float64], cap: float) -> NDArray[np.float64]:
    """Return min(factor x weight, cap) with the factor that makes its mean 1."""
    low, high = 1.0, 1.0
    while np.minimum(high * weight, cap).mean() < 1.0:
        high *= 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.minimum(middle * weight, cap).mean() < 1.0 else (low, middle)
    return np.minimum(high * weight, cap)


def _share(weight: NDArray[np.float64], part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    """Return the share of a part in the weight of the whole, 0 where that has none."""
    total = weight[whole].sum()
    return float(weight[part].sum() / total) if total > 0 else 0.0


def _edges(
    pt: NDArray[np.float64], eta: NDArray[np.float64], settings: Sampling
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.log(pt.min()), np.log(pt.max())
    if high <= low:
        high = low + 1e-6
    return np.linspace(low, high, settings.pt_bins + 1), np.linspace(0.0, max(eta.max(), 1e-6), settings.eta_bins + 1)


def _cells(
    pt: NDArray[np.float64], eta: NDArray[np.float64], edges: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> NDArray[np.int64]:
    n_pt, n_eta = len(edges[0]) - 1, len(edges[1]) - 1
    i = np.clip(np.searchsorted(edges[0], np.log(pt), side="right") - 1, 0, n_pt - 1)
    j = np.clip(np.searchsorted(edges[1], eta, side="right") - 1, 0, n_eta - 1)
    return i * n_eta + j


def _target_in_cells(
    edges: tuple[NDArray[np.float64], NDArray[np.float64]], settings: Sampling, steps: int = 8
) -> NDArray[np.float64]:
    """Return the integral of h d(pt) d(eta) over each cell (midpoints; d(pt) = pt d(log pt)), up to a common factor."""

    def midpoints(edge: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = (np.arange(steps) + 0.5) / steps
        return (edge[:-1, None] + np.diff(edge)[:, None] * inside).reshape(-1)

    pt, eta = np.exp(midpoints(edges[0])), midpoints(edges[1])
    fine = target_density(pt[:, None], eta[None, :], settings.p_ref, settings.pt_power) * pt[:, None]
    cells = fine.reshape(len(edges[0]) - 1, steps, len(edges[1]) - 1, steps).sum(axis=(1, 3))
    return cells.reshape(-1)


def plot_sampling(
    path: Path,
    pt_gen: NDArray[np.floating],
    eta_gen: NDArray[np.floating],
    flavour: NDArray[np.integer],
    sampled: Sampled,
    settings: Sampling,
) -> None:
    """Draw what the sampling did: available, reached and target density in pt_gen and |eta_gen|, per flavour group."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6))
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(FLAVOUR_GROUPS), squeeze=False)
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.09, top=0.95, hspace=0.3, wspace=0.25)
    pt, eta = np.asarray(pt_gen, np.float64), np.abs(np.asarray(eta_gen, np.float64))
    edges = _edges(pt, eta, settings)
    target = _target_in_cells(edges, settings).reshape(len(edges[0]) - 1, -1)
    reached = sampled.acceptance.astype(np.float64) * sampled.weight
    for column, (group, codes) in enumerate(FLAVOUR_GROUPS.items()):
        mine = np.isin(flavour, codes)
        views = ((np.exp(edges[0]), pt, target.sum(axis=1)), (edges[1], eta, target.sum(axis=0)))
        for row, (edge, values, wanted) in enumerate(views):
            axis = axes[row, column]
            for name, weight in (("available", None), ("reached", reached[mine])):
                counts, _ = np.histogram(values[mine], edge, weights=weight)
                axis.stairs(counts / max(counts.sum(), 1e-9), edge, label=name)
            axis.stairs(wanted / wanted.sum(), edge, label="target", color="black", linestyle=":")
            axis.set_yscale("log")
            axis.set_ylim(1e-5, 1.0)
            if row == 0:
                axis.set_xscale("log")
                axis.set_title(f"{group}: {int(mine.sum()):,} jets")
            axis.set_xlabel(r"$p_T^{gen}$ / GeV" if row == 0 else r"$|\eta^{gen}|$")
    axes[0, 0].legend()
    axes[0, 0].set_ylabel("share of jets in the bin")
    axes[1, 0].set_ylabel("share of jets in the bin")
    temporary = path.with_name(path.name + ".part")
    figure.savefig(temporary, format="png", dpi=110)
    temporary.rename(path)
