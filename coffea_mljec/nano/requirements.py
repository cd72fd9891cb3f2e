"""What somebody needs of a file -> its branches, or what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from coffea_mljec.errors import MissingBranchError
from coffea_mljec.nano.layout import Layout
from coffea_mljec.nano.quantities import CONSTITUENTS, Branch, kind_of_jet_quantity

__all__ = [
    "FeatureOf",
    "Missing",
    "constituents_read",
    "jet_branches",
    "lacking",
    "missing_branches",
    "required_branches",
]

FeatureOf = Callable[[str, str], str | None]
"""(kind, quantity) -> the feature that needs it, for messages (`coffea_mljec.features.FeatureSet.feature_of`)."""


def _no_feature(kind: str, quantity: str) -> None:
    return None


@dataclass(frozen=True)
class Missing:
    """A branch that a file lacks.

    Attributes
    ----------
    feature : str or None
        The feature that needs it.
    quantity : str
        What it is, in the words of `coffea_mljec.nano.quantities`.
    looked_for : tuple of str
        The names that it could have.
    nearest : str or None
        The branch of the file with the most similar name.
    """

    feature: str | None
    quantity: str
    looked_for: tuple[str, ...]
    nearest: str | None


def jet_branches(layout: Layout, quantities: Iterable[str], asker: str) -> Iterator[Branch]:
    """The branches behind quantities of jets and events; raises MissingBranchError."""
    for quantity in quantities:
        kind = kind_of_jet_quantity(quantity)
        for name in layout.sources(kind, quantity):
            yield layout.require(kind, name, asker)


def required_branches(
    layout: Layout,
    jet: Iterable[str],
    constituents: Mapping[str, Iterable[str]],
    asker: str,
    feature_of: FeatureOf = _no_feature,
) -> tuple[Branch, ...]:
    """Return all branches that `coffea_mljec.nano.JetChunk.flat` reads, each once.

    Raises
    ------
    MissingBranchError
        If the file lacks any of them.
    """
    found: dict[Branch, None] = {}
    for kind in constituents_read(layout, constituents):
        linkage = layout.require_links(kind, asker)
        if linkage.links is not None:
            found[Branch(linkage.links, "jetIdx")] = None
            if linkage.index is not None:
                found[Branch(linkage.links, linkage.index)] = None
    counted = layout.find("jet", "n_constituents")
    if counted is not None and constituents_read(layout, constituents).keys() - {"sv"}:
        found[counted] = None
    for kind, name, quantity in _needs(layout, jet, constituents):
        branch = layout.find(kind, name)
        if branch is None:
            feature = feature_of(kind, quantity)
            try:
                layout.require(kind, name, f"feature {feature} of {asker}" if feature else asker)
            except MissingBranchError as error:
                raise MissingBranchError(f"{error}{_listed(layout, jet, constituents)}") from None
        else:
            found[branch] = None
    return tuple(found)


def _listed(layout: Layout, jet: Iterable[str], constituents: Mapping[str, Iterable[str]]) -> str:
    """All that is missing, where it is more than the one that a message is about. Names alone: to look for what is
    nearest to each takes longer than a chunk whose fallback corrects it."""
    lacking = (
        " or ".join(layout.looked_for(kind, name))
        for kind, name, _ in _needs(layout, jet, constituents)
        if layout.table(kind) is not None and layout.find(kind, name) is None
    )
    names = dict.fromkeys(lacking)
    return f" All that is missing: {', '.join(names)}." if len(names) > 1 else ""


def lacking(layout: Layout, jet: Iterable[str], constituents: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Name all that a file lacks of what `required_branches` asks for, whole tables and links included."""
    names: dict[str, None] = {}
    for kind in constituents_read(layout, constituents):
        try:
            layout.require_links(kind, "")
        except MissingBranchError:
            names[f"{kind} constituents of {layout.collection}"] = None
    for kind, name, _ in _needs(layout, jet, constituents):
        if layout.find(kind, name) is None:
            there = layout.table(kind) is not None
            names[" or ".join(layout.looked_for(kind, name)) if there else f"{name} of {kind} constituents"] = None
    return tuple(names)


def missing_branches(
    layout: Layout,
    jet: Iterable[str],
    constituents: Mapping[str, Iterable[str]],
    feature_of: FeatureOf = _no_feature,
) -> tuple[Missing, ...]:
    """List all that a file lacks of what `required_branches` asks for (which stops at the first); tables that are not
    there at all are not gone into."""
    lacking: dict[tuple[str, ...], Missing] = {}
    for kind, name, quantity in _needs(layout, jet, constituents):
        if layout.table(kind) is not None and layout.find(kind, name) is None:
            tried = layout.looked_for(kind, name)
            lacking.setdefault(tried, Missing(feature_of(kind, quantity), name, tried, layout.nearest(tried)))
    return tuple(lacking.values())


def constituents_read(layout: Layout, constituents: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Kind -> quantities to read: those asked for, and what grouping and the checks of links need."""
    wanted: dict[str, dict[str, None]] = {}
    weight = ("puppi_weight",) if layout.puppi_weighting == "weight" else ()
    if "charged" in constituents or "neutral" in constituents:
        # Both, always: only all constituents together tell whether a jet has them all.
        identity = () if layout.split else ("pdg_id",)
        for kind in ("charged", "neutral"):
            wanted[kind] = dict.fromkeys(("pt", "eta", "phi", *identity, *weight))
    if "candidates" in constituents:
        wanted["candidates"] = dict.fromkeys(("pt", "eta", "phi", *weight))
    if "sv" in constituents:
        wanted["sv"] = dict.fromkeys(("eta", "phi"))
    for kind, quantities in constituents.items():
        wanted[kind].update(dict.fromkeys(quantities))
    return {kind: tuple(wanted[kind]) for kind in CONSTITUENTS if kind in wanted}


def _needs(
    layout: Layout, jet: Iterable[str], constituents: Mapping[str, Iterable[str]]
) -> Iterator[tuple[str, str, str]]:
    """(kind, quantity of the file, quantity made from it) of everything that is read beside links."""
    for quantity in dict.fromkeys(("pt_raw", "eta", "phi", *jet)):
        kind = kind_of_jet_quantity(quantity)
        for name in layout.sources(kind, quantity):
            yield kind, name, quantity
    for kind, quantities in constituents_read(layout, constituents).items():
        for quantity in quantities:
            for name in layout.sources(kind, quantity):
                yield kind, name, quantity
