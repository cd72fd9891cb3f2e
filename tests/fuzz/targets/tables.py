"""Files broken branch by branch: operations on `Tables`, and which jets each of them touches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np

from tests.factories import Columns, Tables
from tests.fuzz.case import Mutation
from tests.fuzz.judging import FREE, MUST

LINKS = {"JetPFCands": ("PFCands", "pFCandsIdx"), "JetSVs": ("SV", "sVIdx")}
"""Link table -> linked table and column, of the layout ``pfnano``: there the jets of a row are known."""

VALUES = {
    "nan": np.nan, "inf": np.inf, "-inf": -np.inf, "1e30": 1e30, "-1e30": -1e30, "3e38": 3e38, "-3e38": -3e38,
    "1e-40": 1e-40, "0": 0, "-1": -1, "1": 1, "-5": -5, "100000": 100_000, "2147483647": 2**31 - 1,
}  # fmt: skip
IMPOSSIBLE = ("nan", "inf", "-inf", "1e30", "-1e30", "3e38", "-3e38")
TYPES = (
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bool",
    "complex64", "str", ">f4", "datetime64[s]",
)  # fmt: skip
NEGATIVE = ("pt",)
"""Quantities that cannot be negative whatever they are used for."""


@dataclass
class Broken:
    """Tables in the making, and what is broken of them."""

    tables: Tables
    collection: str
    known_links: bool
    touched: dict[int, int] = field(default_factory=dict)
    everything: int = 0

    def touch(self, jets: np.ndarray, kind: int) -> None:
        """Note jets, by identity, as broken; what may be another number stays so."""
        for jet in np.unique(jets):
            self.touched[int(jet)] = max(kind, self.touched.get(int(jet), 0))

    def touch_all(self, kind: int) -> None:
        self.everything = max(kind, self.everything)
        for jet in self.touched:
            self.touched[jet] = max(kind, self.touched[jet])

    def jets_of_event(self, event: int) -> np.ndarray:
        if self.collection not in self.tables.tables:
            return np.zeros(0, int)
        offsets = self.tables.offsets(self.collection)
        return self.tables.tables[self.collection]["fuzzId"][offsets[event] : offsets[event + 1]]

    def event_of(self, table: str, row: int) -> int:
        return int(np.searchsorted(self.tables.offsets(table), row, side="right")) - 1

    def jets_of(self, table: str, row: int) -> np.ndarray:
        """The jets that one row of a table can matter to; in doubt all of its event."""
        event = self.event_of(table, row)
        everyone = self.jets_of_event(event)
        if table == self.collection:
            return everyone[row - self.tables.offsets(table)[event]][None]
        if not self.known_links or self.collection != "Jet":
            return everyone
        found = []
        for links, (linked, index) in LINKS.items():
            if links not in self.tables.tables or not {"jetIdx", index} <= set(self.tables.tables[links]):
                continue
            columns, begin = self.tables.tables[links], self.tables.offsets(links)
            own = slice(begin[event], begin[event + 1])
            if table == links:
                found.append(columns["jetIdx"][row][None])
            elif table == linked:
                number = row - self.tables.offsets(table)[event]
                found.append(columns["jetIdx"][own][columns[index][own] == number])
        jets = np.concatenate(found) if found else np.arange(len(everyone))
        return everyone[jets[(jets >= 0) & (jets < len(everyone))].astype(int)]


def draw_operation(random: Random, tables: Tables, collection: str) -> Mutation:
    """One operation on a file."""
    read = [name for name in tables.tables if name not in ("GenJet", "FatJet", "FatJetPFCands")]
    table = random.choice(read)
    size = len(next(iter(tables.tables[table].values())))
    column = random.choice([name for name in tables.tables[table] if name != "fuzzId"])
    row = random.randrange(max(size, 1))
    links = [name for name in LINKS if "jetIdx" in tables.tables.get(name, {})]
    kind = random.choice(("set",) * 8 + ("cast", "drop_column", "drop_table", "event", "event_cast", "ghost", "cancel")
                         + (("dup_link", "reindex", "relink", "permute_links") if links else ()))  # fmt: skip
    if kind == "set":
        return ["set", table, column, row, random.choice(list(VALUES))]
    if kind == "cast":
        return ["cast", table, column, random.choice(TYPES)]
    if kind == "drop_column":
        return ["drop_column", table, column]
    if kind == "drop_table":
        return ["drop_table", table]
    if kind in ("event", "event_cast"):
        name = random.choice([name for name in tables.events if name not in ("run", "luminosityBlock", "event")])
        if kind == "event":
            return ["event", name, random.randrange(len(tables.events[name])), random.choice(list(VALUES))]
        return ["event_cast", name, random.choice(TYPES)]
    if kind in ("ghost", "cancel"):
        return [kind, random.randrange(1000), random.choice(("eta", "phi", "mass", "d0", "dz", "d0Err", "pdgId")),
                random.choice(IMPOSSIBLE)]  # fmt: skip
    links_table = random.choice(links)
    n_links = len(tables.tables[links_table]["jetIdx"])
    if kind == "permute_links":
        return ["permute_links", links_table, random.randrange(100)]
    value = random.choice([-1, -2, 1, 2, 7, 1000, 2**31 - 1])
    return [kind, links_table, random.randrange(max(n_links, 1)), *([] if kind == "dup_link" else [value])]


def apply_operation(broken: Broken, mutation: Mutation) -> None:
    """Carry out one operation. What is no longer there is left alone, so that any subset of a case's list works."""
    name, *arguments = mutation
    tables = broken.tables
    if name.startswith("event"):
        if arguments[0] in tables.events:
            _OPERATIONS[name](broken, *arguments)
    elif name in ("ghost", "cancel"):
        if {"PFCands", "JetPFCands"} <= set(tables.tables) and broken.known_links:
            _OPERATIONS[name](broken, *arguments)
    elif arguments[0] in tables.tables:
        column = arguments[1] if name in ("set", "cast", "drop_column") else "jetIdx"
        if name == "drop_table" or column in tables.tables[arguments[0]]:
            _OPERATIONS[name](broken, *arguments)


def _set(broken: Broken, table: str, column: str, row: int, value: str) -> None:
    columns = broken.tables.tables[table]
    if row >= len(columns[column]):
        return
    changed = columns[column].copy()
    new = _as(VALUES[value], changed.dtype)
    if new is None or new == changed[row]:
        return
    impossible = changed.dtype.kind == "f" and value in IMPOSSIBLE
    impossible |= column in NEGATIVE and table not in LINKS and VALUES[value] < 0
    index = table in LINKS and column.endswith("Idx")
    before = broken.jets_of(table, row)
    changed[row] = new
    broken.tables = broken.tables.with_columns(table, **{column: changed})
    jets = np.concatenate([before, broken.jets_of(table, row)]) if index else before
    broken.touch(jets, MUST if impossible else FREE)


def _as(value: Any, dtype: np.dtype) -> Any:
    """The value in a type, or None where it does not fit."""
    if dtype.kind in "iu":
        if not np.isfinite(value) or value != int(value) or not np.can_cast(np.min_scalar_type(int(value)), dtype):
            return None
        return dtype.type(int(value))
    return dtype.type(value) if dtype.kind == "f" else None


def _cast(broken: Broken, table: str, column: str, dtype: str) -> None:
    old = broken.tables.tables[table][column]
    if (new := _as_type(old, dtype)) is None:
        return
    if len(new) and new.dtype.kind in "iuf" and old.dtype.kind in "iuf":
        with np.errstate(invalid="ignore", over="ignore"):
            different = np.flatnonzero(new.astype(np.float64) != old.astype(np.float64))
        for row in different:
            broken.touch(broken.jets_of(table, int(row)), FREE)
        if table in LINKS and len(different):
            broken.touch_all(FREE)
    else:
        broken.touch_all(FREE)
    broken.tables = broken.tables.with_columns(table, **{column: new})


def _as_type(old: np.ndarray, dtype: str) -> np.ndarray | None:
    with np.errstate(all="ignore"):
        try:
            if dtype == "str":
                return np.array([str(value) for value in old.tolist()])
            return old.astype(np.int64).astype(dtype) if dtype.startswith("datetime") else old.astype(dtype)
        except (TypeError, ValueError):
            return None


def _drop_column(broken: Broken, table: str, column: str) -> None:
    columns = {name: values for name, values in broken.tables.tables[table].items() if name != column}
    if not columns or column == "fuzzId":
        return
    broken.tables = broken.tables.with_table(table, columns, broken.tables.counts[table])
    broken.touch_all(MUST)


def _drop_table(broken: Broken, table: str) -> None:
    if table != broken.collection:
        broken.tables = broken.tables.without(table)
        broken.touch_all(MUST)


def _event(broken: Broken, name: str, event: int, value: str) -> None:
    changed = broken.tables.events[name].copy()
    new = _as(VALUES[value], changed.dtype)
    if new is None or new == changed[event]:
        return
    changed[event] = new
    broken.tables = replace(broken.tables, events=broken.tables.events | {name: changed})
    impossible = changed.dtype.kind == "f" and value in IMPOSSIBLE
    broken.touch(broken.jets_of_event(event), MUST if impossible else FREE)


def _event_cast(broken: Broken, name: str, dtype: str) -> None:
    if (new := _as_type(broken.tables.events[name], dtype)) is not None:
        broken.tables = replace(broken.tables, events=broken.tables.events | {name: new})
        broken.touch_all(FREE)


def _dup_link(broken: Broken, links: str, row: int) -> None:
    _add_rows(broken, links, np.array([row]))
    broken.touch(broken.jets_of(links, row), MUST)


def _add_rows(broken: Broken, table: str, rows: np.ndarray) -> None:
    """Repeat rows of a table, each beside itself."""
    columns = broken.tables.tables[table]
    times = np.ones(len(next(iter(columns.values()))), int)
    counts = broken.tables.counts[table].copy()
    for row in rows[rows < len(times)]:
        times[row] += 1
        counts[broken.event_of(table, int(row))] += 1
    repeated: Columns = {name: np.repeat(values, times) for name, values in columns.items()}
    broken.tables = broken.tables.with_table(table, repeated, counts)


def _reindex(broken: Broken, links: str, row: int, value: int) -> None:
    """A link to another row, or to none."""
    linked, index = LINKS[links]
    columns = broken.tables.tables[links]
    if index not in columns or row >= len(columns[index]) or (new := _as(value, columns[index].dtype)) is None:
        return
    event = broken.event_of(links, row)
    outside = value < -1 or value >= broken.tables.counts.get(linked, np.zeros(event + 1))[event]
    none = value == -1 and linked == "SV"
    broken.touch(broken.jets_of(links, row), MUST if outside and not none else FREE)
    changed = columns[index].copy()
    changed[row] = new
    broken.tables = broken.tables.with_columns(links, **{index: changed})


def _relink(broken: Broken, links: str, row: int, value: int) -> None:
    """A link of another jet, or of none."""
    columns = broken.tables.tables[links]
    if row >= len(columns["jetIdx"]) or (new := _as(value, columns["jetIdx"].dtype)) is None:
        return
    broken.touch(broken.jets_of(links, row), FREE)
    changed = columns["jetIdx"].copy()
    changed[row] = new
    broken.tables = broken.tables.with_columns(links, jetIdx=changed)
    broken.touch(broken.jets_of(links, row), FREE)


def _permute_links(broken: Broken, links: str, seed: int) -> None:
    """The same links in another order: nothing is broken."""
    columns, counts = broken.tables.tables[links], broken.tables.counts[links]
    event = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((np.random.default_rng(seed).random(len(event)), event))
    shuffled = {name: values[order] for name, values in columns.items()}
    broken.tables = broken.tables.with_table(links, shuffled, counts)


def _ghost(broken: Broken, link: int, column: str, value: str) -> None:
    """A candidate of pT zero in a jet, impossible in something else."""
    _extra(broken, link, {"pt": 0.0}, {column: value})


def _cancel(broken: Broken, link: int, column: str, value: str) -> None:
    """Two candidates in a jet that add up to nothing: one has negative pT."""
    _extra(broken, link, {"pt": 0.05}, {})
    _extra(broken, link, {"pt": -0.05}, {})


def _extra(broken: Broken, link: int, values: dict[str, float], odd: dict[str, str]) -> None:
    """A candidate more, like one of the jet in all else."""
    links = broken.tables.tables["JetPFCands"]
    if not {"jetIdx", "pFCandsIdx"} <= set(links) or not len(links["jetIdx"]):
        return
    link %= len(links["jetIdx"])
    event = broken.event_of("JetPFCands", link)
    if links["pFCandsIdx"].dtype.kind not in "iu":  # cast by an operation before
        return
    if not 0 <= links["pFCandsIdx"][link] < broken.tables.counts["PFCands"][event]:
        return
    row = int(links["pFCandsIdx"][link] + broken.tables.offsets("PFCands")[event])
    last = int(broken.tables.offsets("PFCands")[event + 1])
    columns = {}
    for name, column in broken.tables.tables["PFCands"].items():
        new = column[row]
        if name in values:
            new = values[name]
        if name in odd:
            changed = _as(VALUES[odd[name]], column.dtype)
            new = column[row] if changed is None else changed
        columns[name] = np.insert(column, last, new)
    counts = broken.tables.counts["PFCands"].copy()
    counts[event] += 1
    broken.tables = broken.tables.with_table("PFCands", columns, counts)
    _add_rows(broken, "JetPFCands", np.array([link]))
    index = broken.tables.tables["JetPFCands"]["pFCandsIdx"].copy()
    index[link] = _as(int(counts[event]) - 1, index.dtype) or 0
    broken.tables = broken.tables.with_columns("JetPFCands", pFCandsIdx=index)
    broken.touch(broken.jets_of("JetPFCands", link), MUST)


_OPERATIONS = {
    "set": _set, "cast": _cast, "drop_column": _drop_column, "drop_table": _drop_table, "event": _event,
    "event_cast": _event_cast, "dup_link": _dup_link, "reindex": _reindex, "relink": _relink,
    "permute_links": _permute_links, "ghost": _ghost, "cancel": _cancel,
}  # fmt: skip


def sign(mutation: Mutation) -> str:
    """Without row numbers and seeds."""
    name, *arguments = mutation
    if name == "set":
        return f"{arguments[0]}.{arguments[1]} = {_class(arguments[3])}"
    if name in ("event",):
        return f"{arguments[0]} = {_class(arguments[2])}"
    if name in ("reindex", "relink"):
        return f"{name} {arguments[0]} to {'-1' if arguments[2] == -1 else 'another'}"
    if name in ("ghost", "cancel"):
        return name if name == "cancel" else f"candidate of no pT with {arguments[1]} = {_class(arguments[2])}"
    if name in ("dup_link", "permute_links", "drop_table"):
        return f"{name} {arguments[0]}"
    if name == "cast":
        return f"{arguments[0]}.{arguments[1]} as {_type_class(arguments[2])}"
    if name == "event_cast":
        return f"{arguments[0]} as {_type_class(arguments[1])}"
    return f"{name} {' '.join(map(str, arguments))}"


def _class(value: str) -> str:
    if value in ("inf", "-inf"):
        return "infinite"
    return {"nan": "NaN"}.get(value, "huge" if value in IMPOSSIBLE else "a number")


def _type_class(dtype: str) -> str:
    return "a number type" if np.dtype(dtype).kind in "iuf" and dtype not in (">f4", "float16") else dtype
