"""The thesis's tables for our sample, beside the thesis's own values, as markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from coffea_mljec.validation.common.binning import INTERVALS, REGIONS, SIX_FLAVOURS
from coffea_mljec.validation.response.summary import Measured, Summary
from coffea_mljec.validation.width.summary import WidthSummary
from training.evaluate import thesis
from training.evaluate.widths import widths_text

__all__ = ["closure_rows", "report"]

_FLAVOURS = ("all", "uds", "c", "b", "g")
_CLOSURE_FROM = 30.0


def report(
    content: Mapping[str, Any],
    summaries: Mapping[str, Summary],
    variants: Mapping[str, Mapping[str, Any]],
    widths: WidthSummary | None = None,
) -> str:
    """Return the report.

    Parameters
    ----------
    content : mapping
        What `training.evaluate.workflow.evaluate` writes as ``evaluation.json``.
    summaries : mapping of str to Summary
        ``after`` and ``before`` the closure on the sampled mix, ``spectrum`` after it on the physical spectrum, ``mix``
        and ``mix before`` in the flavour mix of the closure.
    variants : mapping
        Name of a variant -> provider -> its numbers.
    widths : WidthSummary, optional
        Coverage of the models that give widths.
    """
    after, before, spectrum = (summaries[name] for name in ("after", "before", "spectrum"))
    parts = [
        "# Evaluation",
        _sample(content),
        "## Providers",
        _providers(content),
        *_seeds(content),
        "## Resolution: beta in per cent, after the closure, sampled mix",
        "In parentheses: the reference thesis.",
        _beta(after, True),
        _five_sigma(after),
        "## Resolution: beta in per cent, after the closure, physical spectrum and flavour mix of inclusive QCD",
        _beta(spectrum, False),
        "## Resolution: beta in per cent, before the closure, sampled mix",
        _beta(before, False),
        "## Flavour dependence: alpha in per cent",
        "In parentheses: the reference thesis.",
        _alpha(after, before),
        "## Median response by flavour, pt_gen > 30 GeV",
        _medians(after, before),
        "## Closure",
        f"Largest |median - 1| of the fine bins of pt_gen above {_CLOSURE_FROM:g} GeV whose median is known to 0.5 %, "
        "in the flavour mix that the payloads were derived in (inclusive QCD at every pt_gen).",
        _closure(summaries["mix"], summaries["mix before"]),
    ]
    if widths is not None:
        parts += ["## Coverage: share of jets within the interval that the model gives, 68.3 % expected"]
        parts += [widths_text(widths)]
    if variants:
        parts += [
            "## Robustness: the same corrections and closures on other samples, jets of known flavour",
            _variants(variants),
        ]
    parts += ["", _legend(content)]
    return "\n\n".join(parts) + "\n"


def _sample(content: Mapping[str, Any]) -> str:
    counts = content["counts"]
    judged = max(counts["judged"], 1)
    effective = content["effective_entries"]["spectrum"]
    lines = [
        f"{counts['judged']:,} jets of {counts['events']:,} events in {content['files']} files, generator pT "
        f"{'with neutrinos ' if content.get('neutrinos') else ''}from 20 GeV, matched once by direction (no correction "
        "changes it), the same for every provider. "
        f"Of {counts['jets']:,} jets {100 * counts['unmatched'] / max(counts['jets'], 1):.1f} % have no generator jet "
        f"within 0.2; of the judged ones {100 * counts['unknown_flavour'] / judged:.2f} % have no known flavour.",
        "Effective entries of the physical spectrum (of the sampled mix: the number of jets):",
        _table(
            ("region", *INTERVALS),
            [(region, *(f"{effective[region][name]:,.0f}" for name in INTERVALS)) for region in REGIONS],
        ),
    ]
    return "\n\n".join(lines)


def _providers(content: Mapping[str, Any]) -> str:
    rows = []
    for name, one in content["providers"].items():
        loss, less = one["test_loss"], one["less_than_the_one_above"]
        reference = thesis.test_loss(name)
        rows.append(
            (
                name,
                "" if one["parameters"] is None else f"{one['parameters']:,}",
                "" if one["training_jets"] is None else f"{one['training_jets']:,}",
                _number(loss, 1.0, 5),
                "" if less is None else _number(less, 1.0, 5),
                "" if reference is None else f"{reference:.5f}",
                f"{one['us_per_jet']:.1f}",
                f"{100 * one['applied']:.2f}",
            )
        )
    columns = (
        "provider", "parameters", "training jets", "test loss", "minus the one above", "thesis (its sample)", "us/jet",
        "applied/%",
    )  # fmt: skip
    return _table(columns, rows)


def _seeds(content: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            name,
            str(one["trainings"]),
            f"{one['mean']:.5f} ± {one['deviation']:.5f}",
            ", ".join(f"{value:.5f}" for value in one["losses"]),
        )
        for name, one in content["seeds"].items()
    ]
    if not rows:
        return []
    return ["The same networks trained with other seeds:", _table(("model", "trainings", "test loss", "each"), rows)]


def _beta(summary: Summary, beside: bool) -> str:
    models = [name for name in summary.providers if name != summary.standard]
    rows = []
    for region in REGIONS:
        for interval in INTERVALS:
            for flavour in _FLAVOURS:
                cells = []
                for model in models:
                    found = summary.cell(model, region, interval, flavour).beta
                    cells.append(_beside(found, thesis.beta(model, region, flavour, interval) if beside else None))
                rows.append((region, interval, flavour, *cells))
    return _table(("region", "pt_gen", "flavour", *models), _blanked(rows))


def _five_sigma(summary: Summary) -> str:
    models = [name for name in summary.providers if name != summary.standard]
    lines = []
    for model in models:
        weakest, count, above = float("inf"), 0, 0
        for region in REGIONS:
            for flavour in ("uds", "c", "b", "g"):
                found = summary.cell(model, region, ">30", flavour).beta
                if found is not None and found.value is not None and found.error:
                    count += 1
                    above += found.value > 5 * found.error
                    weakest = min(weakest, found.value / found.error)
        lines.append(
            f"- {model}: beta > 0 by 5 errors in {above} of {count} flavours x regions above 30 GeV"
            + (f" (weakest {weakest:.1f} errors)" if count else "")
        )
    return "\n".join(lines)


def _alpha(after: Summary, before: Summary) -> str:
    models = [name for name in after.providers if name != after.standard]
    rows = []
    for region in REGIONS:
        for interval in INTERVALS:
            standard = after.flavour_dependence(after.standard, region, interval).sae
            cells = [
                _beside(after.flavour_dependence(model, region, interval).alpha, thesis.alpha(model, region, interval))
                for model in models
            ]
            early = [_number(before.flavour_dependence(model, region, interval).alpha, 100.0, 1) for model in models]
            rows.append((region, interval, _number(standard, 100.0, 2), *cells, *early))
    columns = ("region", "pt_gen", f"SAE {after.standard}/%", *models, *(f"{model} before closure" for model in models))
    return _table(columns, _blanked(rows))


def _medians(after: Summary, before: Summary) -> str:
    rows = []
    for region in REGIONS:
        for label, summary in (("after", after), ("before", before)):
            for name in summary.providers:
                cells = [
                    _number(summary.cell(name, region, ">30", flavour).median, 1.0, 4)
                    for flavour in ("all", *SIX_FLAVOURS)
                ]
                rows.append((region, f"{label} closure", name, *cells))
    return _table(("region", "", "provider", "all", *SIX_FLAVOURS), _blanked(rows))


def closure_rows(summary: Summary) -> list[dict[str, Any]]:
    """Return, per provider and region, the largest |median - 1| above 30 GeV and how many bins are beyond 1 %.

    ``by_chance`` is how large the largest would be were every median exactly 1: the bins' errors alone.
    """
    rows = []
    for name in summary.providers:
        for region in REGIONS:
            curve = summary.curve(name, region, "all")
            known = [
                (abs(point.value - 1.0), point.error)
                for low, point in zip(summary.fine_edges[:-1], curve.median, strict=True)
                if low >= _CLOSURE_FROM and point.value is not None and point.error is not None and point.error < 0.005
            ]
            worst = max(known, default=None)
            rows.append(
                {
                    "provider": name,
                    "region": region,
                    "bins": len(known),
                    "largest": None if worst is None else worst[0],
                    "error": None if worst is None else worst[1],
                    "by_chance": None if worst is None else _largest_by_chance([error for _, error in known]),
                    "beyond_1_percent": sum(value > 0.01 for value, _ in known),
                    "beyond_1_percent_by_two_errors": sum(value > 0.01 + 2 * error for value, error in known),
                }
            )
    return rows


def _largest_by_chance(errors: Sequence[float]) -> float:
    """Return the median of the largest of some Gaussian deviations about 0, of these standard deviations."""
    low, high = 0.0, 10.0 * max(errors)
    for _ in range(50):
        middle = 0.5 * (low + high)
        below = math.prod(math.erf(middle / (error * math.sqrt(2.0))) if error else 1.0 for error in errors)
        low, high = (middle, high) if below < 0.5 else (low, middle)
    return high


def _closure(after: Summary, before: Summary) -> str:
    rows = []
    for one, early in zip(closure_rows(after), closure_rows(before), strict=True):
        worst = Measured(one["largest"], one["error"])
        then = Measured(early["largest"], early["error"])
        rows.append(
            (
                one["provider"], one["region"], str(one["bins"]), _number(worst, 100.0, 2),
                "" if one["by_chance"] is None else f"{100.0 * one['by_chance']:.2f}",
                str(one["beyond_1_percent"]), str(one["beyond_1_percent_by_two_errors"]), _number(then, 100.0, 2),
            )
        )  # fmt: skip
    columns = (
        "provider",
        "region",
        "bins",
        "largest/%",
        "by chance/%",
        "beyond 1 %",
        "by two errors",
        "largest before/%",
    )
    return _table(columns, rows)


def _variants(variants: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, providers in variants.items():
        for provider, numbers in providers.items():
            cells = []
            for region in REGIONS:
                one = numbers[region]
                cells += [
                    _number(Measured(*one["beta"]) if one["beta"] else None, 100.0, 1),
                    _number(Measured(*one["median"]), 1.0, 4), _number(Measured(*one["closure"]), 100.0, 1),
                    _number(Measured(*one["sae"]), 100.0, 2),
                ]  # fmt: skip
            rows.append((name, provider, *cells))
    heads = [f"{region} {what}" for region in REGIONS for what in ("beta/%", "median", "closure/%", "SAE/%")]
    return _table(("sample", "provider", *heads), _blanked(rows, 1))


def _legend(content: Mapping[str, Any]) -> str:
    return (
        "Response of jets matched to generator jets; resolution = (Q75 - Q25) / Q50; beta = 1 - resolution / that of "
        "the standard path; SAE = sum over u, d, s, c, b, g of |median - mean of the six|; alpha = 1 - SAE / that of "
        f"the standard path. Errors: {content['replicas']} bootstrap resamples of the hard scatters, the same for "
        "every provider. test loss: mean |ln(pt_gen / pt)| in the sampling density 1 / (cosh(p / 500 GeV) cosh(eta)), "
        "jets with |ln(pt_gen / pt_raw)| >= 1 contributing 0. us/jet: processor time of the whole of apply, "
        "the branches being read already. too few: not enough jets for the number to mean something. "
        f"{thesis.source()}"
    )


def _number(measured: Measured | None, scale: float, digits: int) -> str:
    if measured is None:
        return ""
    if measured.value is None:
        return measured.note or "too few"
    error = "" if measured.error is None else f" ± {scale * measured.error:.{digits}f}"
    return f"{scale * measured.value:.{digits}f}{error}"


def _beside(measured: Measured | None, reference: float | None) -> str:
    own = _number(measured, 100.0, 1)
    return own if reference is None else f"{own} ({reference:.1f})"


def _blanked(rows: Sequence[tuple[str, ...]], heads: int = 2) -> list[tuple[str, ...]]:
    """Blank the first cells of a row where they repeat those of the row above."""
    result = []
    previous: tuple[str, ...] = ()
    for row in rows:
        head = ["" if previous[: i + 1] == row[: i + 1] else row[i] for i in range(heads)]
        result.append((*head, *row[heads:]))
        previous = row
    return result


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
