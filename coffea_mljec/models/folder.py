"""Model folders: ``model.onnx`` + ``card.json``, read and written whole, checked by digest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coffea_mljec.errors import ModelError
from coffea_mljec.models.card import SCHEMA_VERSION, ModelCard
from coffea_mljec.models.onnx_guard import check_graph
from coffea_mljec.support.atomic import write_bytes
from coffea_mljec.support.digest import digest
from coffea_mljec.support.suggestions import did_you_mean

__all__ = ["ModelFolder", "bundled", "open_folder", "open_model", "write_folder"]

_BUNDLED = Path(__file__).parent / "bundled"
_GRAPH, _CARD = "model.onnx", "card.json"
_LARGEST = {_GRAPH: 1 << 30, _CARD: 1 << 20}
"""Bytes that are read at all; a protocol buffer holds 2 GB at most."""


@dataclass(frozen=True)
class ModelFolder:
    """A model in memory: its card and its graph. Travels to workers by pickle, without its folder.

    Attributes
    ----------
    card : ModelCard
    graph : bytes
        The ONNX graph; its sha256 equals ``card.sha256``.
    """

    card: ModelCard
    graph: bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_pickle, (self.card, self.graph)


_GRAPHS: dict[str, bytes] = {}
"""Graphs that came to this process by pickle, by digest: the chunks of a worker share one."""


def _from_pickle(card: ModelCard, graph: bytes) -> ModelFolder:
    """Take a model that another process sent: checked by its digest when it first comes, shared from then on."""
    if card.sha256 not in _GRAPHS:
        if (found := digest(graph)) != card.sha256:
            raise ModelError(
                f"the graph of model {card.name!r} did not reach this process whole: sha256 expected "
                f"{card.sha256[:12]}..., got {found[:12]}... Send it again."
            )
        _GRAPHS[card.sha256] = graph
    return ModelFolder(card, _GRAPHS[card.sha256])


def open_folder(path: str | os.PathLike[str]) -> ModelFolder:
    """Read a model folder and check it.

    Parameters
    ----------
    path : path
        A folder with ``model.onnx`` and ``card.json``. Nothing else in it is looked at.

    Raises
    ------
    ModelError
        If a file is missing or leads outside the folder, the card is not valid (which key), the digest does not match,
        or the graph is refused by `coffea_mljec.models.onnx_guard.check_graph`.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelError(f"no model folder at {folder}: expected a folder with {_GRAPH} and {_CARD}.")
    files = {}
    for name in (_CARD, _GRAPH):
        file = folder / name
        if not file.is_file():
            raise ModelError(
                f"the model folder {folder} has no {name}: a model is {_GRAPH} + {_CARD}. Copy or export it again."
            )
        if folder.resolve() not in file.resolve().parents:
            raise ModelError(
                f"{file} is a link that leads outside the model folder, which is refused: copy the file itself."
            )
        if (size := file.stat().st_size) > _LARGEST[name]:
            raise ModelError(f"{file} has {size:,} bytes; a model's has {_LARGEST[name]:,} at most: is it a model?")
        try:
            files[name] = file.read_bytes()
        except OSError as error:
            raise ModelError(f"cannot read {file}: {error.strerror}.") from None
    card = ModelCard.parse(files[_CARD], str(folder / _CARD))
    if (found := digest(files[_GRAPH])) != card.sha256:
        raise ModelError(
            f"{folder / _GRAPH} is not the graph that its card describes: sha256 expected {card.sha256[:12]}..., got "
            f"{found[:12]}... One of the two files was changed or damaged; copy the model folder again."
        )
    check_graph(files[_GRAPH], str(folder / _GRAPH))
    return ModelFolder(card, files[_GRAPH])


def write_folder(path: str | os.PathLike[str], graph: bytes, fields: Mapping[str, Any]) -> ModelFolder:
    """Write a model folder: each file under a temporary name, then renamed; the card last.

    Parameters
    ----------
    path : path
        The folder; made if absent, its model replaced if it has one.
    graph : bytes
        The serialised ONNX graph.
    fields : mapping
        The card's fields; ``sha256`` and ``schema_version`` are filled in.

    Returns
    -------
    ModelFolder
        As read back and checked.
    """
    folder = Path(path)
    check_graph(graph, str(folder / _GRAPH))
    card_fields = {"schema_version": SCHEMA_VERSION} | dict(fields) | {"sha256": digest(graph)}
    try:
        card = ModelCard.model_validate(card_fields)
    except ValueError as error:
        raise ModelError(f"these fields do not make a model card: {error}") from None
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((_GRAPH, graph), (_CARD, card.model_dump_json(indent=1).encode() + b"\n")):
        write_bytes(folder / name, content)
    return open_folder(folder)


def bundled() -> dict[str, ModelCard]:
    """Return the cards of the models that come with the package, by name."""
    folders = sorted(path for path in _BUNDLED.iterdir() if (path / _CARD).is_file()) if _BUNDLED.is_dir() else []
    return {path.name: ModelCard.parse((path / _CARD).read_bytes(), str(path / _CARD)) for path in folders}


def open_model(name_or_path: str | os.PathLike[str]) -> ModelFolder:
    """Open a bundled model by name, or a model folder by path.

    Raises
    ------
    ModelError
        If it is neither; the message names the bundled models.
    """
    text = os.fspath(name_or_path)
    if (_BUNDLED / text / _CARD).is_file() and Path(text).name == text:
        return open_folder(_BUNDLED / text)
    if Path(text).is_dir():
        return open_folder(text)
    names = list(bundled())
    raise ModelError(
        f"no model {text!r}: neither a bundled model ({', '.join(names) or 'none'}) nor a model folder. "
        f"{did_you_mean(text, names)}Run mljec models for what they are."
    )
