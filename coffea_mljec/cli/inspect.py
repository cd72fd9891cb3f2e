"""``mljec inspect``: what is in a file, and which models can run on it."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import numpy as np
import typer

from coffea_mljec.cli.options import Tree
from coffea_mljec.cli.terminal import out
from coffea_mljec.errors import InputError, MissingBranchError, MLJECError
from coffea_mljec.io import open_nano
from coffea_mljec.layouts import Layout, detect, flatten
from coffea_mljec.layouts.names import FIELDS
from coffea_mljec.status import Status

__all__ = ["inspect"]

JETS = ("Jet", "FatJet")


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A NanoAOD file; local or root://.")],
    collection: Annotated[
        str | None, typer.Option(help="Jet collection; by default Jet and FatJet, as far as the file has them.")
    ] = None,
    tree: Tree = "Events",
    events: Annotated[int, typer.Option(min=1, help="Events in which to look for complete constituents.")] = 1000,
) -> None:
    """Say which layout a file has, which of its branches a network can read, and which bundled models run on it.

    What a model lacks is named branch by branch, and so is what would work on the file instead.

    [bold]Examples[/]

    mljec inspect pfnano.root

    mljec inspect nano.root --collection FatJet
    """
    from rich.text import Text

    with open_nano(file, tree) as nano:
        sample = nano.events(0, min(events, nano.entries))
        out.print(Text(file, style="bold"), Text(f"{nano.entries} events, {len(nano.branches)} branches"))
        wanted = [collection] if collection else [name for name in JETS if name in sample.fields]
        if not wanted:
            raise InputError(f"{file} has neither {' nor '.join(JETS)}; name its jet collection with --collection.")
        for name in wanted:
            layout = detect(sample, name)
            out.print(_layout_table(layout))
            out.print(_completeness(sample, layout))
            out.print(_regressions(layout))
            out.print(_models_table(sample, name))


def _layout_table(layout: Layout) -> Any:
    """One row a kind of quantity: where it is and which canonical quantities are there or lacking."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=layout.collection, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("what", "where", "there", "lacking"):
        table.add_column(column, overflow="fold")
    where = {
        "jet": layout.collection,
        "event": "event",
        "candidate": _chain(layout.candidate_links, layout.candidate_index, layout.candidates),
        "vertex": _chain(layout.vertex_links, layout.vertex_index, layout.vertices),
    }
    for kind, quantities in FIELDS.items():
        there = {name: layout.find(kind, name) for name in quantities} if where[kind] != "none" else {}
        table.add_row(
            kind,
            where[kind],
            Text(", ".join(_named(name, path[-1]) for name, path in there.items() if path)),
            Text(", ".join(name for name, path in there.items() if path is None), style="yellow"),
        )
    return table


def _named(quantity: str, branch: str) -> str:
    return quantity if branch == quantity else f"{quantity} ({branch})"


def _chain(links: str | None, index: str | None, target: str | None) -> str:
    if links is None or index is None or target is None:
        return "none"
    return f"{links}.jetIdx, .{index} -> {target}"


def _completeness(sample: Any, layout: Layout) -> str:
    """The share of jets whose constituents add up to the jet: only those can a network treat."""
    if layout.candidate_links is None:
        return "constituents: none in this file for these jets"
    try:
        flat = flatten(sample, layout.collection, constituents={"charged": ()}, user="mljec inspect")
    except MissingBranchError as error:
        return f"constituents: not usable: {error}"
    if len(flat) == 0:
        return f"constituents: no jets in the first {len(sample)} events"
    without = np.count_nonzero(flat.flags & Status.NO_CONSTITUENTS)
    part = np.count_nonzero(flat.flags & Status.INCOMPLETE_CONSTITUENTS)
    complete = np.count_nonzero((flat.flags & (Status.NO_CONSTITUENTS | Status.INCOMPLETE_CONSTITUENTS)) == 0)
    return (
        f"constituents: complete for {complete} of {len(flat)} jets ({100 * complete / len(flat):.1f} %) in the first "
        f"{len(sample)} events; {without} have none, {part} only a part"
    )


def _regressions(layout: Layout) -> str:
    stored = [name for name in layout.fields[layout.collection] if "RegPt" in name or name in ("bRegCorr", "cRegCorr")]
    return f"stored regressions: {', '.join(stored) or 'none'}"


def _models_table(sample: Any, collection: str) -> Any:
    """Which bundled models run on the file; the message of the error is the answer where one does not."""
    from rich.table import Table
    from rich.text import Text

    from coffea_mljec import MLJEC, MismatchWarning
    from coffea_mljec.models import bundled

    table = Table("bundled model", "runs?", box=None, pad_edge=False)
    for name in bundled():
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", MismatchWarning)
                branches = MLJEC(name).required_branches(sample, collection)
            text = f"yes, reading {len(branches)} branches"
            # What it was made for against what it would meet: part of the answer here, a warning elsewhere.
            answer = Text("; but ".join([text, *(str(one.message) for one in told)]), "yellow" if told else "green")
        except MLJECError as error:
            answer = Text(f"no: {error}", style="yellow")
        table.add_row(name, answer)
    return table if table.row_count else "no models are bundled with this installation"
