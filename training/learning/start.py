"""What a training starts from in place of fresh weights: a finished run, or a model folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet
from coffea_mljec.models import open_model
from coffea_mljec.support.atomic import make_folder, write_text
from coffea_mljec.support.digest import file_digest
from training.dataset import PreparedJets
from training.dataset.stream import gather_batch
from training.learning.losses import Loss, loss_of
from training.learning.run_folder import read_network, read_run
from training.networks.architecture import AnyArchitecture, Architecture
from training.networks.standardisation import Standardisation, Transform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.networks.network import Network

__all__ = ["Start", "keep_start", "read_start", "train_only"]

_BATCH = 64
"""Jets at a time where norms are settled: a ParticleNet's edges take megabytes a jet."""


@dataclass(frozen=True)
class Start:
    """A trained network to start from.

    Attributes
    ----------
    name, digest : str
        Of the run or model, and the sha256 of its weights' file.
    network : Network
        On the CPU, in evaluation mode, with the outputs that it was trained with.
    outputs : tuple of str
        Their names.
    median : int or None
        The output that is the logarithm of the correction; None of a network of classes.
    from_graph : bool
        Whether it was read from a graph: standardisations and norms are then folded into its weights.
    """

    name: str
    digest: str
    network: Network
    outputs: tuple[str, ...]
    median: int | None
    from_graph: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[:16]})"

    @property
    def transforms(self) -> dict[str, dict[str, Transform]]:
        """Collection -> feature -> transform, as a recipe gives them."""
        parts = self.network.standardisations
        return {c: dict(zip(part.features, part.transforms, strict=True)) for c, part in parts.items()}

    def teach(self, loss: Loss) -> Network:
        """Return the network with the outputs of a loss, ready for a training.

        With the loss of before all outputs stay. Otherwise the correction does, and the others start as usual; classes
        start from nothing.
        """
        import torch

        from training.networks.layers import output_layer, start_outputs

        taught = loss.outputs
        if tuple(output.name for output in taught) != self.outputs:
            old = self.network.output
            self.network.output = output_layer(old.in_features, len(taught))
            start_outputs(self.network, loss.starts)
            if self.median is not None and not loss.of_classes:
                with torch.no_grad():
                    self.network.output.weight[0] = old.weight[self.median]
                    self.network.output.bias[0] = old.bias[self.median]
        # Lightning trains what is in training mode only.
        return self.network.train()

    def settle(
        self, jets: PreparedJets, rows: NDArray[np.int64], standardisations: Mapping[str, Standardisation]
    ) -> None:
        """Bring a network from a graph into the state that training expects; what it says stays the same.

        Its inputs get shifts and scales, its batch norms the statistics of some jets
        (`training.networks.settling`). A run's network has both already.

        Parameters
        ----------
        jets : PreparedJets
        rows : int64 array
            A few thousand jets, as a training sees them.
        standardisations : mapping of str to Standardisation
            With the transforms of `transforms`.
        """
        from training.networks.settling import restandardise, settle_norms

        if not self.from_graph:
            return
        restandardise(self.network, standardisations)
        ones = np.ones(len(jets), np.float32)
        settle_norms(self.network, (gather_batch(jets, part, ones) for part in _batches(rows)))


def _batches(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.array_split(rows, max(1, -(-len(rows) // _BATCH)))


def read_start(path: Path, architecture: AnyArchitecture, features: FeatureSet) -> Start:
    """Read a network to start from.

    Parameters
    ----------
    path : Path
        Folder of a finished run, or a model folder, or the name of a bundled model.
    architecture : AnyArchitecture
        Of the network that will be trained.
    features : FeatureSet
        What it reads.

    Raises
    ------
    InputError
        If the run is not finished, or holds trees; if the architecture or the features are others; if the graph is not
        that of one network of ours.
    ModelError
        If there is neither a run nor a model.
    """
    if (path / "run.json").is_file() or (path / "recipe.yaml").is_file():
        return _from_run(path, architecture, features)
    from training.onnx.reader import network_of_model

    model = open_model(path)
    card = model.card
    _check_features(card.name, card.feature_set, features)
    median = [i for i, output in enumerate(card.outputs) if output.quantity == "pt" and output.transform == "exp"]
    names = tuple(output.name for output in card.outputs)
    network = network_of_model(model, architecture)
    return Start(card.name, card.sha256, network, names, median[0] if median else None, from_graph=True)


def _from_run(path: Path, architecture: AnyArchitecture, features: FeatureSet) -> Start:
    record = read_run(path)
    name = record["recipe"]["name"]
    if "trees" in record["recipe"]:
        raise InputError(f"the run {path} holds trees, and a training starts from a network: name a network's run")
    network = read_network(path)
    _check_features(name, FeatureSet.from_names({c: s.features for c, s in network.standardisations.items()}), features)
    old, new = (one.model_dump(exclude={"momentum", "dropout"}) for one in (network.architecture, architecture))
    if different := sorted(key for key in {*old, *new} if old.get(key) != new.get(key)):
        raise InputError(
            f"the run {path} is of another architecture than the recipe, in {', '.join(different)}: "
            + "; ".join(f"{key} is {old.get(key)}, the recipe's {new.get(key)}" for key in different)
        )
    _take_over(network, architecture)
    loss = loss_of(record)
    names, median = tuple(output.name for output in loss.outputs), None if loss.of_classes else 0
    return Start(name, file_digest(path / "network.npz"), network, names, median, from_graph=False)


def _take_over(network: Any, architecture: AnyArchitecture) -> None:
    """Let the norms forget as fast as the recipe says, and the head drop out as much."""
    from training.networks.layers import BatchNorm

    network.architecture = architecture
    if isinstance(architecture, Architecture):
        network.head.dropout = architecture.dropout
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.momentum = architecture.momentum


def _check_features(name: str, found: FeatureSet, wanted: FeatureSet) -> None:
    if found == wanted:
        return
    old, new = found.names(), wanted.names()
    different = [c for c in dict.fromkeys((*old, *new)) if old.get(c, ()) != new.get(c, ())]
    raise InputError(
        f"{name!r} reads other {', '.join(different)} features than the recipe: start from a network with the recipe's "
        "features, in their order"
    )


def train_only(network: Network, layers: str) -> None:
    """Leave all weights of a network as they are but those of some layers: ``all``, ``head`` or ``output``."""
    if layers == "all":
        return
    network.requires_grad_(False)
    network.output.requires_grad_(True)
    if layers == "head":
        network.head.requires_grad_(True)


def keep_start(folder: Path, start: Start, resume: bool) -> None:
    """Write into a run's folder what it started from; a resumed run must start from the same.

    Raises
    ------
    InputError
        If the weights are others than those that the run started from.
    """
    path = folder / "start.json"
    now = {"name": start.name, "digest": start.digest}
    if resume and path.is_file():
        before = json.loads(path.read_text())
        if before != now:
            raise InputError(
                f"the run {folder} started from {before['name']} ({before['digest'][:16]}), which is now {start}: "
                "a run goes on with its own start only"
            )
    make_folder(folder)
    write_text(path, json.dumps(now, indent=1))
