"""Networks of `training.networks` on jets that are in memory: no production, no recipe, no target density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet
from training.dataset import PreparedJets
from training.dataset.gather import gather_jagged
from training.learning.sampling import JetWeights
from training.learning.settings import Learning
from training.networks.architecture import AnyArchitecture
from training.networks.standardisation import fit_standardisation

if TYPE_CHECKING:
    from training.networks.network import Network

__all__ = ["OwnFeatures", "evaluate_network", "fit_network", "jets_in_memory"]

_JETS_TO_FIT = 5_000
_BATCH = 1024


@dataclass(frozen=True)
class OwnFeatures(FeatureSet):
    """Names of features that no NanoAOD file holds: they are looked up in no catalogue."""

    def __post_init__(self) -> None:
        """Take the names as they are."""


def jets_in_memory(
    features: Mapping[str, NDArray[Any]], names: Mapping[str, tuple[str, ...]], target: NDArray[np.floating]
) -> PreparedJets:
    """Return jets as the streams of batches take them.

    Parameters
    ----------
    features : mapping of str to array
        ``jet_features`` [n, F] and, for each collection, ``c_features`` [N, F_c] and ``c_offsets`` [n + 1].
    names : mapping of str to tuple of str
        ``jet`` or a collection -> names of its columns.
    target : float array [n]
        What the network learns; the number of a class with the loss ``cross-entropy``.

    Raises
    ------
    InputError
        If a feature or a target is NaN or infinite.
    """
    for name, values in {**features, "target": target}.items():
        if bad := int(np.count_nonzero(~np.isfinite(values))):
            raise InputError(f"{bad} NaN or infinite values in {name}: leave out jets that cannot be described")
    arrays = {
        name: np.ascontiguousarray(values, np.int64 if name.endswith("_offsets") else np.float32)
        for name, values in features.items()
    }
    columns = {"target": np.asarray(target, np.float32)}
    return PreparedJets(columns, arrays, OwnFeatures(**{name: tuple(part) for name, part in names.items()}), {})


def fit_network(
    jets: PreparedJets,
    rows: Mapping[str, NDArray[np.int64]],
    architecture: AnyArchitecture,
    learning: Learning,
    folder: Path,
    seed: int = 1,
    progress: bool = True,
) -> Network:
    """Train a network and return it with its best weights, in evaluation mode.

    Parameters
    ----------
    jets : PreparedJets
        Of `jets_in_memory`; all weigh the same.
    rows : mapping of str to int64 array
        ``train`` and ``val``.
    architecture : Architecture or another of `training.networks.architecture`
    learning : Learning
    folder : Path
        Gets checkpoints and ``metrics.csv``; a training that is there is done again.
    seed : int
    progress : bool

    Raises
    ------
    InputError
        If torch is missing, or one of the splits is empty.
    """
    try:
        import lightning
        import torch
    except ImportError:
        raise InputError("training needs torch and lightning: pip install 'coffea-mljec[train]'") from None
    from training.learning.batches import JetBatches
    from training.learning.loop import JetRegression, fit
    from training.networks.layers import start_outputs
    from training.networks.network import make_network

    if empty := [name for name in ("train", "val") if not len(rows[name])]:
        raise InputError(f"no jets in {', '.join(empty)} of {len(jets)}: generate more")
    torch.set_num_threads(learning.threads)
    lightning.seed_everything(seed, verbose=False)
    sample = rows["train"][:_JETS_TO_FIT]
    standardisations = {}
    for collection, names in jets.feature_set.names().items():
        values = jets.features[f"{collection}_features"]
        if collection == "jet":
            values = values[sample]
        else:
            values, _, _ = gather_jagged(values, jets.features[f"{collection}_offsets"], sample)
        standardisations[collection] = fit_standardisation(collection, names, values)
    loss = learning.loss_function
    network = make_network(architecture, standardisations, len(loss.outputs))
    start_outputs(network, loss.starts)
    ones = np.ones(len(jets), np.float32)
    batches = JetBatches(jets, rows["train"], rows["val"], JetWeights(ones, ones, {}), learning, seed)
    best = fit(JetRegression(network, learning, loss), batches, folder, learning, None, progress)
    state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("network."): values for name, values in state.items()})
    return network.eval()


def evaluate_network(
    network: Network, jets: PreparedJets, rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Return the outputs of a network, shape [n] of one output and [n, outputs] of several.

    Parameters
    ----------
    network : PFN or another
        In evaluation mode.
    jets : PreparedJets
    rows : int64 array [n], optional
        Which jets; None: all.
    """
    import torch

    from training.dataset.stream import Stream

    ones = np.ones(len(jets), np.float32)
    with torch.no_grad():
        chosen = np.arange(len(jets)) if rows is None else rows
        parts = [network(batch).numpy() for batch in Stream(jets, chosen, ones, _BATCH)]
    return np.concatenate(parts).astype(np.float64)
