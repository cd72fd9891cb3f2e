"""A finished run -> a model folder: ``model.onnx`` + ``card.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.models import node_names, write_folder
from coffea_mljec.models.engines import engine_fields
from training.learning.in_situ_term import described
from training.learning.losses import loss_of
from training.learning.recipe import parse_recipe
from training.learning.run_folder import read_network, read_run
from training.onnx.trees import OPSET as OPSET_OF_TREES

__all__ = ["card_fields", "evaluated", "export"]


def export(run: Path, output: Path, evaluation: Path | None = None) -> Path:
    """Write the network or the trees of a finished run as a model folder and return it.

    Parameters
    ----------
    run : Path
        Folder written by `training.learning.train.train`.
    output : Path
        The model folder; a model in it is replaced.
    evaluation : Path, optional
        ``card.json`` of `training.evaluate`: model -> figures, which join the card's metrics.

    Raises
    ------
    InputError
        If torch or onnx is missing, the run is not finished, or the evaluation does not know the model.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise InputError("export needs onnx: pip install 'coffea-mljec[train]', or make train-env") from None
    record = read_run(run)
    fields = card_fields(record)
    if "trees" in record["recipe"]:
        from training.onnx.trees import trees_graph
        from training.trees.growing import read_trees

        graph = trees_graph(read_trees(run), len(parse_recipe(record["recipe"]).feature_set.jet))
    else:
        try:
            import torch  # noqa: F401
        except ImportError:
            raise InputError(
                "the export of a network needs torch: pip install 'coffea-mljec[train]', or make train-env"
            ) from None
        from training.onnx.graph import network_graph

        graph = network_graph(read_network(run))
    fields |= engine_fields(graph, parse_recipe(record["recipe"]).feature_set)
    if evaluation is not None:
        fields["metrics"] = fields["metrics"] | evaluated(evaluation, fields["name"])
    write_folder(output, graph, fields)
    return output


def evaluated(path: Path, name: str) -> dict[str, float]:
    """Return what `training.evaluate` found for a model, for its card."""
    if not path.is_file():
        raise InputError(f"no evaluation at {path}: give card.json of a folder that python -m training evaluate wrote")
    content: dict[str, dict[str, float]] = json.loads(path.read_text())
    if name not in content:
        raise InputError(f"{path} says nothing of model {name!r}; it has {', '.join(content)}")
    return content[name]


def card_fields(record: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the model card that a run's record holds (see `coffea_mljec.models.ModelCard`).

    How the graph is run is for `coffea_mljec.models.engines.engine_fields` to say.
    """
    recipe = parse_recipe(record["recipe"])
    return {
        "name": recipe.name,
        "description": recipe.description,
        "licence": "BSD-3-Clause",
        "features": recipe.feature_set.names(),
        "dtype": "float32",
        "outputs": loss_of(record).card_outputs(node_names.OUTPUT, node_names.OUTPUTS),
        "domain": record["domain"],
        "algorithm": recipe.algorithm,
        "collections": recipe.collections,
        "neutrinos": recipe.selection.neutrinos,
        "training": {
            "sample": f"{recipe.sample} (digest {record['prepared']['digest'][:16]})",
            "seed": recipe.seed,
            "n_jets": record["jets"]["train"],
            "fast_simulation": recipe.fast_simulation,
            "started_from": record.get("started_from"),
            "in_situ": described(record["in_situ"]) if "in_situ" in record else None,
        },
        "parameters": record["parameters"],
        "metrics": record["metrics"],
        "opset": OPSET_OF_TREES if "trees" in record["recipe"] else _opset_of_networks(),
    }


def _opset_of_networks() -> int:
    from training.onnx.graph import OPSET

    return OPSET
