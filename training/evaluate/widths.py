"""Whether jets spread as much as a network says: intervals that should hold 68 % of the jets, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC, Network
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.validation.common.measured import Measured
from coffea_mljec.validation.width.processor import fill_widths, width_histograms
from coffea_mljec.validation.width.sections import coverage_table
from coffea_mljec.validation.width.summary import Coverage, Spread, WidthSummary, summarise_widths
from training.derive.provider import events_with

if TYPE_CHECKING:
    from training.evaluate.jets import EvaluatedJets

__all__ = ["gives_interval", "intervals_of_file", "read_widths", "widths_of", "widths_text"]

_LEVELS = (0.16, 0.84)
"""Quantiles between which 68 % lie."""


def gives_interval(provider: Provider) -> bool:
    """Whether a model gives a correction and quantiles at 0.16 and 0.84, or a resolution."""
    return isinstance(provider, MLJEC) and _names(provider) is not None


def _names(model: MLJEC) -> tuple[str, ...] | None:
    """Names of the outputs: lower and upper quantile; or correction and resolution."""
    outputs = {output.quantity: output.name for output in model.card.outputs}
    quantiles = {float(q.partition(":")[2]): name for q, name in outputs.items() if q.startswith("quantile:")}
    if all(level in quantiles for level in _LEVELS):
        return tuple(quantiles[level] for level in _LEVELS)
    return (outputs["pt"], outputs["resolution"]) if {"pt", "resolution"} <= set(outputs) else None


def intervals_of_file(path: Path, provider: Provider, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """Return ``interval`` of some jets of a file, in generator over raw pT, [n, 2]; NaN where nothing is said.

    Between the quantiles, or about the corrected pT by a factor exp(resolution).

    Parameters
    ----------
    path : Path
    provider : MLJEC
        Of which `gives_interval` is true.
    rows : int64 array [n]
        As for `training.derive.provider.corrected_jets`.
    """
    assert isinstance(provider, MLJEC)
    names = _names(provider)
    assert names is not None
    network, parts = Network(provider.model), [np.zeros((0, 2), np.float32)]
    quantiles = any(output.quantity.startswith("quantile:") for output in provider.card.outputs if output.name in names)
    for events in events_with(path, rows):
        said = network.outputs(events, "Jet")
        first, second = (ak.to_numpy(ak.flatten(said[name])).astype(np.float64) for name in names)
        ends = (first, second) if quantiles else (first * np.exp(-second), first * np.exp(second))
        parts.append(np.stack(ends, axis=1).astype(np.float32))
    return {"interval": np.concatenate(parts)}


def widths_of(jets: EvaluatedJets, replica_weights: NDArray[np.uint8]) -> WidthSummary | None:
    """Return coverage, and measured against given width, of the providers that give one; None if there is none.

    Coverage is that of the interval: both of its ends count by themselves. The measured width is of the provider's pT
    before its closure.

    Parameters
    ----------
    jets : EvaluatedJets
    replica_weights : uint8 array [n, replicas]
        From `training.evaluate.weights.replicas_of`.
    """
    if not jets.intervals:
        return None
    filled: dict[str, Any] = dict(width_histograms(list(jets.intervals), replica_weights.shape[1], False))
    judged = 0
    for name, interval in jets.intervals.items():
        low, high = interval.T
        with np.errstate(invalid="ignore"):
            response = jets["pt_gen"] / jets["pt_raw"]
            covered = (low < response) & (response < high)
            width = 0.5 * np.log(high / low)
        rows = np.arange(len(jets), dtype=np.int64)
        error = np.log(jets.pt[name] / jets["pt_gen"])
        of_sample = (rows, np.ones(len(jets), np.int64), replica_weights)
        judged = max(
            judged,
            fill_widths(filled, name, error, width, covered, jets["pt_gen"], jets["abs_eta_gen"], *of_sample),
        )
    counts = {"events": jets.counts["events"], "judged": judged}
    return summarise_widths({"test": filled | {"counts": counts}})


def widths_text(summary: WidthSummary) -> str:
    """Return the report's part on widths: a line a provider, and the coverage of every bin."""
    lines = []
    for name in summary.with_width:
        found = [cell for cell in summary.coverages if cell.provider == name]
        known = [cell.coverage for cell in found if cell.coverage.value is not None]
        shares = [100.0 * (one.value or 0.0) for one in known]
        near = sum(abs(share - 68.3) <= 1.5 for share in shares)
        if shares:
            lines.append(
                f"- {name}: {min(shares):.1f} to {max(shares):.1f} % in {len(shares)} bins, {near} of them within 1.5 "
                f"of 68.3; {len(found) - len(known)} bins have too few jets"
            )
    return "\n".join([*lines, "", coverage_table(summary).markdown()])


def read_widths(data: Mapping[str, Any]) -> WidthSummary:
    """Return the summary that ``evaluation.json`` holds, for its figures."""
    coverages = [Coverage(**one | {"coverage": _measured(one["coverage"])}) for one in data["coverages"]]
    spreads = [Spread(**one | {"measured": _measured(one["measured"])}) for one in data["spreads"]]
    return WidthSummary(**{**data, "coverages": coverages, "spreads": spreads})


def _measured(value: Any) -> Measured:
    return Measured(None, None, value) if isinstance(value, str) else Measured(*value)
