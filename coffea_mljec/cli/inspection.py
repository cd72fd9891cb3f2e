"""What ``mljec inspect`` finds out about a file, as plain data: the printed page and the JSON are made from it."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from typing import Any

from coffea_mljec.errors import MissingBranchError, MLJECError
from coffea_mljec.nano import Layout, NanoFile, detect
from coffea_mljec.nano.adapter import missing_branches
from coffea_mljec.nano.algorithm import is_simulation, pileup_scheme, radius
from coffea_mljec.nano.names import FIELDS, REGRESSIONS
from coffea_mljec.nano.survey import survey

__all__ = ["collection_report", "file_report", "nanoaod_version"]

WEIGHTING = {
    "none": "plain pT",
    "weight": "pT times puppiWeight, applied here once",
    "stored": "pT as stored, PUPPI-weighted already",
}
_STANDARD = ("pt", "mass", "raw_factor", "eta", "area")


def file_report(nano: NanoFile, sample: Any, collection: str) -> dict[str, Any]:
    """What holds for the whole file; `collection` is any of its collections of jets."""
    layout = detect(sample, collection)
    return {
        "file": nano.path,
        "format": nano.kind,
        "events": nano.entries,
        "branches": len(nano.branches),
        "kind": "simulation" if is_simulation(layout) else "data",
        "own_simulation": layout.simulation,
        "nanoaod": nanoaod_version(layout),
        "rho": _branch(layout.find("event", "rho")),
    }


def nanoaod_version(layout: Layout) -> str:
    """The version of NanoAOD, as far as branches tell that came with it."""
    jet = layout.fields.get("Jet", ())
    for mark, version in (
        ("UParTAK4V1RegPtRawCorr", "v15"),
        ("UParTAK4RegPtRawCorr", "v14"),
        ("PNetRegPtRawCorr", "v12 or v13"),
    ):
        if mark in jet:
            return version
    if "fixedGridRhoFastjetAll" in layout.fields.get("Rho", ()):
        return "v10 to v13"
    return "v9 or older" if "fixedGridRhoFastjetAll" in layout.fields else "unknown"


def collection_report(sample: Any, collection: str) -> dict[str, Any]:
    """What holds for one collection of jets; `sample` are the events to look at."""
    layout = detect(sample, collection)
    stored = [name for name in layout.fields[collection] if "RegPt" in name or name in ("bRegCorr", "cRegCorr")]
    return {
        "collection": collection,
        "radius": radius(collection),
        "pileup": pileup_scheme(layout),
        "where": {
            "jet": collection,
            "event": "event",
            "candidate": _chain(layout.candidate_links, layout.candidate_index, layout.candidates),
            "vertex": _chain(layout.vertex_links, layout.vertex_index, layout.vertices),
        },
        "weighting": WEIGHTING[layout.puppi_weighting] if layout.candidate_links else None,
        "quantities": _quantities(layout),
        "stored_regressions": stored,
        "constituents": _constituents(sample, layout),
        "events_looked_at": len(sample),
        "models": _models(sample, layout),
        "other_providers": _others(sample, layout),
    }


def _branch(path: tuple[str, ...] | None) -> str | None:
    return None if path is None else "_".join(path)


def _chain(links: str | None, index: str | None, target: str | None) -> str | None:
    if target is None:
        return None
    if links is None:
        return f"{target} within the jet's radius" if target == "SV" else None
    if index is None:
        return f"rows of {target}, .jetIdx"
    return f"{links}.jetIdx, .{index} -> {target}"


def _quantities(layout: Layout) -> dict[str, dict[str, str | None]]:
    """Kind -> canonical quantity -> the file's field, None where it is lacking."""
    found: dict[str, dict[str, str | None]] = {}
    for kind, quantities in FIELDS.items():
        at = "charged" if kind == "candidate" and layout.split else kind
        if kind in ("candidate", "vertex") and layout.table(at) is None:
            found[kind] = {}
            continue
        paths = {name: layout.find(at, name) for name in quantities}
        components = {name for name in ("px", "py", "pz") if paths.get(name) is None}
        found[kind] = {name: path[-1] if path else None for name, path in paths.items() if name not in components}
    return found


def _constituents(sample: Any, layout: Layout) -> dict[str, Any] | str:
    """Figures of the survey, or why there are none."""
    if layout.candidate_links is None:
        return "none in this file for these jets"
    try:
        return asdict(survey(sample, layout))
    except MLJECError as error:
        return f"not usable: {error}"


def _models(sample: Any, layout: Layout) -> dict[str, dict[str, Any]]:
    from coffea_mljec import MLJEC
    from coffea_mljec.models import bundled

    found = {}
    for name in bundled():
        corrector = MLJEC(name)
        needed = corrector.card.feature_set
        answer = _runs(corrector, sample, layout.collection)
        meant = layout.collection in corrector.card.collections
        if meant and not _without_tables(layout, needed.constituent_quantities):
            lacking = missing_branches(layout, needed.jet_quantities, needed.constituent_quantities, needed.user_of)
            answer["missing"] = [asdict(one) for one in lacking]
        found[name] = answer
    return found


def _without_tables(layout: Layout, constituents: dict[str, tuple[str, ...]]) -> bool:
    """Whether a whole table that the model reads is not there."""
    try:
        for collection in constituents:
            layout.require_links(layout.kind_of(collection), "")
    except MissingBranchError:
        return True
    return False


def _others(sample: Any, layout: Layout) -> dict[str, dict[str, Any]]:
    """The standard path, and the regressions that the file stores."""
    from coffea_mljec import NanoRegression

    lacking = [
        " or ".join(layout.looked_for(kind, name))
        for kind, names in (("jet", _STANDARD), ("event", ("rho",)))
        for name in names
        if layout.find(kind, name) is None
    ]
    found: dict[str, dict[str, Any]] = {
        "FactorizedJEC": {"runs": not lacking, "why": f"lacking: {', '.join(lacking)}" if lacking else "", "notes": []}
    }
    for regression in REGRESSIONS:
        answer = _runs(NanoRegression(regression), sample, layout.collection)
        if answer["runs"]:
            found[f"NanoRegression({regression!r})"] = answer
    return found


def _runs(provider: Any, sample: Any, collection: str) -> dict[str, Any]:
    """Whether a provider runs on these jets: the branches that it reads, or the message of its error."""
    from coffea_mljec import MismatchWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MismatchWarning)
        try:
            branches = provider.required_branches(sample, collection)
        except MLJECError as error:
            return {"runs": False, "why": str(error), "branches": [], "notes": []}
    # What it was made for against what it would meet: part of the answer here, a warning elsewhere.
    return {"runs": True, "why": "", "branches": list(branches), "notes": [str(one.message) for one in caught]}
