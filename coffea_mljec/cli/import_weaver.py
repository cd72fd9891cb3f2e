"""``mljec import-weaver``: networks of weaver and CMSSW as model folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.cli.terminal import out
from coffea_mljec.errors import InputError
from coffea_mljec.support.paths import checked_path

__all__ = ["import_weaver"]


def import_weaver(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="ONNX... PREPROCESS", help="The graph, or those of an ensemble, and preprocess.json as the last."
        ),
    ],
    folder: Annotated[Path, typer.Option("-o", "--folder", metavar="DIR", help="Model folder to write.")],
    *,
    preprocess: Annotated[
        str | None, typer.Option(metavar="FILE", help="preprocess.json, if it is not the last of the files.")
    ] = None,
    collection: Annotated[str, typer.Option(help="Jet collection that the network is for.")] = "FatJet",
    outputs: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            metavar="NAME=QUANTITY[,TRANSFORM]",
            help="What an output is: pt, mass, energy, resolution, quantile:0.16, probability:b, value; and how the "
            "graph's number becomes it: identity, exp, times_raw, exp_times_raw, exp_times_groomed, softmax. Repeated.",
        ),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--variable",
            metavar="NAME=COLLECTION.FEATURE",
            help="The feature behind a variable whose name CMSSW does not use. Repeated.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the model; the graph's file name by default.")] = None,
    algorithm: Annotated[
        str | None, typer.Option(metavar="A", help="AK4PFchs or AK4PFPuppi; AK8PFPuppi for FatJet.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is in the folder.")] = False,
) -> None:
    """Write a model folder from a network that weaver trained, as CMSSW ships it: model.onnx and preprocess.json.

    Several graphs are an ensemble, whose outputs are averaged. What the outputs are is said with [bold]--output[/];
    without a word of it, labels whose values add up to 1 are probabilities, and mass is a mass in GeV.

    [bold]Examples[/]

    mljec import-weaver particle-net.onnx preprocess.json -o particle-net

    mljec import-weaver ratio.onnx preprocess.json -o regression --collection Jet --algorithm AK4PFPuppi --output
    target=pt,identity
    """
    from coffea_mljec import Network

    graphs, described = _files(files, preprocess)
    if (checked_path(folder, "a model folder to write") / "card.json").exists() and not force:
        raise InputError(f"{folder} holds a model already; give --force to replace it, or another folder.")
    network = Network.from_weaver(
        graphs,
        described,
        collection=collection,
        name=name,
        algorithm=algorithm,
        outputs={key: _choice(value) for key, value in _pairs(outputs, "--output", "NAME=QUANTITY").items()},
        variables=_pairs(variables, "--variable", "NAME=COLLECTION.FEATURE"),
    )
    network.save(folder)
    out.print(_outputs_table(network))
    out.print(f"\n{network.card.algorithm}: {collection}; written to {folder}", soft_wrap=True)


def _files(files: list[str], preprocess: str | None) -> tuple[list[str], str]:
    """The graphs, and the file that describes their inputs."""
    if preprocess is not None:
        return files, preprocess
    *graphs, last = files
    if not graphs or last.endswith(".onnx"):
        raise InputError(
            f"import-weaver needs a graph and its preprocess.json; got {', '.join(files)}. Give the preprocess.json as "
            "the last file, or with --preprocess."
        )
    return graphs, last


def _pairs(given: list[str] | None, option: str, form: str) -> dict[str, str]:
    """``name=value`` of an option that may be repeated."""
    pairs: dict[str, str] = {}
    for text in given or ():
        name, _, value = text.partition("=")
        if not name or not value:
            raise InputError(f"{option} {text}: expected {form}.")
        if name in pairs:
            raise InputError(f"{option} says what {name} is more than once.")
        pairs[name] = value
    return pairs


def _choice(text: str) -> Any:
    quantity, comma, transform = text.partition(",")
    return (quantity, transform) if comma else quantity


def _outputs_table(network: Any) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("output", "what it is", "from the graph's"):
        table.add_column(column, overflow="fold")
    for output in network.card.outputs:
        column = "" if output.column is None else f", column {output.column}"
        transform = "" if output.transform == "identity" else f", {output.transform}"
        table.add_row(Text(output.name), Text(output.quantity), Text(f"{output.source}{column}{transform}"))
    return table
