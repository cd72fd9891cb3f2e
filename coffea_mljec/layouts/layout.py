"""Which NanoAOD flavour a file is: found by what is present, never by a version number."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import awkward as ak

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.layouts import names

__all__ = ["Layout", "check_events", "detect"]


@dataclass(frozen=True)
class Layout:
    """Where one jet collection of a file has its constituents.

    Attributes
    ----------
    collection : str
        The jet collection, such as ``"Jet"``.
    candidates, candidate_links, candidate_index : str or None
        Table of candidates, table of links, and the link table's field that points into the table of candidates.
    vertices, vertex_links, vertex_index : str or None
        The same for secondary vertices.
    puppi_weighting : str
        ``"none"`` (the candidates' pT as it is: CHS jets), ``"stored"`` (the file's candidate pT is PUPPI-weighted
        already) or ``"weight"`` (pT times ``puppiWeight``, done once, here).
    simulation : bool
        True for this project's own parametrised simulation.
    fields : mapping of str to tuple of str
        The collections of the file and the fields of each.
    """

    collection: str
    candidates: str | None
    candidate_links: str | None
    candidate_index: str | None
    vertices: str | None
    vertex_links: str | None
    vertex_index: str | None
    puppi_weighting: str
    simulation: bool
    fields: dict[str, tuple[str, ...]]

    def table(self, kind: str) -> str | None:
        """Name of the table that holds a kind of quantity: ``jet``, ``event``, ``candidate`` or ``vertex``."""
        return {"jet": self.collection, "event": "", "candidate": self.candidates, "vertex": self.vertices}[kind]

    def find(self, kind: str, quantity: str) -> tuple[str, ...] | None:
        """Return the path of a canonical quantity in the events, such as ``("PFCands", "d0")``; None where the file
        lacks it."""
        table = self.table(kind)
        if table is None:
            return None
        for name in names.FIELDS[kind][quantity]:
            path = tuple(name.split(".")) if kind == "event" else (table, name)
            if path[0] in self.fields and (len(path) == 1 or path[1] in self.fields[path[0]]):
                return path
        return None

    def require(self, kind: str, quantity: str, user: str) -> tuple[str, ...]:
        """Like `find`, but a quantity that the file lacks is an error.

        Parameters
        ----------
        kind, quantity : str
            A row of `coffea_mljec.layouts.names.FIELDS`.
        user : str
            Who needs it, for the message: ``"feature dxy of model pfn-r-lite"``.

        Raises
        ------
        MissingBranchError
            Naming the branches looked for, and the nearest branch that the file has.
        """
        path = self.find(kind, quantity)
        if path is not None:
            return path
        table = self.table(kind)
        if table is None:
            raise self._no_table(kind, user)
        tried = [
            name.replace(".", "_") if kind == "event" else f"{table}_{name}" for name in names.FIELDS[kind][quantity]
        ]
        raise MissingBranchError(
            f"{user} needs {quantity}: looked for {_listed(tried)}, and the file has none of "
            f"them{self._nearest(tried)}. "
            f"{self.alternatives()}"
        )

    def require_links(self, kind: str, user: str) -> tuple[str, str, str]:
        """Return ``(table, links, index field)`` of the candidates or vertices of the collection, or raise
        MissingBranchError."""
        if kind == "candidate":
            found = (self.candidates, self.candidate_links, self.candidate_index)
        else:
            found = (self.vertices, self.vertex_links, self.vertex_index)
        table, links, index = found
        if table is None or links is None or index is None:
            raise self._no_table(kind, user)
        return table, links, index

    def alternatives(self) -> str:
        """One sentence on what would correct this file's jets instead."""
        jets = self.fields.get(self.collection, ())
        stored = [name for name in jets if "RegPtRawCorr" in name or name in ("bRegCorr", "cRegCorr")]
        standard = "the standard path (FactorizedJEC) needs no constituents"
        if stored:
            return f"What works on this file: the pT regression that it stores ({_listed(stored)}), and {standard}."
        return f"What works on this file: {standard}."

    def _no_table(self, kind: str, user: str) -> MissingBranchError:
        if kind == "candidate":
            tried = [f"{self.collection}{suffix}_jetIdx" for suffix in names.LINK_SUFFIXES]
            what = "particle-flow candidates"
            tables = names.CANDIDATE_TABLES
        else:
            tried = [f"{self.collection}{suffix}_jetIdx" for suffix in names.VERTEX_LINK_SUFFIXES]
            what = "secondary vertices"
            tables = (names.VERTEX_TABLE,)
        return MissingBranchError(
            f"{user} needs the {what} of {self.collection}: looked for the tables {_listed(tables)} and the links "
            f"{_listed(tried)}, and the file does not have both{self._nearest(tried)}. {self.alternatives()} "
            "Constituents come with PFNano, JMENano and BTVNano files."
        )

    def _nearest(self, tried: Iterable[str]) -> str:
        have = [
            f"{table}_{field}" if field else table for table, fields in self.fields.items() for field in fields or ("",)
        ]
        for name in tried:
            close = difflib.get_close_matches(name, have, n=1, cutoff=0.6)
            if close:
                return f" (nearest: {close[0]})"
        return ""


def check_events(events: Any, collection: str) -> None:
    """Refuse what is not NanoEvents, or has no such jet collection.

    Raises
    ------
    InputError
        Saying what was given and how to open a file.
    """
    fields = getattr(events, "fields", None)
    if fields is None or not hasattr(events, "behavior"):
        raise InputError(
            f"events must be NanoEvents (coffea.nanoevents.NanoEventsFactory.from_root({{file: 'Events'}}, "
            f"schemaclass=PFNanoAODSchema).events()); got {type(events).__name__}."
        )
    if collection not in fields:
        jets = sorted(name for name in fields if "Jet" in name)
        if not jets:
            raise InputError(
                f"events must be NanoEvents with a collection {collection!r}; got fields "
                f"{_listed(sorted(fields)[:8])}. Open "
                "the file with coffea.nanoevents.NanoEventsFactory.from_root and a NanoAOD schema."
            )
        raise InputError(f"no collection {collection!r} in these events; collections with jets: {_listed(jets)}.")


def detect(events: Any, collection: str = "Jet") -> Layout:
    """Find the layout of a jet collection from the fields that are there; nothing is read.

    Parameters
    ----------
    events : NanoEvents
        Eager, virtual or dask.
    collection : str
        The jet collection.

    Raises
    ------
    InputError
        If these are not NanoEvents or have no such collection.
    """
    check_events(events, collection)
    form = _record((events if isinstance(events, ak.Array) else events._meta).layout.form)
    # From the form: building a collection only to ask for its fields fails on skims that lack a coordinate of it.
    fields = {name: tuple(_record(form.content(name)).fields) for name in form.fields}
    if "pt" not in fields[collection]:
        raise InputError(
            f"{collection} is not a collection of jets: it has no pt; got fields {_listed(fields[collection][:8])}. "
            "Open the file with a NanoAOD schema (NanoAODSchema or PFNanoAODSchema)."
        )
    candidates, links, index = _linked(
        fields, collection, names.CANDIDATE_TABLES, names.LINK_SUFFIXES, names.CANDIDATE_INDEX_FIELDS
    )
    vertices, vertex_links, vertex_index = _linked(
        fields, collection, (names.VERTEX_TABLE,), names.VERTEX_LINK_SUFFIXES, names.VERTEX_INDEX_FIELDS
    )
    if candidates == "PFCand":
        weighting = "stored"
    elif collection == "FatJet":
        weighting = "weight"
    else:
        weighting = "none"
    mark_table, mark_field = names.SIMULATION_MARK
    return Layout(
        collection=collection,
        candidates=candidates,
        candidate_links=links,
        candidate_index=index,
        vertices=vertices,
        vertex_links=vertex_links,
        vertex_index=vertex_index,
        puppi_weighting=weighting,
        simulation=mark_field in fields.get(mark_table, ()),
        fields=fields,
    )


def _linked(
    fields: dict[str, tuple[str, ...]],
    collection: str,
    tables: tuple[str, ...],
    suffixes: tuple[str, ...],
    index_fields: tuple[str, ...],
) -> tuple[str | None, str | None, str | None]:
    table = next((name for name in tables if name in fields), None)
    for suffix in suffixes:
        links = collection + suffix
        for index in index_fields:
            if "jetIdx" in fields.get(links, ()) and index in fields[links]:
                return table, links, index
    return table, None, None


def _record(form: Any) -> Any:
    """The form of the records inside lists and lazy selections."""
    while form.is_list or form.is_option or form.is_indexed:
        form = form.content
    return form


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)


def is_dask(events: Any) -> bool:
    """True for a dask-awkward collection (without importing dask-awkward)."""
    return not isinstance(events, ak.Array) and type(events).__module__.startswith("dask_awkward")
