"""Which NanoAOD flavour a file is: found by what is present, never by a version number."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import awkward as ak

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import names
from coffea_mljec.nano.algorithm import radius, scheme_of

__all__ = ["Layout", "check_events", "detect"]

MOMENTUM = {"pt": ("px", "py"), "eta": ("px", "py", "pz"), "phi": ("px", "py")}
"""What a table without pt, eta and phi has them made from."""

_FIELDS_OF = {"charged": "candidate", "neutral": "candidate"}
_SPLIT = ", ".join(names.SPLIT_TABLES[kind] for kind in ("charged", "neutral"))


@dataclass(frozen=True)
class Layout:
    """Where one jet collection of a file has its constituents.

    Attributes
    ----------
    collection : str
        The jet collection, such as ``"Jet"``.
    candidates, candidate_links, candidate_index : str or None
        Table of candidates, table of links, and the link table's field that points into the table of candidates. Where
        the rows of the table belong to one jet each, it is its own link table and there is no index. In NanoX
        candidates are the two tables ``"cpf, npf"``.
    vertices, vertex_links, vertex_index : str or None
        The same for secondary vertices. Without links they belong to the jets within whose radius they lie.
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

    @property
    def split(self) -> bool:
        """Whether charged and neutral candidates have tables of their own (NanoX)."""
        return self.candidates == _SPLIT

    def kind_of(self, constituents: str) -> str:
        """Kind of quantity of a collection of constituents: ``candidate``, ``charged``, ``neutral`` or ``vertex``."""
        if constituents == "sv":
            return "vertex"
        return constituents if self.split else "candidate"

    def table(self, kind: str) -> str | None:
        """Name of the table that holds a kind of quantity: ``jet``, ``event``, ``candidate`` (in NanoX ``charged`` and
        ``neutral``) or ``vertex``."""
        if kind in _FIELDS_OF:
            return names.SPLIT_TABLES[kind] if self.split else self.candidates
        return {"jet": self.collection, "event": "", "candidate": self.candidates, "vertex": self.vertices}[kind]

    def find(self, kind: str, quantity: str) -> tuple[str, ...] | None:
        """Return the path of a canonical quantity in the events, such as ``("PFCands", "d0")``; None where the file
        lacks it."""
        table = self.table(kind)
        if table is None:
            return None
        for name in names.FIELDS[_FIELDS_OF.get(kind, kind)][quantity]:
            path = tuple(name.split(".")) if kind == "event" else (table, name)
            if path[0] in self.fields and (len(path) == 1 or path[1] in self.fields[path[0]]):
                return path
        return None

    def sources(self, kind: str, quantity: str) -> tuple[str, ...]:
        """Quantities of the file that a quantity of a constituent is made from: itself, or the momentum's components
        where a table has only those."""
        if quantity in MOMENTUM and self.find(kind, quantity) is None:
            components = MOMENTUM[quantity]
            if _FIELDS_OF.get(kind, kind) == "candidate" and all(self.find(kind, name) for name in components):
                return components
        return (quantity,)

    def require(self, kind: str, quantity: str, user: str) -> tuple[str, ...]:
        """Like `find`, but a quantity that the file lacks is an error.

        Parameters
        ----------
        kind, quantity : str
            A row of `coffea_mljec.nano.names.FIELDS`.
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
        if self.table(kind) is None:
            raise self._no_table(kind, user)
        tried = self.looked_for(kind, quantity)
        nearest = self.nearest(tried)
        raise MissingBranchError(
            f"{user} needs {quantity}: looked for {_listed(tried)}, and the file has none of "
            f"them{f' (nearest: {nearest})' if nearest else ''}. {self.alternatives()}"
        )

    def looked_for(self, kind: str, quantity: str) -> tuple[str, ...]:
        """The branches that could hold a canonical quantity."""
        table = self.table(kind)
        return tuple(
            name.replace(".", "_") if kind == "event" else f"{table}_{name}"
            for name in names.FIELDS[_FIELDS_OF.get(kind, kind)][quantity]
        )

    def nearest(self, tried: Iterable[str]) -> str | None:
        """The branch of the file whose name is most like one of these; None if none is alike."""
        have = [
            f"{table}_{field}" if field else table for table, fields in self.fields.items() for field in fields or ("",)
        ]
        for name in tried:
            close = difflib.get_close_matches(name, have, n=1, cutoff=0.6)
            if close:
                return close[0]
        return None

    def require_links(self, kind: str, user: str) -> tuple[str, str | None, str | None]:
        """Return ``(table, links, index field)`` of the candidates or vertices of the collection, or raise
        MissingBranchError.

        No index field: the rows of the table belong to one jet each. No links: vertices that lie within a jet's radius.
        """
        if kind == "vertex":
            if self.vertices is None or (self.vertex_links is None and radius(self.collection) is None):
                raise self._no_table(kind, user)
            return self.vertices, self.vertex_links, self.vertex_index
        table = self.table(kind)
        if table is None or self.candidate_links is None:
            raise self._no_table("candidate", user)
        return table, table if self.split else self.candidate_links, self.candidate_index

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
            tried = [f"{links}_jetIdx" for links in names.link_tables(self.collection)]
            what = "particle-flow candidates"
            tables = names.CANDIDATE_TABLES
        else:
            tried = [f"{links}_jetIdx" for links in names.vertex_link_tables(self.collection)]
            what = "secondary vertices"
            tables = (names.VERTEX_TABLE,)
        nearest = self.nearest(tried)
        return MissingBranchError(
            f"{user} needs the {what} of {self.collection}: looked for the tables {_listed(tables)} and the links "
            f"{_listed(tried)}, and the file does not have both{f' (nearest: {nearest})' if nearest else ''}. "
            f"{self.alternatives()} Constituents come with PFNano, JMENano and BTVNano files."
        )


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
    candidates, links, index = _candidates(fields, collection)
    vertices, vertex_links, vertex_index = _vertices(fields, collection)
    mark_table, mark_field = names.SIMULATION_MARK
    return Layout(
        collection=collection,
        candidates=candidates,
        candidate_links=links,
        candidate_index=index,
        vertices=vertices,
        vertex_links=vertex_links,
        vertex_index=vertex_index,
        puppi_weighting=_weighting(fields, collection, candidates),
        simulation=mark_field in fields.get(mark_table, ()),
        fields=fields,
    )


def _candidates(fields: dict[str, tuple[str, ...]], collection: str) -> tuple[str | None, str | None, str | None]:
    """Table of candidates, table of links, and its index field."""
    # A link table may repeat the candidates' pt (PFNano's do).
    tables = [name for name in names.CANDIDATE_TABLES if "pt" in fields.get(name, ()) and "jetIdx" not in fields[name]]
    for links in names.link_tables(collection):
        has = fields.get(links, ())
        if "jetIdx" not in has:
            continue
        for index, target in names.CANDIDATE_INDEX_FIELDS.items():
            if index in has:
                possible = [name for name in tables if name != links and target in (None, name)]
                return (possible[0] if possible else None), links, index
        if {"pt", "eta", "phi"} <= set(has):
            return links, links, None
    charged, neutral = (fields.get(names.SPLIT_TABLES[kind], ()) for kind in ("charged", "neutral"))
    if collection == "Jet" and "jetIdx" in charged and "jetIdx" in neutral:
        return _SPLIT, _SPLIT, None
    return (tables[0] if tables else None), None, None


def _vertices(fields: dict[str, tuple[str, ...]], collection: str) -> tuple[str | None, str | None, str | None]:
    """Table of vertices, table of links (None: by angle), and its index field."""
    if names.VERTEX_TABLE in fields:
        for links in names.vertex_link_tables(collection):
            for index in names.VERTEX_INDEX_FIELDS:
                if {"jetIdx", index} <= set(fields.get(links, ())):
                    return names.VERTEX_TABLE, links, index
        return names.VERTEX_TABLE, None, None
    owned = names.SPLIT_TABLES["vertex"]
    if collection == "Jet" and "jetIdx" in fields.get(owned, ()):
        return owned, owned, None
    return None, None, None


def _weighting(fields: dict[str, tuple[str, ...]], collection: str, candidates: str | None) -> str:
    """How the candidates' pT becomes that of constituents of these jets (`Layout.puppi_weighting`).

    A table with a column of weights holds plain pT. PFNano, BTVNano and JMEPFNano have one; central NanoAODv15 has not,
    its pT is the product.
    """
    scheme = scheme_of(collection, fields)
    table = names.SPLIT_TABLES["charged"] if candidates == _SPLIT else candidates
    with_weights = bool(set(names.FIELDS["candidate"]["puppi_weight"]) & set(fields.get(table or "", ())))
    if candidates == names.PUPPI_WEIGHTED and not with_weights:
        return "stored"
    return "weight" if scheme == "Puppi" else "none"


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
