"""Which NanoAOD flavour a file is: found by what is present, never by a version number."""

from __future__ import annotations

from typing import Any

import awkward as ak

from coffea_mljec.errors import InputError
from coffea_mljec.nano import table_names
from coffea_mljec.nano.algorithm import scheme_of
from coffea_mljec.nano.layout import Layout, Linkage
from coffea_mljec.nano.quantities import QUANTITIES

__all__ = ["check_events", "detect", "fields_of", "is_dask", "is_jagged", "layout_of", "number_type"]

Fields = dict[str, tuple[str, ...]]


def check_events(events: Any, collection: str) -> None:
    """Refuse what is not NanoEvents, or has no such jet collection.

    Raises
    ------
    InputError
        Saying what was given and how to open a file.
    """
    if isinstance(events, ak.Record):
        raise InputError("events must be an array of events, not a single one: give events[0:1] instead of events[0].")
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
                f"{', '.join(sorted(fields)[:8])}. Open "
                "the file with coffea.nanoevents.NanoEventsFactory.from_root and a NanoAOD schema."
            )
        raise InputError(f"no collection {collection!r} in these events; collections with jets: {', '.join(jets)}.")


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
    return layout_of(fields_of(events), collection)


def fields_of(events: Any) -> Fields:
    """The collections of events and the fields of each; raises InputError if some events are missing, or in lists."""
    form = _form(events)
    if form.is_option:
        raise InputError(
            "some events are missing (ak.mask, ak.firsts, ak.pad_none): give whole events, events[mask] instead of "
            "ak.mask(events, mask)."
        )
    while form.is_indexed:
        form = form.content
    if form.is_list:
        raise InputError(
            "events must be one record an event; got lists of them (a field with several values an event was set on "
            "the events themselves). Set it on a collection, or take one value an event (ak.firsts)."
        )
    form = _record(form)
    # From the form: building a collection only to ask for its fields fails on skims that lack a coordinate of it.
    return {name: tuple(_record(form.content(name)).fields) for name in form.fields}


def layout_of(fields: Fields, collection: str) -> Layout:
    """The layout of a jet collection, from the collections of a file and the fields of each; raises InputError."""
    if "pt" not in fields[collection]:
        raise InputError(
            f"{collection} is not a collection of jets: it has no pt; got fields {', '.join(fields[collection][:8])}. "
            "Open the file with a NanoAOD schema (NanoAODSchema or PFNanoAODSchema)."
        )
    charged, neutral = _candidates(fields, collection)
    mark_table, mark_field = table_names.SIMULATION_MARK
    return Layout(
        collection=collection,
        charged=charged,
        neutral=neutral,
        sv=_vertices(fields, collection),
        puppi_weighting=_weighting(fields, collection, charged.table),
        simulation=mark_field in fields.get(mark_table, ()),
        fields=fields,
    )


def is_jagged(events: Any, table: str) -> bool:
    """Whether a table of the events has several rows an event, and so a counter."""
    return bool(_inner(_inner(_form(events)).content(table)).is_list)


def number_type(events: Any, table: str, field: str) -> str | None:
    """The type of the numbers of a field, such as ``"int32"``; None if it holds no plain numbers."""
    form = _inner(_record(_inner(_form(events)).content(table)).content(field))
    return getattr(_inner(form.content) if form.is_list else form, "primitive", None)


def _form(events: Any) -> Any:
    return (events if isinstance(events, ak.Array) else events._meta).layout.form


def _inner(form: Any) -> Any:
    """The form without missing values and lazy selections."""
    while form.is_option or form.is_indexed:
        form = form.content
    return form


def _candidates(fields: Fields, collection: str) -> tuple[Linkage, Linkage]:
    """Charged and neutral candidates."""
    # A link table may repeat the candidates' pt (PFNano's do).
    tables = [
        name for name in table_names.CANDIDATE_TABLES if "pt" in fields.get(name, ()) and "jetIdx" not in fields[name]
    ]
    for links in table_names.link_tables(collection):
        has = fields.get(links, ())
        if "jetIdx" not in has:
            continue
        for index, target in table_names.CANDIDATE_INDEX_FIELDS.items():
            if index in has:
                possible = [name for name in tables if name != links and target in (None, name)]
                return (Linkage(possible[0] if possible else None, links, index),) * 2
        if {"pt", "eta", "phi"} <= set(has):
            return (Linkage(links, links),) * 2
    split = tuple(
        Linkage(table, table) for table in (table_names.SPLIT_TABLES["charged"], table_names.SPLIT_TABLES["neutral"])
    )
    if collection == "Jet" and all("jetIdx" in fields.get(str(linkage.table), ()) for linkage in split):
        return split[0], split[1]
    return (Linkage(tables[0] if tables else None),) * 2


def _vertices(fields: Fields, collection: str) -> Linkage:
    if table_names.VERTEX_TABLE in fields:
        for links in table_names.vertex_link_tables(collection):
            for index in table_names.VERTEX_INDEX_FIELDS:
                if {"jetIdx", index} <= set(fields.get(links, ())):
                    return Linkage(table_names.VERTEX_TABLE, links, index)
        return Linkage(table_names.VERTEX_TABLE)
    owned = table_names.SPLIT_TABLES["sv"]
    if collection == "Jet" and "jetIdx" in fields.get(owned, ()):
        return Linkage(owned, owned)
    return Linkage(None)


def _weighting(fields: Fields, collection: str, table: str | None) -> str:
    """How the candidates' pT becomes that of constituents of these jets (`Layout.puppi_weighting`).

    A table with a column of weights holds plain pT. PFNano, BTVNano and JMEPFNano have one; central NanoAODv15 has not,
    its pT is the product.
    """
    weights = set(QUANTITIES["charged"]["puppi_weight"].fields) & set(fields.get(table or "", ()))
    if table == table_names.PUPPI_WEIGHTED and not weights:
        return "stored"
    return "weight" if scheme_of(collection, fields) == "Puppi" else "none"


def _record(form: Any) -> Any:
    """The form of the records inside lists and lazy selections."""
    while form.is_list or form.is_option or form.is_indexed:
        form = form.content
    return form


def is_dask(events: Any) -> bool:
    """True for a dask-awkward collection (without importing dask-awkward)."""
    return not isinstance(events, ak.Array) and type(events).__module__.startswith("dask_awkward")
