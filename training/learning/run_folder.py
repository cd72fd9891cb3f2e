"""The folder of a run: ``recipe.yaml``, ``network.npz`` (arrays, no pickle) or ``trees.txt``, and ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from coffea_mljec.errors import InputError
from training.networks.architecture import AnyArchitecture
from training.networks.standardisation import Standardisation

if TYPE_CHECKING:
    from training.networks.network import Network

__all__ = ["FORMAT", "read_network", "read_run", "write_record", "write_run"]

FORMAT = 1


def write_run(folder: Path, network: Network, record: Mapping[str, Any]) -> None:
    """Write a trained network and what is known of its training; ``run.json`` comes last and marks a complete run.

    Parameters
    ----------
    folder : Path
        The run's folder; made if absent.
    network : PFN or ParticleNet
        With the weights to keep.
    record : mapping
        What `training.learning.export` and a reader need: recipe, sample, sizes, metrics, domain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    temporary = folder / "network.npz.part"
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
    temporary.rename(folder / "network.npz")
    described = {
        "architecture": network.architecture.model_dump(),
        "standardisations": {name: part.model_dump() for name, part in network.standardisations.items()},
    }
    write_record(folder, described | dict(record))


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json``: what is known of a training, and the mark that it is complete."""
    temporary = folder / "run.json.part"
    temporary.write_text(json.dumps({"format": FORMAT} | dict(record), indent=1))
    temporary.rename(folder / "run.json")


def read_run(folder: Path) -> dict[str, Any]:
    """Return the content of ``run.json``.

    Raises
    ------
    InputError
        If the folder has no finished run, or one of another format.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise InputError(f"no finished run in {folder}: run.json is missing; train first, or go on with --resume")
    record: dict[str, Any] = json.loads(path.read_text())
    if record.get("format") != FORMAT:
        raise InputError(f"{path} has format {record.get('format')!r}, this version reads {FORMAT}: train again")
    return record


def read_network(folder: Path) -> Network:
    """Return the trained network of a run, in evaluation mode.

    Raises
    ------
    InputError
        See `read_run`; also if the weights do not fit the architecture.
    """
    import torch

    from training.networks.network import make_network

    record = read_run(folder)
    standardisations = {name: Standardisation.model_validate(part) for name, part in record["standardisations"].items()}
    architecture: AnyArchitecture = TypeAdapter(AnyArchitecture).validate_python(record["architecture"])
    network = make_network(architecture, standardisations)
    with np.load(folder / "network.npz", allow_pickle=False) as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{folder / 'network.npz'} does not fit the network of run.json: {error}") from None
    return network.eval()
