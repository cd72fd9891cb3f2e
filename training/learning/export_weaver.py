"""A model folder for servers that run weaver's networks: a graph on padded tensors and its ``preprocess.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.features import alias_of
from coffea_mljec.models import ModelCard, ModelFolder, open_model, write_folder
from coffea_mljec.models.tensors import Tensor, Variable
from coffea_mljec.support.atomic import write_bytes

__all__ = ["LENGTH", "export_weaver", "preprocess_of"]

LENGTH = 256
"""Constituents of a jet's collection at most; the last ones are cut."""

_PREPROCESS = "preprocess.json"


def export_weaver(model: str | Path, output: Path, length: int = LENGTH) -> ModelFolder:
    """Write a model as weaver's programs read it.

    The folder is a model folder too: ``card.json`` says in addition what the outputs are and where the model may be
    applied, of which ``preprocess.json`` knows nothing. The graph gives the network's own numbers, as its card
    describes them: of our networks ln(corrected / raw pT).

    Programs of weaver order constituents by pT; this package, with the card, keeps the order of the file. Sums do not
    depend on it. Of equally near neighbours a ParticleNet takes the first.

    Parameters
    ----------
    model : str or path
        A bundled model or a model folder; on flat arrays, or on padded tensors already.
    output : Path
        The folder; a model in it is replaced.
    length : int
        Constituents of a jet's collection at most.

    Raises
    ------
    InputError
        If onnx is missing, or the graph cannot be wrapped.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise InputError("export-weaver needs onnx: pip install 'coffea-mljec[train]', or make train-env") from None
    if length < 1:
        raise InputError(f"length must be at least 1; got {length}.")
    opened = open_model(model)
    fields = opened.card.model_dump(exclude={"sha256", "members", "schema_version"})
    graphs = [opened.graph, *opened.members]
    if not opened.card.tensors:
        from training.onnx.padded import padded_graph

        graphs = [padded_graph(graph, opened.card) for graph in graphs]
        fields |= _padded_fields(opened.card, length)
    written = write_folder(output, graphs[0], fields, graphs[1:])
    write_bytes(output / _PREPROCESS, (json.dumps(preprocess_of(written.card), indent=1) + "\n").encode())
    return written


def _padded_fields(card: ModelCard, length: int) -> dict[str, Any]:
    """What a card says of a graph on padded tensors."""
    from training.onnx.padded import JETS, OUTPUT, mask_of, tensor_of

    names = {collection: tuple(features) for collection, features in card.feature_set.names().items()}
    tensors: list[Tensor] = []
    if "jet" in names:
        tensors.append(_tensor(JETS, "jet", names["jet"], 1))
    for collection in card.feature_set.constituents:
        tensors.append(_tensor(tensor_of(collection), collection, names[collection], length))
        tensors.append(_tensor(mask_of(collection), collection, ("mask",), length))
        if "mask" not in names[collection]:
            names[collection] += ("mask",)
    outputs = [output.model_dump() | {"graph": OUTPUT, "column": column} for column, output in enumerate(card.outputs)]
    return {
        "engine": "padded",
        "clouds": {},
        "features": names,
        "tensors": [tensor.model_dump() for tensor in tensors],
        "outputs": outputs,
    }


def _tensor(name: str, collection: str, features: tuple[str, ...], length: int) -> Tensor:
    variables = tuple(Variable(feature=feature) for feature in features)
    return Tensor(name=name, collection=collection, variables=variables, min_length=1, max_length=length)


def preprocess_of(card: ModelCard) -> dict[str, Any]:
    """The content of ``preprocess.json`` for a model on padded tensors; variables by CMSSW's names where it has any."""
    content: dict[str, Any] = {
        "output_names": [output.name for output in card.outputs],
        "input_names": [tensor.name for tensor in card.tensors],
    }
    for tensor in card.tensors:
        infos = {
            alias_of(tensor.collection, variable.feature): variable.model_dump(exclude={"feature"})
            for variable in tensor.variables
        }
        group: dict[str, Any] = {"var_names": list(infos), "var_infos": infos}
        if tensor.collection == "jet":
            group["var_length"] = None
        else:
            group |= {"min_length": tensor.min_length, "max_length": tensor.max_length}
        content[tensor.name] = group
    return content
