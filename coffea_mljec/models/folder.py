"""Model folders: ``model.onnx`` + ``card.json``, read and written whole, checked by digest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.features import Feature, register, registered
from coffea_mljec.models.card import SCHEMA_VERSION, ModelCard
from coffea_mljec.models.onnx_guard import check_graph
from coffea_mljec.models.signatures import check_signature
from coffea_mljec.support.atomic import make_folder, write_bytes
from coffea_mljec.support.digest import digest
from coffea_mljec.support.paths import checked_path
from coffea_mljec.support.suggestions import did_you_mean
from coffea_mljec.support.validation import problems

__all__ = [
    "ModelFolder",
    "bundled",
    "given_model",
    "model_of",
    "open_folder",
    "open_model",
    "read_graph",
    "write_folder",
]

_BUNDLED = Path(__file__).parent / "bundled"
_GRAPH, _CARD = "model.onnx", "card.json"
_LARGEST_GRAPH, _LARGEST_CARD = 1 << 30, 1 << 20
"""Bytes that are read at all; a protocol buffer holds 2 GB at most."""


@dataclass(frozen=True)
class ModelFolder:
    """A model in memory: its card and its graph. Travels to workers by pickle, without its folder.

    Attributes
    ----------
    card : ModelCard
    graph : bytes
        The ONNX graph; its sha256 equals ``card.sha256``.
    members : tuple of bytes
        Further graphs of an ensemble, whose outputs are averaged with those of `graph`; digests: ``card.members``.
    """

    card: ModelCard
    graph: bytes
    members: tuple[bytes, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_pickle, (self.card, self.graph, self.members, registered(self.card.feature_set.names()))


_GRAPHS: dict[str, bytes] = {}
"""Graphs that came to this process by pickle, by digest: the chunks of a worker share one."""


def _from_pickle(
    card: ModelCard, graph: bytes, members: tuple[bytes, ...], features: tuple[Feature, ...]
) -> ModelFolder:
    """Take a model that another process sent: checked by its digest when it first comes, shared from then on."""
    for feature in features:
        register(feature)
    for expected, content in zip((card.sha256, *card.members), (graph, *members), strict=True):
        if expected not in _GRAPHS:
            if (found := digest(content)) != expected:
                raise ModelError(
                    f"a graph of model {card.name!r} did not reach this process whole: sha256 expected "
                    f"{expected[:12]}..., got {found[:12]}... Send it again."
                )
            _GRAPHS[expected] = content
    return ModelFolder(card, _GRAPHS[card.sha256], tuple(_GRAPHS[member] for member in card.members))


def open_folder(path: str | os.PathLike[str], public_key: str | os.PathLike[str] | None = None) -> ModelFolder:
    """Read a model folder and check it.

    Parameters
    ----------
    path : path
        A folder with ``model.onnx`` and ``card.json``. Nothing else in it is looked at.
    public_key : path, optional
        Refuse the folder unless it was signed with the private key of this public key (`sign_folder`).

    Raises
    ------
    InputError
        If it is no path.
    ModelError
        If a file is missing or leads outside the folder, the card is not valid (which key), the digest does not match,
        or the graph is refused by `coffea_mljec.models.onnx_guard.check_graph`.
    """
    folder = checked_path(path, "a model folder")
    if not folder.is_dir():
        raise ModelError(f"no model folder at {folder}: expected a folder with {_GRAPH} and {_CARD}.")
    read = {_CARD: _read(folder, _CARD, _LARGEST_CARD)}
    card = ModelCard.parse(read[_CARD], str(folder / _CARD))
    names = _graph_names(card)
    for name, expected in zip(names, (card.sha256, *card.members), strict=True):
        read[name] = _read(folder, name, _LARGEST_GRAPH)
        if (found := digest(read[name])) != expected:
            raise ModelError(
                f"{folder / name} is not the graph that its card describes: sha256 expected {expected[:12]}..., got "
                f"{found[:12]}... One of the two files was changed or damaged; copy the model folder again."
            )
    if public_key is not None:
        check_signature(folder, public_key, read)
    for name in names:
        check_graph(read[name], str(folder / name))
    return ModelFolder(card, read[names[0]], tuple(read[name] for name in names[1:]))


def _graph_names(card: ModelCard) -> list[str]:
    return [_GRAPH, *(f"member-{number}.onnx" for number in range(2, len(card.members) + 2))]


def _read(folder: Path, name: str, largest: int) -> bytes:
    """A file of a model folder; ModelError if it is missing, leads outside or is too large."""
    file = folder / name
    if not file.is_file():
        raise ModelError(
            f"the model folder {folder} has no {name}: a model is {_GRAPH} + {_CARD}. Copy or export it again."
        )
    if folder.resolve() not in file.resolve().parents:
        raise ModelError(
            f"{file} is a link that leads outside the model folder, which is refused: copy the file itself."
        )
    return _bytes_of(file, largest)


def _bytes_of(file: Path, largest: int) -> bytes:
    if (size := file.stat().st_size) > largest:
        raise ModelError(f"{file} has {size:,} bytes; a model's has {largest:,} at most: is it a model?")
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {file}: {error.strerror}.") from None


def write_folder(
    path: str | os.PathLike[str], graph: bytes, fields: Mapping[str, Any], members: Sequence[bytes] = ()
) -> ModelFolder:
    """Write a model folder: each file under a temporary name, then renamed; the card last.

    Parameters
    ----------
    path : path
        The folder; made if absent, its model replaced if it has one.
    graph : bytes
        The serialised ONNX graph.
    fields : mapping
        The card's fields; ``sha256``, ``members`` and ``schema_version`` are filled in.
    members : sequence of bytes
        Further graphs of an ensemble.

    Returns
    -------
    ModelFolder
        As read back and checked.
    """
    folder = Path(path)
    card = model_of(graph, fields, members).card
    make_folder(folder)
    for name, content in zip(_graph_names(card), (graph, *members), strict=True):
        write_bytes(folder / name, content)
    text = card.model_dump_json(indent=1, exclude_defaults=True)
    write_bytes(folder / _CARD, text.encode() + b"\n")
    return open_folder(folder)


def model_of(graph: bytes, fields: Mapping[str, Any], members: Sequence[bytes] = ()) -> ModelFolder:
    """A model in memory; parameters are those of `write_folder`."""
    for content in (graph, *members):
        check_graph(content, f"the graph of model {fields.get('name', '')!r}")
    card_fields = (
        {"schema_version": SCHEMA_VERSION}
        | dict(fields)
        | {
            "sha256": digest(graph),
            "members": tuple(digest(member) for member in members),
        }
    )
    try:
        return ModelFolder(ModelCard.model_validate(card_fields), graph, tuple(members))
    except pydantic.ValidationError as error:
        raise ModelError(f"these fields do not make a model card: {problems(error)}.") from None


def read_graph(path: str | os.PathLike[str]) -> bytes:
    """Read an ONNX file that stands alone; ModelError if there is none, it is too large, or keeps data elsewhere."""
    file = checked_path(path, "the path of a graph")
    if not file.is_file():
        raise ModelError(f"no graph at {file}: give the path of an .onnx file.")
    graph = _bytes_of(file, _LARGEST_GRAPH)
    check_graph(graph, str(file))
    return graph


def bundled() -> dict[str, ModelCard]:
    """Return the cards of the models that come with the package, by name."""
    folders = sorted(path for path in _BUNDLED.iterdir() if (path / _CARD).is_file()) if _BUNDLED.is_dir() else []
    return {path.name: ModelCard.parse((path / _CARD).read_bytes(), str(path / _CARD)) for path in folders}


def open_model(name_or_path: str | os.PathLike[str], public_key: str | os.PathLike[str] | None = None) -> ModelFolder:
    """Open a bundled model by name, or a model folder by path; with a public key, as `open_folder` does.

    Raises
    ------
    InputError
        If it is no path.
    ModelError
        If it is neither; the message names the bundled models.
    """
    path = checked_path(name_or_path, "the name of a bundled model or a model folder")
    text = os.fspath(path)
    if (_BUNDLED / text / _CARD).is_file() and path.name == text:
        return open_folder(_BUNDLED / text, public_key)
    if path.is_dir():
        return open_folder(path, public_key)
    names = list(bundled())
    raise ModelError(
        f"no model {text!r}: neither a bundled model ({', '.join(names) or 'none'}) nor a model folder. "
        f"{did_you_mean(text, names)}Run mljec models for what they are."
    )


def given_model(
    model: str | os.PathLike[str] | ModelFolder, public_key: str | os.PathLike[str] | None = None
) -> ModelFolder:
    """A model as it is given to a correction: by `open_model`, or one that is open.

    Raises
    ------
    InputError
        If one that is open comes with a public key: it has no signature.
    """
    if not isinstance(model, ModelFolder):
        return open_model(model, public_key)
    if public_key is not None:
        raise InputError("a model that is open has no signature: give its folder's path with public_key.")
    return model
