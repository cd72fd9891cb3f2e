"""``mljec eras``: the eras that are known, and the payloads of one."""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Any

import typer

from coffea_mljec.cli.terminal import out
from coffea_mljec.errors import PayloadError

__all__ = ["command_line", "eras"]


def eras(
    name: Annotated[str | None, typer.Argument(metavar="[ERA]", help="Say what this one has.")] = None,
    directory: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="CMS's JSON repository; by default MLJEC_JSONPOG or cvmfs."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same as JSON.")] = False,
) -> None:
    """List the eras of data taking whose payloads are known by name, or say which payloads one has.

    In Python, [bold]mljec.era("2022EE")[/] gives its corrections, uncertainties, MET, jet veto map and identification.
    On the command line, [bold]--era 2022EE[/] names them to apply, validate and report.

    [bold]Examples[/]

    mljec eras

    mljec eras 2022EE

    mljec eras 2022EE --directory jsonpog-integration
    """
    if name is None:
        rows = _rows(directory)
        out.print_json(json.dumps(rows)) if as_json else out.print(_table(rows))
        return
    found = _details(name, directory)
    if as_json:
        out.print_json(json.dumps(found))
        return
    out.print(_lines(found))


def command_line(era: Any, directory: str | None = None) -> str:
    """The options that name the era to the other commands."""
    where = "" if directory is None else f" --era-directory {shlex.quote(directory)}"
    return f"--era {era.name}{where}"


def _rows(directory: str | None) -> list[dict[str, Any]]:
    from coffea_mljec.eras import CAMPAIGNS
    from coffea_mljec.eras.places import folder_of
    from coffea_mljec.payloads.run_periods import in_words

    rows = []
    for one in CAMPAIGNS:
        try:
            folder: str | None = str(folder_of(one, directory))
        except PayloadError:
            folder = None
        runs = (one.runs[0][0], one.runs[-1][1])
        rows.append(
            {
                "era": one.name, "names": list(one.aliases), "folder in cat/metadata": one.metadata, "jets": one.jets,
                "runs": in_words((runs,)), "folder": folder,
            }
        )  # fmt: skip
    return rows


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table("era", "short name", "jets", "runs of data", "here?", box=None, pad_edge=False)
    for row in rows:
        here = Text("yes", "green") if row["folder"] else Text("no", "yellow")
        table.add_row(Text(row["era"], "bold"), row["names"][0], row["jets"], row["runs"], here)
    return table


def _details(name: str, directory: str | None) -> dict[str, Any]:
    from coffea_mljec import era
    from coffea_mljec.payloads.run_periods import in_words

    simulation, data = (era(name, data=is_data, directory=directory) for is_data in (False, True))
    tags = data.tags_of(data.algorithm)
    return {
        "era": simulation.name,
        "names": list(simulation.campaign.aliases),
        "jets": simulation.algorithm,
        "folder": str(simulation.folder),
        "files": sorted(path.name for path in simulation.folder.iterdir() if ".json" in path.name),
        "simulation": simulation.tag,
        "resolution": simulation.jer_tag,
        "data": {tag: in_words(runs) for runs, tag in tags},
        "veto map": simulation.campaign.veto,
        "command": command_line(simulation, directory),
    }


def _lines(found: dict[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_row("era", Text(f"{found['era']} ({', '.join(found['names'])}), {found['jets']}", "bold"))
    table.add_row("folder", Text(found["folder"]))
    table.add_row("files", Text(", ".join(found["files"])))
    table.add_row("simulation", Text(f"{found['simulation']}, resolution {found['resolution']}"))
    for number, (tag, runs) in enumerate(found["data"].items()):
        table.add_row("" if number else "data", Text(f"{tag}: runs {runs}"))
    table.add_row("veto map", Text(found["veto map"]))
    table.add_row("Python", Text(f'mljec.era("{found["era"]}"), with data=True for data'))
    table.add_row("command line", Text(f"mljec apply FILE -o DIR {found['command']} --variations --met"))
    return table
