"""The options that several commands share, in groups, and what they name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from coffea_mljec import defaults
from coffea_mljec.errors import InputError
from coffea_mljec.workers import ExecutorKind, executor

__all__ = [
    "Collection",
    "Inputs",
    "ModelFolder",
    "Output",
    "PublicKey",
    "Running",
    "Tree",
    "Where",
    "Workers",
    "flattened",
]

Inputs = Annotated[
    list[str], typer.Argument(metavar="IN...", help="NanoAOD files (PFNano for the network); local or root://.")
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write to; made if absent.")]
Collection = Annotated[str, typer.Option(help="Jet collection.")]
ModelFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A model folder: model.onnx and card.json.")]
PublicKey = Annotated[
    str | None,
    typer.Option("--public-key", metavar="FILE", help="Refuse models that were not signed with its private key."),
]
Tree = Annotated[str, typer.Option(help="Name of the tree.")]
Workers = Annotated[int, typer.Option(min=1, max=1000, help="Processes to run on.")]


@dataclass(frozen=True)
class Where:
    """Where networks are evaluated."""

    device: Annotated[
        str, typer.Option(metavar="cpu|cuda", help="Where networks run; cuda needs onnxruntime-gpu on every worker.")
    ] = defaults.DEVICE
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A Triton server (http://host:8000) that runs them, each under its name."),
    ] = None

    def options(self, networks: bool) -> dict[str, Any]:
        """The same, as `coffea_mljec.MLJEC` takes it.

        Raises
        ------
        InputError
            If the server's address is none, or something is said and there is no network.
        """
        from coffea_mljec import TritonServer

        if not networks and (self.server is not None or self.device != defaults.DEVICE):
            raise InputError("--device and --server say where networks run, and no --model is among the corrections.")
        return {"device": self.device, "server": None if self.server is None else TritonServer(self.server)}


@dataclass(frozen=True)
class Running:
    """Where the work runs, in which pieces, and what happens when a piece fails."""

    kind: Annotated[
        ExecutorKind | None,
        typer.Option("--executor", help="Default: iterative, futures with --workers above 1, dask with --scheduler."),
    ] = None
    workers: Workers = 1
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A dask scheduler that is running, such as tls://10.0.0.1:8786."),
    ] = None
    tree: Tree = "Events"
    chunk_size: Annotated[int, typer.Option(min=1, help="Events read at a time.")] = defaults.CHUNK_SIZE
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Leave out files that are missing or damaged, and list them, instead of failing. A file of another "
            "kind, or without the tree, is still refused.",
        ),
    ] = False

    def executor(self, unit: str, desc: str) -> AbstractContextManager[Any]:
        """The executor that the options name; see `coffea_mljec.workers.executor`."""
        return executor(self.kind, self.workers, scheduler=self.scheduler, unit=unit, desc=desc)

    def reading(self) -> dict[str, Any]:
        """How files are read, as `coffea_mljec.workers.plan_of` takes it."""
        return {"treename": self.tree, "chunk_size": self.chunk_size, "skip_bad": self.skip_bad}


def flattened(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of each group of options as options of its own, as typer takes them."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    hints = get_type_hints(command, include_extras=True)
    for parameter in inspect.signature(command).parameters.values():
        annotation = hints[parameter.name]
        if not is_dataclass(annotation):
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=annotation))
            continue
        groups[parameter.name] = annotation
        of_field = get_type_hints(annotation, include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=of_field[field.name]
            )
            for field in fields(annotation)
        ]

    def flat(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    flat.__name__, flat.__doc__ = command.__name__, command.__doc__
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(flat)["__signature__"] = inspect.Signature(parameters)
    return flat
