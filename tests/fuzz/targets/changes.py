"""What an analysis may have done to its events before the correction: cut, sorted, masked, replaced, taken apart."""

from __future__ import annotations

from random import Random
from typing import Any

import awkward as ak
import numpy as np

from tests.fuzz.case import Mutation
from tests.fuzz.judging import FREE, MUST

COLLECTIONS = ("Jet", "PFCands", "SV", "JetPFCands", "JetSVs")
CUTS = ("first", "last", "odd", "some", "all", "hard")
ODD = {"None": None, "text": "x", "nan": np.nan, "int8": np.int8(1), "list": [1.0], "true": True, "complex": 1j}
EVENTS = (
    "tail",
    "reversed",
    "mask",
    "one",
    "none",
    "twice",
    "number",
    "array",
    "packed",
    "mask_option",
    "record",
    "None",
)
WRONG = (
    "SV",
    "PFCands",
    "MET",
    "PV",
    "run",
    "event",
    "nothing",
    "",
    "Jet_pt",
    "JetPFCands",
    "FatJet",
    "GenJet",
    "5",
    "None",
)


def draw_change(random: Random) -> Mutation:
    """One change; its name begins with ``u_``."""
    collection = random.choice(COLLECTIONS)
    kind = random.choice(
        ("u_cut", "u_cut", "u_sort", "u_shuffle", "u_repeat", "u_mask", "u_pad", "u_firsts", "u_events", "u_events",
         "u_column", "u_option", "u_without", "u_event", "u_wrong", "u_union", "u_regular", "u_exchange")
    )  # fmt: skip
    if kind == "u_cut":
        return [kind, collection, random.choice(CUTS)]
    if kind == "u_sort":
        return [
            kind,
            collection,
            random.choice(("pt", "eta", "phi", "jetIdx", "pFCandsIdx", "sVIdx")),
            random.random() < 0.5,
        ]
    if kind == "u_events":
        return [kind, random.choice(EVENTS)]
    if kind == "u_wrong":
        return [kind, random.choice(WRONG)]
    if kind == "u_event":
        return [kind, random.choice(("fixedGridRhoFastjetAll", "run", "event", "luminosityBlock", "PV")),
                random.choice(("option", "jagged", "text", "int8", "missing"))]  # fmt: skip
    column = random.choice(
        {"Jet": ("pt", "eta", "phi", "mass", "rawFactor", "area"), "SV": ("pt", "eta", "mass", "dlen", "dlenSig")}.get(
            collection, ("pt", "eta", "d0", "d0Err", "pdgId", "puppiWeight")
        )
    )
    if collection in ("JetPFCands", "JetSVs"):
        column = random.choice(("jetIdx", "pFCandsIdx" if collection == "JetPFCands" else "sVIdx"))
    if kind == "u_column":
        return [kind, collection, column, random.choice(list(ODD))]
    if kind in ("u_option", "u_without"):
        return [kind, collection, column]
    if kind == "u_exchange":
        return [kind, collection, column]
    if kind == "u_shuffle":
        return [kind, collection, random.randrange(20)]
    return [kind, collection]


def apply_change(events: Any, collection: Any, mutation: Mutation) -> tuple[Any, Any]:
    """Events and collection as an analysis would hand them over; what cannot be done is left alone."""
    name, *arguments = mutation
    if name == "u_wrong":
        return events, {"5": 5, "None": None}.get(arguments[0], arguments[0])
    try:
        return _CHANGES[name](events, *arguments), collection
    except Unchangeable:
        return events, collection
    except Exception as error:  # awkward's and coffea's: the change itself is none of ours
        raise Unchangeable(f"{name}: {type(error).__name__}") from None


def kind_of(mutation: Mutation, layout: str) -> int:
    """Whether jets may have other numbers after a change: only where somebody wrote another possible value.

    Rows that belong to one jet have no number but its own: of neighbours that exchange their soft candidates, neither
    number, sum nor direction changes.
    """
    exchanged = mutation[0] == "u_exchange" and (
        not mutation[2].endswith("Idx") or (layout == "rows_per_jet" and mutation[2] == "jetIdx")
    )
    return FREE if exchanged or mutation[-1] in ("true", "int8", "complex") else MUST


class Unchangeable(Exception):
    """The change cannot be made of these events."""


def _table(events: Any, collection: str) -> Any:
    if not hasattr(events, "fields") or collection not in events.fields:
        raise Unchangeable(collection)
    return events[collection]


def _with(events: Any, collection: str, table: Any) -> Any:
    """As ``events["SV"] = ...`` does, on a copy."""
    return ak.with_field(events, table, collection)


def _cut(events: Any, collection: str, how: str) -> Any:
    table = _table(events, collection)
    number = ak.local_index(table, axis=1)
    if how == "first":
        return _with(events, collection, table[:, 1:])
    if how == "last":
        return _with(events, collection, table[:, :-1])
    if how == "hard":
        return _with(events, collection, table[table[table.fields[0]] > ak.mean(table[table.fields[0]])])
    chosen = {"odd": number % 2 == 1, "some": number % 5 != 2, "all": number < 0}[how]
    return _with(events, collection, table[chosen])


def _sort(events: Any, collection: str, column: str, ascending: bool) -> Any:
    table = _table(events, collection)
    return _with(events, collection, table[ak.argsort(table[column], axis=1, ascending=ascending)])


def _shuffle(events: Any, collection: str, seed: int) -> Any:
    table = _table(events, collection)
    key = np.random.default_rng(seed).random(int(ak.sum(ak.num(table))))
    return _with(events, collection, table[ak.argsort(ak.unflatten(key, ak.num(table)), axis=1)])


def _repeat(events: Any, collection: str) -> Any:
    table = _table(events, collection)
    return _with(events, collection, ak.concatenate([table, table], axis=1))


def _exchange(events: Any, collection: str, column: str) -> Any:
    """The values of a column, turned by one within each event."""
    table = _table(events, collection)
    values = table[column]
    return _with(
        events, collection, ak.with_field(table, ak.concatenate([values[:, 1:], values[:, :1]], axis=1), column)
    )


def _events(events: Any, how: str) -> Any:
    if how == "record":
        return events[0]
    if how == "None":
        return None
    if how == "array":  # of dask events it would be their type alone
        return events if hasattr(events, "dask") else ak.Array(events.layout, behavior=events.behavior)
    if how == "packed":
        return ak.to_packed(events)
    if how == "number":
        return 3.0
    if how == "mask_option":
        return ak.mask(events, events.event % 2 == 0)
    rows = np.arange(len(events))
    chosen = {
        "tail": rows[3:], "reversed": rows[::-1], "mask": rows[rows % 3 != 1], "one": rows[:1], "none": rows[:0],
        "twice": np.repeat(rows, 2),
    }[how]  # fmt: skip
    return events[chosen]


def _column(events: Any, collection: str, column: str, what: str) -> Any:
    table = _table(events, collection)
    if what == "list":
        return _with(events, collection, ak.with_field(table, ak.singletons(table[column], axis=1), column))
    return _with(events, collection, ak.with_field(table, ODD[what], column))


def _option(events: Any, collection: str, column: str) -> Any:
    table = _table(events, collection)
    return _with(events, collection, ak.with_field(table, ak.mask(table[column], table[column] != 0), column))


def _without(events: Any, collection: str, column: str) -> Any:
    return _with(events, collection, ak.without_field(_table(events, collection), column))


def _event(events: Any, name: str, what: str) -> Any:
    values = _table(events, name)
    if what == "missing":
        return ak.without_field(events, name)
    if what == "text":
        return _with(events, name, ["x"] * len(events))
    if name == "PV":
        return ak.with_field(
            events, ak.singletons(values) if what == "jagged" else ak.mask(values, events.event % 2 == 0), name
        )
    changed = {
        "option": lambda: ak.mask(values, events.event % 2 == 0),
        "jagged": lambda: ak.singletons(values),
        "int8": lambda: ak.values_astype(values, np.int8),
    }[what]()
    return _with(events, name, changed)


_CHANGES: dict[str, Any] = {
    "u_cut": _cut, "u_sort": _sort, "u_shuffle": _shuffle, "u_repeat": _repeat, "u_events": _events,
    "u_column": _column, "u_option": _option, "u_without": _without, "u_event": _event, "u_exchange": _exchange,
    "u_mask": lambda e, c: _with(e, c, ak.mask(_table(e, c), ak.local_index(_table(e, c), axis=1) != 1)),
    "u_pad": lambda e, c: _with(e, c, ak.pad_none(_table(e, c), 40)),
    "u_firsts": lambda e, c: _with(e, c, ak.firsts(_table(e, c))),
    "u_regular": lambda e, c: _with(e, c, ak.to_regular(_table(e, c)[ak.num(_table(e, c)) > 0][:, :1])),
    "u_union": lambda e, c: _with(e, c, ak.concatenate([_table(e, c)[:, :1], ak.without_field(_table(e, c), _table(e,
    c).fields[0])[:, 1:]], axis=1)),
}  # fmt: skip


def sign(mutation: Mutation) -> str:
    """Without seeds."""
    name, *arguments = mutation
    if name == "u_shuffle":
        return f"{arguments[0]} shuffled"
    if name == "u_sort":
        return f"{arguments[0]} sorted"
    if name == "u_cut":
        return f"{arguments[0]} cut"
    return f"{name[2:]} {' '.join(map(str, arguments))}"
