"""The folder of a run: ``recipe.yaml``, ``network.npz`` (arrays, no pickle) or ``trees.txt``, and ``run.json``.

What ``run.json`` holds is put together here too: recipe, sample, sizes, losses, domain, versions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder, write_arrays, write_text
from training.learning.losses import loss_of
from training.learning.recipe import AnyRecipe, read_recipe
from training.learning.sampling import effective_size
from training.networks.architecture import AnyArchitecture
from training.networks.standardisation import Standardisation

if TYPE_CHECKING:
    from training.learning.training_data import TrainingData
    from training.networks.network import Network

__all__ = [
    "FORMAT",
    "check_resumable",
    "describe_run",
    "domain_of",
    "read_network",
    "read_run",
    "run_record",
    "write_record",
    "write_run",
]

FORMAT = 1

#: Quantity of an event -> its least value, and how near to it a sample must come to hold for it too: a jet in a rarer
#: event, of one interaction less, is no stranger. |eta| has an edge above only.
_LEAST = {"abs_eta": (0.0, np.inf), "rho": (0.0, 1.0), "n_pv": (1.0, 2.0)}

#: Settings that a resumed run may change.
_LIMITS = {"max_epochs", "max_minutes", "threads", "accelerator"}


def write_run(folder: Path, network: Network, record: Mapping[str, Any]) -> None:
    """Write a trained network and what is known of its training; ``run.json`` comes last and marks a complete run.

    Parameters
    ----------
    folder : Path
        The run's folder; created if absent.
    network : PFN or ParticleNet
        With the weights to keep.
    record : mapping
        What `training.learning.export` and a reader need: recipe, sample, sizes, metrics, domain.
    """
    make_folder(folder)
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    write_arrays(folder / "network.npz", arrays)
    described = {
        "architecture": network.architecture.model_dump(),
        "standardisations": {name: part.model_dump() for name, part in network.standardisations.items()},
    }
    write_record(folder, described | dict(record))


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json``: what is known of a training, and the mark that it is complete."""
    write_text(folder / "run.json", json.dumps({"format": FORMAT} | dict(record), indent=1))


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
    network = make_network(architecture, standardisations, len(loss_of(record).outputs))
    with np.load(folder / "network.npz", allow_pickle=False) as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{folder / 'network.npz'} does not fit the network of run.json: {error}") from None
    return network.eval()


def domain_of(columns: Mapping[str, NDArray[np.floating]]) -> dict[str, list[float]]:
    """Return the ranges of pt_raw (GeV), abs_eta, rho (GeV) and n_pv that jets are from: name -> least, largest."""
    values = {"pt_raw": columns["pt_raw"], "abs_eta": np.abs(columns["eta"])}
    values |= {name: columns[name] for name in ("rho", "n_pv")}
    domain = {name: [float(each.min()), float(each.max())] for name, each in values.items()}
    for name, (least, near) in _LEAST.items():
        if domain[name][0] <= near:
            domain[name][0] = least
    return domain


def run_record(
    recipe: AnyRecipe, data: TrainingData, parameters: int, metrics: dict[str, float], packages: tuple[str, ...]
) -> dict[str, Any]:
    """Return what a run keeps: recipe, sample, sizes, metrics, domain of the training jets, versions of packages."""
    columns, rows, expected = data.jets.columns, data.rows, data.weights.expected
    used = rows["train"][data.weights.acceptance[rows["train"]] > 0]
    return {
        "recipe": recipe.model_dump(mode="json"),
        "prepared": data.jets.description,
        "jets": {name: len(chosen) for name, chosen in rows.items()},
        "scatters": {name: len(np.unique(columns["scatter"][chosen])) for name, chosen in rows.items()},
        "effective_size": {name: effective_size(expected[part]) for name, part in rows.items()},
        "sampling": data.weights.report,
        "parameters": parameters,
        "metrics": metrics,
        "domain": domain_of({name: columns[name][used] for name in ("pt_raw", "eta", "rho", "n_pv")}),
        "versions": {name: metadata.version(name) for name in (*packages, "numpy", "coffea")},
    }


def describe_run(run: dict[str, Any]) -> str:
    """Return a few lines on what a run did: jets, losses, speed."""
    sampling = run["sampling"]["train"]
    lines = [
        f"jets: {run['jets']}; after sampling {sampling['accepted_in_an_epoch']:,.0f} of the training split "
        f"({100 * sampling['left']:.0f} %), worth {sampling['effective_size']:,.0f} of equal weight, "
        f"{100 * sampling['in_capped']:.1f} % of the weight at the cap",
        "losses: " + ", ".join(f"{name} {value:.5f}" for name, value in run["metrics"].items()),
    ]
    if "speed" in run:
        lines.append(
            f"{run['speed']['jets_per_second']:,.0f} jets a second reached the network, "
            f"{100 * run['speed']['waiting']:.1f} % of the time spent waiting for them"
        )
    return "\n".join(lines)


def check_resumable(folder: Path, recipe: AnyRecipe, resume: bool) -> None:
    """Check that a run may start, or go on, in its folder.

    Raises
    ------
    InputError
        If the folder has a run and ``resume`` is false, or a run of another recipe.
    """
    if not (folder / "recipe.yaml").exists():
        return
    if not resume:
        raise InputError(
            f"the run {folder} exists: --resume goes on with it; otherwise rename the recipe or remove the run"
        )
    old, new = (_settings(one) for one in (read_recipe(folder / "recipe.yaml"), recipe))
    if old != new:
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        raise InputError(
            f"the recipe of {folder} differs in {', '.join(changed)}: a run goes on with its own recipe only"
        )


def _settings(recipe: AnyRecipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json", exclude={"learning": _LIMITS, "trees": {"threads"}})
