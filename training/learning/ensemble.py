"""Several networks as one model: a graph that averages their logarithms of the correction.

Trainings that differ by their seed alone err differently; their mean is nearer to the truth than any of them
(L. K. Hansen, P. Salamon, IEEE Trans. Pattern Anal. Mach. Intell. 12 (1990) 993). It costs what they cost together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coffea_mljec.errors import InputError
from coffea_mljec.models import ModelCard, node_names, open_folder, write_folder
from coffea_mljec.models.engines import ENGINES
from coffea_mljec.models.wire import read_constants
from training.learning.export import evaluated

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["ensemble", "mean_graph"]

#: What members must have in common: the rest is what each was trained with.
_SHARED = (
    "engine", "features", "dtype", "outputs", "algorithm", "collections", "neutrinos", "opset",
    "licence",
)  # fmt: skip


def ensemble(members: Sequence[Path], output: Path, name: str, evaluation: Path | None = None) -> Path:
    """Write the mean of some models as a model folder and return it.

    Parameters
    ----------
    members : sequence of Path
        Model folders with the same features, jets and target, and the same engine, which runs means of several.
    output : Path
        The model folder; a model in it is replaced.
    name : str
    evaluation : Path, optional
        ``card.json`` of `training.evaluate`, for the card's metrics.

    Raises
    ------
    InputError
        With fewer than two members, an engine that does not run means of several, or members that differ in their
        inputs; if onnx is missing or the evaluation does not know the model.
    """
    try:
        import onnx
    except ImportError:
        raise InputError("an ensemble needs onnx: pip install 'coffea-mljec[train]', or make train-env") from None
    if len(members) < 2:
        raise InputError(f"an ensemble needs two or more models, got {len(members)}")
    folders = [open_folder(path) for path in members]
    cards = [folder.card for folder in folders]
    for path, card in zip(members, cards, strict=True):
        if different := [field for field in _SHARED if getattr(card, field) != getattr(cards[0], field)]:
            raise InputError(
                f"{path} and {members[0]} differ in {', '.join(different)}: one graph has one set of inputs"
            )
    graph = mean_graph([onnx.load_model_from_string(folder.graph) for folder in folders]).SerializeToString()
    engine = cards[0].engine
    if ENGINES[engine].settings(read_constants(graph), cards[0].feature_set) is None:
        raise InputError(
            f"engine {engine!r} of {members[0]} does not run the mean of several networks: export the members with "
            "engine 'onnx', which does"
        )
    fields = _fields(cards, name)
    if evaluation is not None:
        fields["metrics"] = evaluated(evaluation, name)
    write_folder(output, graph, fields)
    return output


def _fields(cards: Sequence[ModelCard], name: str) -> dict[str, Any]:
    first = cards[0]
    lows, highs = zip(*(_edges(card) for card in cards), strict=True)
    domain = {
        edge: (max(low[edge] for low in lows), min(high[edge] for high in highs))
        for edge in lows[0]
        if all(edge in low for low in lows)
    }
    names = ", ".join(f"{card.name} (seed {card.training.seed})" for card in cards)
    return {field: first.model_dump(mode="json")[field] for field in _SHARED} | {
        "name": name,
        "description": f"Mean of {len(cards)} networks: {names}. {first.description}",
        "domain": domain,
        "batch_size": min(card.batch_size for card in cards),
        "training": first.training.model_dump() | {"n_jets": max(card.training.n_jets or 0 for card in cards)},
        "parameters": sum(card.parameters or 0 for card in cards),
        "metrics": {},
    }


def _edges(card: ModelCard) -> tuple[dict[str, float], dict[str, float]]:
    known = {edge: value for edge, value in card.domain if value is not None}
    return {edge: value[0] for edge, value in known.items()}, {edge: value[1] for edge, value in known.items()}


def mean_graph(graphs: Sequence[ModelProto]) -> ModelProto:
    """Return the graph with the inputs of ``graphs``, which are the same, and the mean of their outputs.

    Parameters
    ----------
    graphs : sequence of ModelProto
        With one output of the same name.
    """
    from onnx import checker, helper
    from onnx.compose import add_prefix

    parts = [add_prefix(graph, node_names.member(i), rename_inputs=False).graph for i, graph in enumerate(graphs)]
    nodes = [node for part in parts for node in part.node]
    outputs = [part.output[0].name for part in parts]
    nodes.append(helper.make_node("Mean", outputs, [graphs[0].graph.output[0].name], name="mean"))
    joined = helper.make_graph(
        nodes, "ensemble", list(graphs[0].graph.input), list(graphs[0].graph.output),
        initializer=[tensor for part in parts for tensor in part.initializer],
    )  # fmt: skip
    model = helper.make_model(joined, opset_imports=graphs[0].opset_import, ir_version=graphs[0].ir_version)
    checker.check_model(model, full_check=True)
    return model
