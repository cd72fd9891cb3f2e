"""From the jets that a sample has to the target density: which jets are used in an epoch, and their loss weights.

Each flavour gets the same density (`training.learning.target_density`) and a fixed share of the weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from coffea_mljec.errors import InputError
from training.learning.target_density import cell_edges, cells_of, target_density, target_in_cells
from training.random_streams import acceptance_generator

__all__ = ["FLAVOUR_GROUPS", "JetWeights", "SamplingSettings", "accept", "capped", "effective_size", "weigh_jets"]

#: Group -> PDG ids.
FLAVOUR_GROUPS: Mapping[str, tuple[int, ...]] = {"b": (5,), "c": (4,), "uds": (1, 2, 3), "g": (21,)}

#: |eta_gen| beyond which a jet is forward.
FORWARD = 2.5

Floats = NDArray[np.float64]
Share = Annotated[float, Field(ge=0.0)]


class SamplingSettings(BaseModel):
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
        The density is divided by pt**pt_power. 0 is flat in pt; 1 is flat in log(pt): a small sample
        then spends its jets where corrections are largest.
    temper : float
        Ideal weights within a group of flavours are raised to this power: 1 is the target density, 0 the available one.
        A small sample far from the target density is worth few jets (its effective size); tempering gives them back.
    forward_share : float or None
        Share of the weight of each group of flavours given to jets beyond |eta_gen| = 2.5; None: what the density
        gives. That leaves 1 % to forward jets above 30 GeV, from which a network learns little.
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
class JetWeights:
    """Acceptance and loss weight of every jet, and what they achieve.

    Attributes
    ----------
    acceptance : float32 array [n]
        Probability to be used in an epoch.
    loss_weight : float32 array [n]
        Weight in the loss once accepted; the mean over accepted jets is 1 on average.
    report : dict
        Per group: jets, share asked and reached, jets left (expected in an epoch), effective size, share of the weight
        that forward jets carry (``forward``), share of the target where the sample has no jet (``uncovered``), share
        of the weight that the cap takes from capped jets (``capped``) and share of the weight that capped jets carry
        (``in_capped``). Of all: ``jets``, ``accepted_in_an_epoch``, ``left`` (its share), ``effective_size``,
        ``in_capped``, ``smallest_weight`` and ``largest_weight`` in the loss.
    """

    acceptance: NDArray[np.float32]
    loss_weight: NDArray[np.float32]
    report: dict[str, Any]

    @property
    def expected(self) -> NDArray[np.float32]:
        """Acceptance x loss weight: what each jet is worth in the target density."""
        return self.acceptance * self.loss_weight


def weigh_jets(
    pt_gen: NDArray[np.floating],
    eta_gen: NDArray[np.floating],
    flavour: NDArray[np.integer],
    settings: SamplingSettings,
) -> JetWeights:
    """Return acceptance and loss weight of every jet so that, together, they follow the target density.

    Parameters
    ----------
    pt_gen, eta_gen : float array, shape (n,)
        Of the generator jet; pt in GeV.
    flavour : int array, shape (n,)
        PDG ids without sign.
    settings : SamplingSettings
        Target and means.

    Raises
    ------
    InputError
        If there is no jet, a flavour belongs to no group, a group with a share has no jet, or a share names no group.
    """
    shares = _group_shares(flavour, settings)
    pt, eta = np.asarray(pt_gen, np.float64), np.abs(np.asarray(eta_gen, np.float64))
    edges = cell_edges(pt, eta, settings.pt_bins, settings.eta_bins)
    cell = cells_of(pt, eta, edges)
    target = target_in_cells(edges, settings.p_ref, settings.pt_power)
    ideal, at_cap = np.zeros(len(pt)), np.zeros(len(pt), np.bool_)
    groups: dict[str, dict[str, Any]] = {}
    for group, share in shares.items():
        mine = np.isin(flavour, FLAVOUR_GROUPS[group])
        weight, at_cap[mine], covered, lost = _ideal_in_group(pt[mine], eta[mine], cell[mine], target, settings)
        ideal[mine] = weight * (share * len(pt) / weight.sum())
        groups[group] = {
            "jets": int(mine.sum()),
            "share_asked": share,
            "effective_size": effective_size(ideal[mine]),
            "uncovered": float(1.0 - covered / target.sum()),
            "capped": float(lost),
        }
    acceptance, weight = _accepted(ideal, settings)
    report = _report(acceptance, weight, flavour, eta > FORWARD, at_cap, groups)
    return JetWeights(acceptance.astype(np.float32), weight.astype(np.float32), report)


def accept(acceptance: NDArray[np.floating], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows that are used in one epoch, in order; the same seed and epoch give the same rows."""
    uniform = acceptance_generator(seed, epoch).random(len(acceptance), dtype=np.float32)
    return np.flatnonzero(uniform < acceptance)


def effective_size(weight: NDArray[np.floating]) -> float:
    """Return (sum w)^2 / sum w^2, 0 without jets."""
    squares = float(np.sum(np.square(weight, dtype=np.float64)))
    return float(np.sum(weight, dtype=np.float64)) ** 2 / squares if squares > 0 else 0.0


def _group_shares(flavour: NDArray[np.integer], settings: SamplingSettings) -> dict[str, float]:
    """Return the share of every group of flavours that has jets, or refuse the sample."""
    if len(flavour) == 0:
        raise InputError("no jet to sample from")
    if unknown := sorted(set(settings.shares) - set(FLAVOUR_GROUPS)):
        raise InputError(f"shares name {unknown}; the groups of flavours are {', '.join(FLAVOUR_GROUPS)}")
    known = [code for codes in FLAVOUR_GROUPS.values() for code in codes]
    present = set(np.unique(flavour).tolist())
    if foreign := sorted(present - set(known)):
        raise InputError(f"flavours {foreign} belong to no group; select jets of known flavour ({known}) first")
    total = sum(settings.shares.values())
    shares = {group: settings.shares.get(group, 0.0) / total for group in FLAVOUR_GROUPS}
    for group, share in shares.items():
        if share > 0 and present.isdisjoint(FLAVOUR_GROUPS[group]):
            raise InputError(
                f"the sample has no jet of flavour {group}, which has a share of {share:.3f}: simulate some"
            )
    return {group: share for group, share in shares.items() if not present.isdisjoint(FLAVOUR_GROUPS[group])}


def _ideal_in_group(
    pt: Floats, abs_eta: Floats, cell: NDArray[np.int64], target: Floats, settings: SamplingSettings
) -> tuple[Floats, NDArray[np.bool_], float, float]:
    """Return the ideal weights of the jets of one group of flavours, mean 1.

    Returns
    -------
    weight : float64 array [n]
        Of the tempered target density, forward jets with their share, capped.
    at_cap : bool array [n]
        Which jets are capped.
    covered : float
        Integral of the target over the cells that have jets.
    lost : float
        Share of the weight that the cap takes from the capped jets.
    """
    available = np.bincount(cell, minlength=len(target))
    covered = target[available > 0].sum()
    raw = target_density(pt, abs_eta, settings.p_ref, settings.pt_power) * pt / available[cell]
    raw *= len(pt) / raw.sum()
    raw = raw**settings.temper
    forward = abs_eta > FORWARD
    if settings.forward_share is not None and forward.any() and not forward.all():
        raw[forward] *= settings.forward_share / raw[forward].sum()
        raw[~forward] *= (1.0 - settings.forward_share) / raw[~forward].sum()
    raw *= len(pt) / raw.sum()
    weight = capped(raw, settings.largest_weight)
    at_cap = weight >= settings.largest_weight * (1.0 - 1e-9)
    lost = raw[at_cap].sum() / raw.sum() - weight[at_cap].sum() / weight.sum()
    return weight, at_cap, covered, lost


def _accepted(ideal: Floats, settings: SamplingSettings) -> tuple[Floats, Floats]:
    """Return acceptance and loss weight of jets with some ideal weights."""
    acceptance = np.clip(ideal / settings.accept_all_above, settings.least_acceptance, 1.0)
    acceptance[ideal == 0] = 0.0
    weight = np.divide(ideal, acceptance, out=np.zeros_like(ideal), where=acceptance > 0)
    weight *= acceptance.sum() / ideal.sum()
    return acceptance, weight


def _report(
    acceptance: Floats,
    weight: Floats,
    flavour: NDArray[np.integer],
    forward: NDArray[np.bool_],
    at_cap: NDArray[np.bool_],
    groups: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Return the report of `JetWeights`; what is known of the groups is completed."""
    reached = acceptance * weight
    for group, known in groups.items():
        mine = np.isin(flavour, FLAVOUR_GROUPS[group])
        known |= {
            "share_reached": float(reached[mine].sum() / reached.sum()),
            "left": float(acceptance[mine].sum()),
            "forward": _share(reached, mine & forward, mine),
            "in_capped": _share(reached, mine & at_cap, mine),
        }
    used = weight[acceptance > 0]
    return {
        "jets": len(weight),
        "groups": groups,
        "accepted_in_an_epoch": float(acceptance.sum()),
        "left": float(acceptance.mean()),
        "in_capped": _share(reached, at_cap, np.ones(len(weight), np.bool_)),
        "smallest_weight": float(used.min()),
        "largest_weight": float(used.max()),
        # Sum over the expectation of an epoch: accepted jets enter with their weight.
        "effective_size": float(reached.sum() ** 2 / np.sum(acceptance * weight**2)),
    }


def capped(weight: Floats, cap: float) -> Floats:
    """Return min(factor x weight, cap) with the factor that makes its mean 1."""
    low, high = 1.0, 1.0
    while np.minimum(high * weight, cap).mean() < 1.0:
        high *= 2.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.minimum(middle * weight, cap).mean() < 1.0 else (low, middle)
    return np.minimum(high * weight, cap)


def _share(weight: Floats, part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    """Return the share of a part in the weight of the whole, 0 where that has none."""
    total = weight[whole].sum()
    return float(weight[part].sum() / total) if total > 0 else 0.0
