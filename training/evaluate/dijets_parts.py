"""Dijets in parts, each with the networks that have not seen it: two halves judge each other's networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet
from coffea_mljec.models import open_model
from training.dataset import PreparedJets
from training.dataset.dijets import Dijets, read_dijets
from training.evaluate.dijets import ETA_EDGES, PT_EDGES
from training.learning.in_situ import log_corrections
from training.learning.run_folder import read_network

if TYPE_CHECKING:
    from training.networks.network import Network

__all__ = ["corrections_of", "joined", "network_of"]


def network_of(place: Path) -> Network:
    """Return the network of a run's folder, of a model folder or of a bundled model, in evaluation mode."""
    if (place / "run.json").is_file() or (place / "recipe.yaml").is_file():
        return read_network(place)
    from training.learning.fine_tune import architecture_of
    from training.networks.architecture import ARCHITECTURES
    from training.onnx.reader import network_of_model

    model = open_model(place)
    return network_of_model(model, ARCHITECTURES[architecture_of(model)])


def corrections_of(
    networks: Mapping[str, Sequence[Network]], parts: Sequence[Path], progress: bool = True
) -> tuple[Dijets, dict[str, NDArray[np.float32]]]:
    """Return the dijets of all parts, with truth, and what each network says of them.

    Parameters
    ----------
    networks : mapping of str to sequence of Network
        One for all parts, or one for each.
    parts : sequence of Path
        Files, folders or patterns.
    progress : bool

    Raises
    ------
    InputError
        If a network's name has another number of networks than there are parts, and not one.
    """
    for name, several in networks.items():
        if len(several) not in (1, len(parts)):
            raise InputError(
                f"{name!r} has {len(several)} networks, and the data have {len(parts)} parts: give one network, or one "
                "for each part"
            )
    found: dict[str, list[NDArray[np.float32]]] = {name: [] for name in networks}
    read: list[Dijets] = []
    for number, part in enumerate(parts):
        dijets: Dijets | None = None
        for name, several in networks.items():
            network = several[number % len(several)]
            features = FeatureSet.from_names({c: s.features for c, s in network.standardisations.items()})
            if dijets is None or dijets.jets.feature_set != features:
                dijets = read_dijets([part], features, PT_EDGES, ETA_EDGES, truth=True, progress=progress)
            found[name].append(log_corrections(network, dijets.jets))
        assert dijets is not None
        read.append(dijets)
    return joined(read), {name: np.concatenate(values) for name, values in found.items()}


def joined(parts: Sequence[Dijets]) -> Dijets:
    """Return the dijets of several parts one after the other, without features."""
    columns = {name: np.concatenate([part.jets.columns[name] for part in parts]) for name in parts[0].jets.columns}
    jets = PreparedJets(columns, {}, parts[0].jets.feature_set, {})
    pt_avg, cell, further = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("pt_avg", "cell", "further")
    )
    counts = {step: sum(part.counts[step] for part in parts) for step in parts[0].counts}
    return Dijets(jets, pt_avg, cell, further, counts)
