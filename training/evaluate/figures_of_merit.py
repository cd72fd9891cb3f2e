"""The numbers that an evaluation keeps: of each provider, of each variant, and for a model's card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coffea_mljec import MLJEC
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.status import Status
from coffea_mljec.validation.common.binning import REGIONS
from coffea_mljec.validation.response.summary import Measured, Summary
from training.evaluate.jets import EvaluatedJets
from training.evaluate.losses import Losses
from training.evaluate.providers import STANDARD
from training.evaluate.tables import closure_rows

__all__ = ["card_metrics", "provider_numbers", "region_numbers"]


def provider_numbers(
    name: str, provider: Provider, jets: EvaluatedJets, found: Losses, times: Mapping[str, float]
) -> dict[str, Any]:
    """Return size, training, loss, cost and share of corrected jets of one provider."""
    card = provider.card if isinstance(provider, MLJEC) else None
    less = next((value for (one, _), value in found.less.items() if one == name), None)
    applied = sum(
        number for code, number in jets.status[name].items() if code & Status.APPLIED and not code & Status.FALLBACK
    )
    return {
        "parameters": None if card is None else card.parameters,
        "training_jets": None if card is None else card.training.n_jets,
        "sha256": None if card is None else card.sha256,
        "test_loss": found.of[name],
        "less_than_the_one_above": less,
        "us_per_jet": times[name],
        "applied": applied / len(jets),
    }


def region_numbers(summary: Summary) -> dict[str, dict[str, Any]]:
    """Return provider -> region -> beta, median and SAE above 30 GeV, and the largest |median - 1| of the fine bins.

    Each is (value, error); the last as `training.evaluate.tables.closure_rows` finds it.
    """
    result: dict[str, dict[str, Any]] = {}
    worst = {(row["provider"], row["region"]): (row["largest"], row["error"]) for row in closure_rows(summary)}
    for name in summary.providers:
        result[name] = {}
        for region in REGIONS:
            cell = summary.cell(name, region, ">30", "all")
            result[name][region] = {
                "jets": cell.jets,
                "beta": None if cell.beta is None else _pair(cell.beta),
                "median": _pair(cell.median),
                "sae": _pair(summary.flavour_dependence(name, region, ">30").sae),
                "closure": worst[name, region],
            }
    return result


def _pair(measured: Measured) -> tuple[float | None, float | None]:
    return measured.value, measured.error


def card_metrics(
    name: str, content: Mapping[str, Any], summary: Summary, variants: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """Return a model's figures for its card, flat: on the test production, and on each variant beside the standard."""
    figures: dict[str, float | None] = {"evaluated_loss": content["providers"][name]["test_loss"].value}
    for region in REGIONS:
        for flavour in ("all", "uds", "c", "b", "g"):
            beta = summary.cell(name, region, ">30", flavour).beta
            figures[f"beta_{region}_{flavour}"] = None if beta is None else beta.value
        alpha = summary.flavour_dependence(name, region, ">30").alpha
        figures[f"alpha_{region}"] = None if alpha is None else alpha.value
    for row in content["closure"]["mix"]:
        if row["provider"] == name:
            figures[f"closure_{row['region']}"] = row["largest"]
    if name in content["seeds"]:
        spread_of_seeds = content["seeds"][name]
        figures |= {f"seeds_{what}": spread_of_seeds[what] for what in ("mean", "deviation", "trainings")}
    for variant, providers in variants.items():
        for region in REGIONS:
            own, standard = providers[name][region], providers[STANDARD][region]
            figures[f"{variant}_beta_{region}"] = own["beta"][0]
            for what in ("median", "sae", "closure"):
                figures[f"{variant}_{what}_{region}"] = own[what][0]
                figures[f"{variant}_{what}_{region}_standard"] = standard[what][0]
    return {key: float(f"{value:.4g}") for key, value in figures.items() if value is not None}
