"""Where a file has the jets of a collection and their constituents, and the messages about what it lacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from coffea_mljec.errors import MissingBranchError
from coffea_mljec.nano import table_names
from coffea_mljec.nano.algorithm import radius
from coffea_mljec.nano.quantities import Branch, quantity_of
from coffea_mljec.support.suggestions import nearest

__all__ = ["Layout", "Linkage"]


@dataclass(frozen=True)
class Linkage:
    """Where the constituents of one kind are, and what says to which jet they belong.

    Attributes
    ----------
    table : str or None
        None where the file has none.
    links : str or None
        The table with ``jetIdx``; the table itself where each of its rows belongs to one jet. Vertices without links
        belong to the jets within whose radius they lie.
    index : str or None
        The links' field that points into the table; None where a row belongs to one jet.
    """

    table: str | None
    links: str | None = None
    index: str | None = None


@dataclass(frozen=True)
class Layout:
    """Where one jet collection of a file has its constituents.

    Attributes
    ----------
    collection : str
        The jet collection, such as ``"Jet"``.
    charged, neutral, sv : Linkage
        The constituents. Charged and neutral candidates share a table, except in NanoX.
    puppi_weighting : str
        ``"none"`` (the candidates' pT as it is: CHS jets), ``"stored"`` (the file's candidate pT is PUPPI-weighted
        already) or ``"weight"`` (pT times ``puppiWeight``, done once, here).
    simulation : bool
        True for this project's own parametrised simulation.
    fields : mapping of str to tuple of str
        The collections of the file and the fields of each.
    listed : Linkage, optional
        Where the vertices are listed whose links `sv` is then (`coffea_mljec.nano.dropped_vertices.read_from_links`).
    direction : tuple of str
        The quantities that their eta and phi are made from.
    """

    collection: str
    charged: Linkage
    neutral: Linkage
    sv: Linkage
    puppi_weighting: str
    simulation: bool
    fields: dict[str, tuple[str, ...]]
    listed: Linkage | None = None
    direction: tuple[str, ...] = ()

    @property
    def as_listed(self) -> Layout:
        """The file as it is, with the vertices that its table lists."""
        return self if self.listed is None else replace(self, sv=self.listed, listed=None, direction=())

    @property
    def split(self) -> bool:
        """Whether charged and neutral candidates have tables of their own (NanoX)."""
        return self.charged != self.neutral

    def linkage(self, kind: str) -> Linkage:
        """Where the constituents ``charged``, ``neutral``, ``candidates`` (in one table) or ``sv`` are."""
        candidates = Linkage(None) if self.split else self.charged
        found = {"charged": self.charged, "neutral": self.neutral, "candidates": candidates, "sv": self.sv}
        return found[kind]

    def table(self, kind: str) -> str | None:
        """Name of the table of a kind of quantity; the events' own is ``""``."""
        return {"jet": self.collection, "event": ""}[kind] if kind in ("jet", "event") else self.linkage(kind).table

    def find(self, kind: str, quantity: str) -> Branch | None:
        """Return where the file has a quantity, such as ``PFCands_d0``; None where it lacks it."""
        row, table = quantity_of(kind, quantity), self._table_of(kind, quantity)
        if table is None:
            return None
        if quantity == "pt_unweighted" and self.puppi_weighting == "stored":
            return None
        for name in row.fields:
            owner, _, field = name.rpartition(".")
            if table or owner:
                branch = Branch(owner or table, field)
                if branch.field in self.fields.get(branch.table, ()):
                    return branch
            elif field in self.fields:
                return Branch("", field)
        return None

    def _table_of(self, kind: str, quantity: str) -> str | None:
        """The table that holds a quantity: the constituents', or the one that links them."""
        return self.linkage(kind).links if quantity_of(kind, quantity).on_links else self.table(kind)

    def sources(self, kind: str, quantity: str) -> tuple[str, ...]:
        """Quantities of the file that a quantity is made from: itself where the file has it, or has none of those."""
        if kind == "sv" and self.direction and quantity in ("eta", "phi"):
            return self.direction
        made_from = quantity_of(kind, quantity).made_from
        if made_from and self.find(kind, quantity) is None and any(self.find(kind, name) for name in made_from):
            return made_from
        return (quantity,)

    def require(self, kind: str, quantity: str, asker: str) -> Branch:
        """Like `find`, but a quantity that the file lacks is an error.

        Parameters
        ----------
        kind, quantity : str
            Of `coffea_mljec.nano.quantities.QUANTITIES`.
        asker : str
            Who needs it, for the message: ``"feature dxy of model pfn-r-lite"``.

        Raises
        ------
        MissingBranchError
            Naming the branches looked for, and the nearest branch that the file has.
        """
        branch = self.find(kind, quantity)
        if branch is not None:
            return branch
        if self.table(kind) is None:
            raise self._no_table(kind, asker)
        tried = self.looked_for(kind, quantity)
        near = self.nearest(tried)
        raise MissingBranchError(
            f"{asker} needs {quantity}: looked for {', '.join(tried)}, and the file has none of "
            f"them{f' (nearest: {near})' if near else ''}. {self.alternatives()}"
        )

    def looked_for(self, kind: str, quantity: str) -> tuple[str, ...]:
        """The branches that could hold a quantity."""
        table = self._table_of(kind, quantity)
        fields = quantity_of(kind, quantity).fields
        return tuple(name.replace(".", "_") if kind == "event" else f"{table}_{name}" for name in fields)

    def nearest(self, tried: Iterable[str]) -> str | None:
        """The branch of the file whose name is most like one of these; None if none is alike."""
        have = [
            Branch(table, field).name if field else table
            for table, fields in self.fields.items()
            for field in fields or ("",)
        ]
        return next((near[0] for name in tried if (near := nearest(name, have))), None)

    def require_links(self, kind: str, asker: str) -> Linkage:
        """Return where the constituents of a kind are, or raise MissingBranchError."""
        linkage = self.linkage(kind)
        near = kind == "sv" and radius(self.collection) is not None
        if linkage.table is None or (linkage.links is None and not near):
            raise self._no_table(kind, asker)
        return linkage

    def alternatives(self) -> str:
        """One sentence on what would correct this file's jets instead."""
        if lacking := self._lacking(("pt_raw", "mass_raw", "eta", "phi")):
            return f"Nothing corrects jets without {', '.join(lacking)}: keep all branches of {self.collection}."
        jets = self.fields.get(self.collection, ())
        stored = [name for name in jets if "RegPtRawCorr" in name or name in ("bRegCorr", "cRegCorr")]
        works = [f"the pT regression that it stores ({', '.join(stored)})"] if stored else []
        if self.find("event", "rho") is not None and not self._lacking(("area",)):
            works.append("the standard path (FactorizedJEC) needs no constituents")
        return f"What works on this file: {', and '.join(works) or 'nothing that this package has'}."

    def _lacking(self, quantities: Iterable[str]) -> list[str]:
        """Branches behind quantities of jets that the file lacks."""
        names = [name for quantity in quantities for name in self.sources("jet", quantity)]
        return [
            " or ".join(self.looked_for("jet", name)) for name in dict.fromkeys(names) if not self.find("jet", name)
        ]

    def _no_table(self, kind: str, asker: str) -> MissingBranchError:
        vertices = kind == "sv"
        what = "secondary vertices" if vertices else "particle-flow candidates"
        tables = (table_names.VERTEX_TABLE,) if vertices else table_names.CANDIDATE_TABLES
        links = table_names.vertex_link_tables if vertices else table_names.link_tables
        tried = [f"{table}_jetIdx" for table in links(self.collection)]
        near = self.nearest(tried)
        return MissingBranchError(
            f"{asker} needs the {what} of {self.collection}: looked for the tables {', '.join(tables)} and the links "
            f"{', '.join(tried)}, and the file does not have both{f' (nearest: {near})' if near else ''}. "
            f"{self.alternatives()} Constituents come with PFNano, JMENano and BTVNano files."
        )
