"""`JetChunk`: the jets of one collection of one chunk of events, read once and handed down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.nano.algorithm import radius
from coffea_mljec.nano.detection import detect
from coffea_mljec.nano.dropped_vertices import directions
from coffea_mljec.nano.flat import Constituents, FlatJets
from coffea_mljec.nano.grouping import split_charged
from coffea_mljec.nano.layout import Layout
from coffea_mljec.nano.links import Grouped, group_constituents
from coffea_mljec.nano.quantities import SUBJETS, Branch, kind_of_jet_quantity, outside, quantity_of
from coffea_mljec.nano.requirements import constituents_read
from coffea_mljec.nano.source import Source
from coffea_mljec.nano.table import Index, Spans, Table
from coffea_mljec.numerics.subjets import masses_of_subjets
from coffea_mljec.status import Status, mark

__all__ = ["JetChunk", "flatten"]

Column = npt.NDArray[Any]


class _Kept:
    """What was read of a chunk, shared by all who ask."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.jets: dict[str, Column] = {}
        self.constituents: dict[tuple[str, str], Column] = {}
        self.grouped: dict[tuple[str | bool, ...], Grouped] = {}
        self.source: Source | None = None


class JetChunk:
    """The jets of one collection of one chunk.

    The layout is found once; offsets and every column are read when they are first asked for, and kept; constituents
    are grouped once. Made at the top of ``apply``; what is below takes it instead of the events.

    Parameters
    ----------
    events : NanoEvents
        Eager or virtual (a concrete chunk). Of a typetracer only the layout can be asked.
    layout : Layout
    asker : str
        Who asks, for messages: ``"model 'pfn-r-lite'"``.

    Attributes
    ----------
    events, layout, asker
        As given.
    """

    def __init__(self, events: Any, layout: Layout, asker: str) -> None:
        self.events = events
        self.layout = layout
        self.asker = asker
        self._kept = _Kept()

    @classmethod
    def of(cls, events: Any, collection: str = "Jet", asker: str = "this call") -> JetChunk:
        """Find the layout; raises InputError as `detect` does."""
        return cls(events, detect(events, collection), asker)

    def asked_by(self, asker: str, layout: Layout | None = None) -> JetChunk:
        """The same chunk, with all that was read, for somebody else, who may read it by another layout."""
        other = JetChunk(self.events, layout or self.layout, asker)
        other._kept = self._kept
        return other

    def __len__(self) -> int:
        """Number of jets."""
        return int(self.offsets[-1])

    @property
    def collection(self) -> Any:
        """The jets as awkward array."""
        return self.events[self.layout.collection]

    def table(self, name: str) -> Table:
        """A collection of the events, flat."""
        tables = self._kept.tables
        if name not in tables:
            # From the layout: a vector that lacks a coordinate cannot be built, and says nothing of who needs it.
            tables[name] = self._as_in_file(Table.of(ak.to_layout(self.events), name))
        return tables[name]

    def _as_in_file(self, table: Table) -> Table:
        """Links count the rows of the file: a table that they join must have those."""
        listed = self.layout.listed
        for linkage in (*((listed,) if listed else ()), self.layout.charged, self.layout.neutral, self.layout.sv):
            if linkage.index is not None and table.name == linkage.links:
                return self.source.links(table, ("jetIdx", linkage.index))
            if table.name == linkage.table:
                return self.source.constituents(table)
        return table

    @property
    def source(self) -> Source:
        """What the file has."""
        if self._kept.source is None:
            self._kept.source = Source(self.events)
        return self._kept.source

    @property
    def offsets(self) -> Index:
        """Event ``i`` owns the jets ``offsets[i]:offsets[i + 1]``; shape (n_events + 1,)."""
        return self.table(self.layout.collection).offsets

    def field(self, name: str) -> Column:
        """A field of the jets by the name that the file has for it, shape (n_jets,)."""
        return self.table(self.layout.collection).flat(name)

    def jet(self, quantity: str) -> Column:
        """A quantity of jets or events (`coffea_mljec.nano.quantities`), shape (n_jets,).

        Raises
        ------
        MissingBranchError
            If the file lacks it.
        """
        kept = self._kept.jets
        if quantity not in kept:
            kind = kind_of_jet_quantity(quantity)
            branches = [self.layout.require(kind, name, self.asker) for name in self.layout.sources(kind, quantity)]
            if kind == "event":
                kept[quantity] = np.repeat(self._event_column(branches[0]), np.diff(self.offsets))
            elif quantity == "soft_drop_mass" and len(branches) > 1:
                kept[quantity] = self._soft_drop_mass(branches)
            else:
                kept[quantity] = _made(kind, quantity, [self.field(branch.field) for branch in branches])
        return kept[quantity]

    def _soft_drop_mass(self, branches: list[Branch]) -> Column:
        """The mass of each jet's subjets before their correction: 0 without any, NaN in an event with a broken one."""
        tables = [self.table(branch.table) for branch in branches]
        columns = [table.flat(branch.field) for table, branch in zip(tables, branches, strict=True)]
        pt, eta, phi, mass, raw_factor = (column.astype(np.float64) for column in columns)
        offsets = tables[0].offsets
        found = masses_of_subjets(
            self.jet("eta"), self.jet("phi"), self.offsets, pt * (1.0 - raw_factor), eta, phi,
            mass * (1.0 - raw_factor), offsets, radius(self.layout.collection) or 0.8,
        )  # fmt: skip
        broken = np.flatnonzero(np.any([outside("jet", *pair) for pair in zip(SUBJETS, columns, strict=True)], axis=0))
        events = np.unique(np.searchsorted(offsets, broken, side="right") - 1)
        of_jet = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        return np.where(np.isin(of_jet, events), np.nan, np.nan_to_num(found)).astype(np.float32)

    def jets(self, quantities: Iterable[str]) -> dict[str, Column]:
        """Several quantities of jets or events, by name."""
        return {quantity: self.jet(quantity) for quantity in quantities}

    def bad(self, quantities: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Where raw pT is not positive, or one of these quantities of jets or events cannot be so: NaN, infinite,
        beyond its bounds; shape (n_jets,)."""
        found = self.jet("pt_raw") <= 0
        for quantity in dict.fromkeys(("pt_raw", *quantities)):
            found |= outside(kind_of_jet_quantity(quantity), quantity, self.jet(quantity))
        return found

    def _event_column(self, branch: Branch) -> Column:
        column = branch.numbers(self.events)
        n_events = len(self.offsets) - 1
        if len(column) != n_events:
            raise InputError(f"{branch.name} must hold one number per event ({n_events}); got {len(column)}.")
        return column

    def constituent(self, kind: str, quantity: str) -> Column:
        """A quantity of the whole table of ``charged``, ``neutral`` or ``sv`` (see `Table.column`).

        pT is that in the jet: weighted by PUPPI, once, where the jets are.
        """
        kept, key = self._kept.constituents, (str(self.layout.table(kind)), quantity)
        if key not in kept:
            values = self.unweighted(kind, quantity)
            if quantity == "pt" and kind != "sv" and self.layout.puppi_weighting == "weight":
                values = values * self.constituent(kind, "puppi_weight")
            kept[key] = values
        return kept[key]

    def unweighted(self, kind: str, quantity: str) -> Column:
        """Like `constituent`, as the file has it."""
        layout = self.layout
        branches = [layout.require(kind, name, self.asker) for name in layout.sources(kind, quantity)]
        return _made(kind, quantity, [self.table(branch.table).column(branch.field) for branch in branches])

    def spans(self, kind: str) -> Spans:
        """Rows of each event in the table of ``charged``, ``neutral`` or ``sv``."""
        return self.table(str(self.layout.table(kind))).spans

    def flat(
        self,
        jet: Iterable[str] = (),
        constituents: Mapping[str, Iterable[str]] | None = None,
    ) -> FlatJets:
        """Read all jets and their constituents as flat arrays.

        Parameters
        ----------
        jet : iterable of str
            Quantities of jets and events beyond ``pt_raw``, ``eta`` and ``phi``.
        constituents : mapping of str to iterable of str
            ``charged``, ``neutral`` or ``sv`` -> quantities wanted.

        Raises
        ------
        MissingBranchError
            If the file lacks a quantity.
        JetsChangedError
            If the jets no longer line up with the link table (cut or sorted before the correction).
        InputError
            If a column is not a plain jagged array.
        """
        constituents = constituents or {}
        read = constituents_read(self.layout, constituents)
        for kind in read:
            self.layout.require_links(kind, self.asker)
        columns = self.jets(dict.fromkeys(("pt_raw", "eta", "phi", *jet)))
        later = ("eta", "phi") if self.layout.direction else ()
        tables = {
            kind: {name: self.constituent(kind, name) for name in names if not (kind == "sv" and name in later)}
            for kind, names in read.items()
        }
        grouped = self._grouped(tuple(read), any(_on_links(kind, tables[kind]) for kind in tables))
        flags = grouped.flags.copy()
        if later and "sv" in tables:
            tables["sv"] |= directions(self, grouped.groups["sv"])
            # Links that lead elsewhere show in the vertices that are listed.
            flags |= self.asked_by(self.asker, self.layout.as_listed)._grouped(tuple(read), with_links=False).flags
        mark(flags, self.bad(columns), Status.BAD_INPUT)
        found = self._collections(tables, grouped)
        return FlatJets(columns, {name: found[name] for name in constituents}, self.offsets, flags)

    def _grouped(self, kinds: tuple[str, ...], with_links: bool) -> Grouped:
        kept = self._kept.grouped
        key: tuple[str | bool, ...] = (*kinds, with_links, str(self.layout.sv.table))
        if key not in kept:
            kept[key] = group_constituents(self, kinds, with_links)
        return kept[key]

    def _collections(self, tables: Mapping[str, Mapping[str, Column]], grouped: Grouped) -> dict[str, Constituents]:
        """Charged and neutral constituents apart, beside all candidates and the vertices."""
        parts = {kind: (group.index, group.offsets) for kind, group in grouped.groups.items()}
        if not self.layout.split and (
            every := [parts.pop(kind) for kind in ("charged", "candidates") if kind in parts]
        ):
            if "charged" in tables:
                split = split_charged(*every[0], self._particles(tables["charged"]["pdg_id"]))
                parts |= {"charged": split[:2], "neutral": split[2:]}
            if "candidates" in tables:
                parts["candidates"] = every[0]
        rows = {kind: group.links for kind, group in grouped.groups.items()}
        rows["candidates"] = rows.get("candidates", rows.get("charged"))
        return {
            kind: Constituents(tables[kind], *part, _on_links(kind, tables[kind]), rows.get(kind))
            for kind, part in parts.items()
        }

    def _particles(self, pdg_id: Column) -> Column:
        """The numbers of particles; raises InputError for a type that cannot hold those of pions."""
        if pdg_id.dtype.kind == "u" or pdg_id.dtype.itemsize < 2:
            name = f"{self.layout.charged.table}_pdgId"
            raise InputError(f"{name} is {pdg_id.dtype}, which cannot hold the numbers of pions, 211 and -211.")
        return pdg_id


def _on_links(kind: str, quantities: Iterable[str]) -> frozenset[str]:
    """Those that belong to the links."""
    return frozenset(name for name in quantities if quantity_of(kind, name).on_links)


def _made(kind: str, quantity: str, columns: list[Column]) -> Column:
    """A quantity from the columns of its `Layout.sources`."""
    row = quantity_of(kind, quantity)
    return columns[0] if row.make is None or len(columns) < len(row.made_from) else row.make(*columns)


def flatten(
    events: Any,
    collection: str = "Jet",
    *,
    jet: Iterable[str] = (),
    constituents: Mapping[str, Iterable[str]] | None = None,
    asker: str = "this call",
) -> FlatJets:
    """Read all jets of a chunk and their constituents: `JetChunk.of` and `JetChunk.flat` in one."""
    return JetChunk.of(events, collection, asker).flat(jet, constituents)
