"""A finished run -> a model folder: ``model.onnx`` + ``card.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.errors import InputError
from coffea_mljec.models import write_folder
from training.recipe import Recipe
from training.run import read_network, read_run

__all__ = ["card_fields", "command", "export"]


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder to write.")],
) -> None:
    """Write a trained network as a model folder (model.onnx + card.json)."""
    folder = export(run, output)
    typer.echo(f"exported: {folder}; use it with coffea_mljec.MLJEC({str(folder)!r}) or mljec apply --model {folder}")


def export(run: Path, output: Path) -> Path:
    """Write the network of a finished run as a model folder and return it.

    Parameters
    ----------
    run : Path
        Folder written by `training.train.train`.
    output : Path
        The model folder; a model in it is replaced.

    Raises
    ------
    InputError
        If torch or onnx is missing, or the run is not finished.
    """
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        raise InputError("export needs torch and onnx: pip install 'coffea-mljec[train]', or make train-env") from None
    from training.networks.graph import network_graph

    record = read_run(run)
    write_folder(output, network_graph(read_network(run)), card_fields(record))
    return output


def card_fields(record: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the model card that a run's record tells (see `coffea_mljec.models.ModelCard`)."""
    from training.networks.graph import OPSET

    recipe = Recipe.model_validate(record["recipe"])
    return {
        "name": recipe.name,
        "description": recipe.description,
        "licence": "BSD-3-Clause",
        "engine": "onnx",
        "features": recipe.feature_set.names(),
        "dtype": "float32",
        "target": "log(pt_gen / pt_raw)",
        "inverse": "exp",
        "output": "log_correction",
        "domain": record["domain"],
        "algorithm": recipe.algorithm,
        "collections": recipe.collections,
        "training": {
            "sample": f"{recipe.sample} (digest {record['prepared']['digest'][:16]})",
            "seed": recipe.seed,
            "n_jets": record["jets"]["train"],
            "fast_simulation": recipe.fast_simulation,
        },
        "parameters": record["parameters"],
        "metrics": record["metrics"],
        "opset": OPSET,
    }
