"""Networks that weaver trained, and CMSSW runs: graph and ``preprocess.json`` -> a model of this package."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pydantic

from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.features import CATALOGUE, feature_of_alias
from coffea_mljec.models.engines.graphs import Graphs
from coffea_mljec.models.folder import ModelFolder, model_of, read_graph
from coffea_mljec.models.formats.preprocess import Preprocess, read_preprocess
from coffea_mljec.models.outputs import Output
from coffea_mljec.models.tensors import Tensor, Variable
from coffea_mljec.support.validation import problems

__all__ = ["OutputChoice", "read_weaver"]

PathLike: TypeAlias = "str | os.PathLike[str]"

OutputChoice: TypeAlias = "str | tuple[str, str]"
"""A quantity of `coffea_mljec.models.outputs`, or (quantity, transform)."""

_MINIMUM_PUPPI_WEIGHT = 0.01
"""CMSSW leaves out candidates that weigh less."""

_ALGORITHMS = {"FatJet": "AK8PFPuppi"}
_LABEL = "label_"
"""What weaver's names of classes begin with."""

_TOLERANCE = 1e-4


def read_weaver(
    onnx: PathLike | Sequence[PathLike],
    preprocess: PathLike,
    *,
    collection: str,
    name: str | None = None,
    description: str | None = None,
    algorithm: str | None = None,
    outputs: Mapping[str, OutputChoice] | None = None,
    variables: Mapping[str, str] | None = None,
    order_by: str | None = None,
    domain: Mapping[str, tuple[float, float]] | None = None,
) -> ModelFolder:
    """Read a network of weaver; see `coffea_mljec.Network.from_weaver`."""
    paths = [onnx] if isinstance(onnx, (str, os.PathLike)) else list(onnx)
    if not paths:
        raise InputError("from_weaver needs at least one graph; got none.")
    graphs = [read_graph(path) for path in paths]
    file = read_preprocess(preprocess)
    where = str(preprocess)
    algorithm = algorithm or _ALGORITHMS.get(collection, "AK4PF")
    tensors = _tensors(file, variables or {}, where)
    features: dict[str, list[str]] = {}
    for tensor in tensors:
        names = features.setdefault(tensor.collection, [])
        names += [v.feature for v in tensor.variables if v.feature not in names]
    fields: dict[str, Any] = {
        "name": name or _model_name(paths[0]),
        "description": description or f"Imported from {Path(paths[0]).name} and {Path(preprocess).name}.",
        "licence": "that of its origin",
        "engine": "padded",
        "batch_size": 4096,
        "features": features,
        "selection": _selection(file, tensors, algorithm, order_by),
        "tensors": [tensor.model_dump() for tensor in tensors],
        "domain": dict(domain or {}),
        "algorithm": algorithm,
        "collections": (collection,),
        "training": {"sample": "not said by its files", "fast_simulation": False},
    }
    fields["outputs"] = [o.model_dump() for o in _outputs(file, graphs, fields, outputs or {}, where)]
    return model_of(graphs[0], fields, graphs[1:])


def _model_name(path: PathLike) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", Path(path).stem).lstrip("._-") or "network"


def _tensors(file: Preprocess, variables: Mapping[str, str], where: str) -> list[Tensor]:
    used = {name for group in file.groups.values() for name in group.var_names}
    if unused := sorted(set(variables) - used):
        raise InputError(f"variables: {where} has no variable {unused[0]!r}.")
    tensors = []
    for name, group in file.groups.items():
        places = {variable: _feature(variable, variables) for variable in group.var_names}
        collections = sorted({collection for collection, _ in places.values()})
        if len(collections) > 1:
            raise ModelError(f"{where}: group {name!r} mixes variables of {' and '.join(collections)}.")
        lengths = group.lengths
        if (lengths is None) != (collections[0] == "jet"):
            raise ModelError(
                f"{where}: group {name!r} holds {collections[0]} variables "
                + ("and says no length." if lengths is None else f"and has the length {lengths[1]}.")
            )
        shortest, longest = lengths or (1, 1)
        try:
            rows = [Variable(feature=places[v][1], **group.var_infos[v].model_dump()) for v in group.var_names]
            tensor = Tensor(
                name=name, collection=collections[0], variables=tuple(rows), min_length=shortest, max_length=longest
            )
        except pydantic.ValidationError as error:
            raise ModelError(f"{where}: group {name!r} is impossible: {problems(error)}.") from None
        tensors.append(tensor)
    return tensors


def _feature(variable: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """Collection and feature of a variable: as the user says, or by the catalogue's names."""
    if variable not in variables:
        return feature_of_alias(variable)
    collection, _, feature = variables[variable].partition(".")
    if feature not in CATALOGUE.get(collection, {}):
        raise InputError(
            f"variables: {variable!r} is said to be {variables[variable]!r}; expected collection.feature of the "
            f"catalogue, such as candidates.log_pt."
        )
    return collection, feature


def _selection(
    file: Preprocess, tensors: Sequence[Tensor], algorithm: str, order_by: str | None
) -> dict[str, dict[str, Any]]:
    """Candidates by pT, vertices by the significance of their transverse distance, as many as the longest tensor."""
    names = [name for group in file.groups.values() for name in group.var_names]
    # CMSSW orders by unweighted pT for the variables that it calls so (ParticleNetFeatureEvaluator).
    unweighted = any(name.startswith("jet_pfcand_") for name in names)
    pt = order_by or ("pt_unweighted" if unweighted else "pt")
    weight = _MINIMUM_PUPPI_WEIGHT if algorithm.lower().endswith("puppi") else None
    selection: dict[str, dict[str, Any]] = {}
    for tensor in tensors:
        if tensor.collection == "jet":
            continue
        vertices = tensor.collection == "sv"
        rule = selection.setdefault(
            tensor.collection,
            {"order_by": "transverse_significance", "unlisted": True}
            if vertices
            else {"order_by": pt, "minimum_puppi_weight": weight},
        )
        rule["at_most"] = max(rule.get("at_most", 0), tensor.max_length)
    return selection


def _outputs(
    file: Preprocess,
    graphs: Sequence[bytes],
    fields: Mapping[str, Any],
    chosen: Mapping[str, OutputChoice],
    where: str,
) -> list[Output]:
    """The named columns of the graph's output, each with what the user says that it is, or what can be seen."""
    names = file.output_names
    places = _places(graphs, len(names), str(fields["name"]), where)
    if unknown := [name for name in chosen if name not in names]:
        raise InputError(f"outputs: {where} has no output {unknown[0]!r}; it has {', '.join(names)}.")
    plain = [Output(name=f"o{i}", quantity="value", graph=g, column=c) for i, (g, c) in enumerate(places)]
    probabilities = _are_probabilities(graphs[0], dict(fields) | {"outputs": [o.model_dump() for o in plain]}, plain)
    outputs = []
    for name, (graph, column) in zip(names, places, strict=True):
        short = name.removeprefix(_LABEL)
        quantity, transform = _chosen(chosen.get(name, _seen(name, short, probabilities)))
        try:
            outputs.append(
                Output.model_validate(
                    {"name": short, "quantity": quantity, "transform": transform, "graph": graph, "column": column}
                )
            )
        except pydantic.ValidationError as error:
            raise InputError(f"outputs: {name!r} cannot be {quantity} by {transform}: {problems(error)}.") from None
    return outputs


def _chosen(choice: OutputChoice) -> tuple[str, str]:
    return (choice, "identity") if isinstance(choice, str) else choice


def _seen(name: str, short: str, probabilities: bool) -> str:
    """What an output is that nobody has spoken of: a probability where they add up to 1, a mass by its name."""
    if probabilities and name != short:
        return f"probability:{short}"
    return "mass" if name in ("mass", "target_mass") else "value"


def _places(graphs: Sequence[bytes], n_outputs: int, model: str, where: str) -> list[tuple[str, int | None]]:
    """(output of the graph, column) of each name."""
    found = Graphs.outputs_of(graphs[0], model)
    if len(found) == 1:
        (name, shape), *_ = found.items()
        width = shape[1] if len(shape) == 2 else 1
        if len(shape) > 2 or (isinstance(width, int) and width != n_outputs):
            raise ModelError(
                f"{where} names {n_outputs} outputs; the graph's output {name!r} has the shape {shape}: the two files "
                "must come from one export."
            )
        return [(name, None)] if len(shape) == 1 else [(name, column) for column in range(n_outputs)]
    if len(found) != n_outputs:
        raise ModelError(f"{where} names {n_outputs} outputs; the graph has {len(found)}: {', '.join(found)}.")
    return [(name, None if len(shape) == 1 else 0) for name, shape in found.items()]


def _are_probabilities(graph: bytes, fields: dict[str, Any], outputs: Sequence[Output]) -> bool:
    """Whether the outputs of a made-up jet with one constituent add up to 1."""
    if len(outputs) < 2:
        return False
    from coffea_mljec.models.engines.padded import PaddedNetwork

    model = model_of(graph, fields)
    inputs: dict[str, Any] = {"jet_features": np.zeros((1, len(model.card.features.jet)), np.float32)}
    for collection, features in model.card.feature_set.names().items():
        if collection != "jet":
            inputs[f"{collection}_features"] = np.ones((1, len(features)), np.float32)
            inputs[f"{collection}_offsets"] = np.array([0, 1])
    found = PaddedNetwork(model).run(inputs)
    values = np.array([found[o.source][0] if o.column is None else found[o.source][0, o.column] for o in outputs])
    return bool(np.all(values >= 0) and abs(float(values.sum()) - 1.0) < _TOLERANCE)
