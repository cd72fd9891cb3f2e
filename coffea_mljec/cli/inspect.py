"""``mljec inspect``: the page to read before an analysis: what is in a file, and what can run on it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from coffea_mljec.cli.inspection import collection_report, file_report
from coffea_mljec.cli.options import Tree
from coffea_mljec.cli.terminal import out
from coffea_mljec.errors import InputError
from coffea_mljec.nano import open_nano
from coffea_mljec.nano.opening import reading

__all__ = ["inspect"]

JETS = ("Jet", "FatJet")


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="NanoAOD: ROOT (local or root://) or *.parquet.")],
    collection: Annotated[
        str | None, typer.Option(help="Jet collection; by default Jet and FatJet, as far as the file has them.")
    ] = None,
    tree: Tree = "Events",
    events: Annotated[int, typer.Option(min=1, help="Events in which to look for complete constituents.")] = 1000,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A model folder to ask of beside the bundled ones; repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say what is in a file and what can run on it: layout, weighting, complete constituents, branches of each model.

    What a model lacks is named branch by branch, and so is what would work on the file instead.

    [bold]Examples[/]

    mljec inspect pfnano.root

    mljec inspect nano.root --collection FatJet

    mljec inspect nano.parquet --json
    """
    from coffea_mljec import Network

    networks = [Network(path) for path in model or ()]
    with open_nano(file, tree) as nano, reading(file):
        sample = nano.events(0, min(events, nano.entries))
        wanted = [collection] if collection else [name for name in JETS if name in sample.fields]
        if not wanted:
            raise InputError(f"{file} has neither {' nor '.join(JETS)}; name its jet collection with --collection.")
        jets = [collection_report(sample, name, networks) for name in wanted]
        about = file_report(nano, sample, wanted[0])
    if as_json:
        out.print_json(json.dumps(about | {"collections": jets}))
        return
    _print_file(about)
    for report in jets:
        _print_collection(report)


def _print_file(about: dict[str, Any]) -> None:
    from rich.text import Text

    kind = "this project's simulation" if about["own_simulation"] else about["kind"]
    out.print(Text(about["file"], style="bold"))
    out.print(
        f"{about['format']}, {about['events']} events, {about['branches']} branches; {kind}; NanoAOD "
        f"{about['nanoaod']}; rho: {about['rho'] or 'none'}"
    )
    for era in about["eras"]:
        command = era["command"] or f"no payloads of it here (mljec eras {era['era']} says where they were looked for)"
        out.print(Text(f"era {era['era']}: {era['python']}; {command}"))


def _print_collection(report: dict[str, Any]) -> None:
    from rich.text import Text

    scheme = {"chs": "CHS", "Puppi": "PUPPI", None: "pileup scheme unknown"}[report["pileup"]]
    size = "" if report["radius"] is None else f", radius {report['radius']:g}"
    out.print()
    out.print(Text(report["collection"], style="bold"), Text(f"{scheme}{size}"))
    out.print(_layout_table(report))
    for line in _constituent_lines(report):
        out.print(line)
    out.print(f"stored regressions: {', '.join(report['stored_regressions']) or 'none'}")
    chosen = report["chosen"]
    out.print(f"without a name, MLJEC() takes: {chosen['network'] or 'none'}")
    out.print(_providers_table(report))


def _layout_table(report: dict[str, Any]) -> Any:
    """One row a kind of quantity: where it is and which canonical quantities are there or lacking."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("what", "where", "there", "lacking"):
        table.add_column(column, overflow="fold")
    for kind, found in report["quantities"].items():
        same = [other for other in report["quantities"] if _row(report, other) == _row(report, kind)]
        if kind != same[0]:
            continue
        there = [name if name == field else f"{name} ({field})" for name, field in found.items() if field]
        lacking = [name for name, field in found.items() if field is None]
        where = report["where"][kind] or "none"
        table.add_row(", ".join(same), where, Text(", ".join(there)), Text(", ".join(lacking), style="yellow"))
    return table


def _row(report: dict[str, Any], kind: str) -> tuple[Any, ...]:
    """What a row says of a kind of quantity: charged and neutral candidates share one where they share a table."""
    return report["where"][kind], report["quantities"][kind]


def _constituent_lines(report: dict[str, Any]) -> list[str]:
    """The share of jets whose constituents add up to the jet: only those can a network treat."""
    found = report["constituents"]
    if isinstance(found, str):
        return [f"constituents: {found}"]
    looked = report["events_looked_at"]
    if found["jets"] == 0:
        return [f"constituents: no jets in the first {looked} events"]
    share = 100 * found["complete"] / found["jets"]
    lines = [
        f"constituents: complete for {found['complete']} of {found['jets']} jets ({share:.1f} %) in the first {looked} "
        f"events; {found['without']} have none, {found['partial']} only a part; {found['constituents']:.1f} a jet",
        f"weighting: {report['weighting']}",
    ]
    if found["ratio"] is not None:
        lines.append(f"sum of constituent pT / raw pT: {_spread(found['ratio'])}")
    if found["other_ratio"] is not None:
        other = "without" if "puppiWeight" in report["weighting"] else "with"
        lines.append(f"  for comparison, {other} PUPPI weights: {_spread(found['other_ratio'])}")
    return lines


def _spread(quantiles: tuple[float, float, float]) -> str:
    low, median, high = quantiles
    return f"median {median:.4f}, 5 % to 95 %: {low:.4f} to {high:.4f}"


def _providers_table(report: dict[str, Any]) -> Any:
    """What runs on the jets; the message of the error is the answer where something does not."""
    from rich.table import Table
    from rich.text import Text

    table = Table("provider", "runs?", box=None, pad_edge=False)
    for name, answer in {**report["models"], **report["other_providers"]}.items():
        if not answer["runs"]:
            table.add_row(name, Text(f"no: {answer['why']}", style="yellow"))
            continue
        table.add_row(name, _answer(answer, report["jets"]))
    return table


def _answer(answer: dict[str, Any], jets: int) -> Any:
    """Which jets a provider corrects that runs: one that finds no jet complete runs as well."""
    from rich.text import Text

    if "branches" not in answer:
        return Text("yes", "green")
    share = f"{answer['corrected']} of {jets} jets"
    reads = f"reading {len(answer['branches'])} branches"
    none = jets > 0 and answer["corrected"] == 0
    said = f"no: it corrects {share}, {reads}" if none else f"yes, {share}, {reads}"
    return Text("; but ".join([said, *answer["notes"]]), "yellow" if none or answer["notes"] else "green")
