"""What ``mljec inspect`` finds out about a file, as plain data: the printed page and the JSON are made from it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import MissingBranchError, MLJECError
from coffea_mljec.nano import Branch, JetChunk, Layout, NanoFile, detect
from coffea_mljec.nano.algorithm import is_simulation, pileup_scheme, radius
from coffea_mljec.nano.layout import Linkage
from coffea_mljec.nano.quantities import CONSTITUENTS, QUANTITIES, REGRESSIONS, SUBJETS
from coffea_mljec.nano.requirements import missing_branches
from coffea_mljec.nano.survey import survey
from coffea_mljec.status import Status, carries

if TYPE_CHECKING:
    from coffea_mljec import Network

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
        "eras": _eras(JetChunk(sample, layout, "this survey")),
    }


def _eras(chunk: JetChunk) -> list[dict[str, str | None]]:
    """The eras that the events can be of, by the runs of data or the production of simulation, each with how Python and
    the command line name it."""
    from coffea_mljec import era
    from coffea_mljec.cli.eras import command_line
    from coffea_mljec.eras.table import campaign_of_run, campaigns_of_production

    layout = chunk.layout
    data = not is_simulation(layout)
    runs = Branch("", "run").numbers(chunk.events) if "run" in layout.fields and data else np.zeros(0, np.int64)
    if runs.size:
        found = [one for one in campaign_of_run(int(runs.min())) if one in campaign_of_run(int(runs.max()))]
    else:
        found = [one for place in chunk.source.places for one in campaigns_of_production(place)]
    scheme = pileup_scheme(layout)
    fitting = [one for one in dict.fromkeys(found) if scheme is None or one.jets.lower().endswith(scheme.lower())]
    rows: list[dict[str, str | None]] = []
    for one in fitting:
        try:
            command = command_line(era(one.name, data, int(runs[0]) if runs.size else None))
        except MLJECError:
            command = None
        rows.append(
            {"era": one.name, "python": f"mljec.era({one.name!r}{', data=True' if data else ''})", "command": command}
        )
    return rows


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


def collection_report(sample: Any, collection: str, networks: Sequence[Network] = ()) -> dict[str, Any]:
    """What holds for one collection of jets; `sample` are the events to look at, `networks` those to ask of beside the
    bundled ones."""
    chunk = JetChunk.of(sample, collection, "this survey")
    layout = chunk.layout
    stored = [name for name in layout.fields[collection] if "RegPt" in name or name in ("bRegCorr", "cRegCorr")]
    return {
        "collection": collection,
        "radius": radius(collection),
        "pileup": pileup_scheme(layout),
        "where": {
            "jet": collection,
            "event": "event",
            **{kind: _chain(layout.linkage(kind)) for kind in CONSTITUENTS},
        },
        "weighting": WEIGHTING[layout.puppi_weighting] if layout.charged.links else None,
        "quantities": _quantities(layout),
        "stored_regressions": stored,
        "jets": len(chunk),
        "constituents": _constituents(chunk),
        "events_looked_at": len(sample),
        "chosen": _chosen(layout),
        "models": _models(chunk, networks),
        "other_providers": _others(chunk),
    }


def _branch(branch: Branch | None) -> str | None:
    return None if branch is None else branch.name


def _chain(linkage: Linkage) -> str | None:
    if linkage.table is None:
        return None
    if linkage.links is None:
        return f"{linkage.table} within the jet's radius" if linkage.table == "SV" else None
    if linkage.index is None:
        return f"rows of {linkage.table}, .jetIdx"
    return f"{linkage.links}.jetIdx, .{linkage.index} -> {linkage.table}"


def _quantities(layout: Layout) -> dict[str, dict[str, str | None]]:
    """Kind -> quantity -> the file's field, None where it is lacking.

    What other quantities are made from, and what only a corrected collection has, is left out where it is lacking.
    """
    found: dict[str, dict[str, str | None]] = {}
    for kind, quantities in QUANTITIES.items():
        found[kind] = {}
        if layout.table(kind) is None:
            continue
        for name in quantities:
            branch = layout.find(kind, name)
            if name not in ("pt_raw", "mass_raw", "pt_stored", "mass_stored", "soft_drop_mass", *SUBJETS) and (
                branch is not None or name not in ("px", "py", "pz")
            ):
                found[kind][name] = None if branch is None else branch.field
    if (radius(layout.collection) or 0.0) > 0.6:
        parts = [layout.find("jet", name) for name in SUBJETS]
        found["jet"]["soft_drop_mass"] = parts[0].table if parts[0] is not None and None not in parts else None
    return found


def _constituents(chunk: JetChunk) -> dict[str, Any] | str:
    """Figures of the survey, or why there are none."""
    if chunk.layout.charged.links is None:
        return "none in this file for these jets"
    try:
        return asdict(survey(chunk))
    except MLJECError as error:
        return f"not usable: {error}"


def _chosen(layout: Layout) -> dict[str, str]:
    """The network that is taken where none is named, or why there is none."""
    from coffea_mljec import MLJEC, MissingBranchWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingBranchWarning)  # the table says what the others lack
        try:
            return {"network": MLJEC().decided(layout).name, "why": ""}
        except MLJECError as error:
            return {"network": "", "why": str(error)}


def _models(chunk: JetChunk, networks: Sequence[Network]) -> dict[str, dict[str, Any]]:
    from coffea_mljec import MLJEC, Network
    from coffea_mljec.corrections.evaluation import Evaluation
    from coffea_mljec.models import bundled

    layout = chunk.layout
    found = {}
    for network in (*networks, *(Network(name) for name in bundled())):
        name, needed = network.name, network.card.feature_set
        asked = MLJEC(network.model) if network.card.corrects else network
        answer = _runs(asked, chunk, Evaluation(network.model).treatable)
        meant = layout.collection in network.card.collections
        if meant and not _without_tables(layout, needed.constituent_quantities):
            lacking = missing_branches(layout, needed.jet_quantities, needed.constituent_quantities, needed.feature_of)
            answer["missing"] = [asdict(one) for one in lacking]
        found[name] = answer
    return found


def _without_tables(layout: Layout, constituents: dict[str, tuple[str, ...]]) -> bool:
    """Whether a whole table that the model reads is not there."""
    try:
        for collection in constituents:
            layout.require_links(collection, "")
    except MissingBranchError:
        return True
    return False


def _others(chunk: JetChunk) -> dict[str, dict[str, Any]]:
    """The standard path, and the regressions that the file stores."""
    from coffea_mljec import NanoRegression

    layout = chunk.layout
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
        provider = NanoRegression(regression)
        answer = _runs(provider, chunk, partial(_corrected, provider))
        if answer["runs"]:
            found[f"NanoRegression({regression!r})"] = answer
    return found


def _corrected(provider: Any, chunk: JetChunk) -> npt.NDArray[np.bool_]:
    """Jets that a provider corrects."""
    return carries(provider.pipeline.correction.factor(provider.pipeline.checked(chunk)).status, Status.APPLIED)


def _runs(provider: Any, chunk: JetChunk, treated: Callable[[JetChunk], npt.NDArray[np.bool_]]) -> dict[str, Any]:
    """Whether a provider runs on these jets, reading which branches, and how many it corrects; or the message of its
    error."""
    sample, collection = chunk.events, chunk.layout.collection
    from coffea_mljec import MismatchWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MismatchWarning)
        try:
            branches = provider.required_branches(sample, collection)
            number = int(np.count_nonzero(treated(chunk)))
        except MLJECError as error:
            return {"runs": False, "why": str(error), "branches": [], "notes": [], "corrected": 0}
    # What it was made for against what it would meet: part of the answer here, a warning elsewhere.
    notes = [str(one.message) for one in caught]
    return {"runs": True, "why": "", "branches": list(branches), "notes": notes, "corrected": number}
