"""Batches of random jets and settled networks for the tests of the networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from coffea_mljec.features import FeatureSet
from training.networks import ARCHITECTURES, AnyArchitecture, fit_standardisation
from training.networks.network import Network, make_network

#: Every kind of jet for k = 3: none, one, few, k, k + 1, more.
COUNTS = (5, 0, 1, 2, 0, 3, 4, 9, 1, 12, 0)


def offsets_of(counts: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def batch_of(features: FeatureSet, counts: Sequence[int], seed: int = 1) -> dict[str, np.ndarray]:
    """Random features; the three collections are small and large at different jets."""
    rng = np.random.default_rng(seed)
    arrays = {"jet_features": rng.normal(size=(len(counts), len(features.jet))).astype(np.float32)}
    for shift, c in enumerate(features.constituents):
        turned = np.roll(np.array(counts, np.int64), shift)
        arrays[f"{c}_features"] = rng.normal(size=(turned.sum(), len(getattr(features, c)))).astype(np.float32)
        arrays[f"{c}_offsets"] = offsets_of(turned)
    return arrays


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values) for name, values in arrays.items()}


def settled(
    architecture: str | AnyArchitecture, features: FeatureSet, arrays: dict[str, np.ndarray], seed: int = 1
) -> Network:
    """A network whose weights are random but whose standardisation and batch norms fit these inputs."""
    torch.manual_seed(seed)
    shape = ARCHITECTURES[architecture] if isinstance(architecture, str) else architecture
    fitted = {c: fit_standardisation(c, names, arrays[f"{c}_features"]) for c, names in features.names().items()}
    network = make_network(shape.model_copy(update={"momentum": 0.5}), fitted)
    with torch.no_grad():
        # Offsets and scales of their own in every norm, so that each is seen.
        for values in network.parameters():
            if values.ndim == 1:
                values += 0.2 * torch.randn(values.shape)
        batch = tensors(arrays)
        for _ in range(8):
            network(batch)
        network.eval()
        # The output in the range of a correction's logarithm.
        network.output.weight /= network(batch).std() / 0.2
    return network


def one_jet(arrays: dict[str, Any], features: FeatureSet, j: int) -> dict[str, np.ndarray]:
    """The j-th jet as a batch of its own."""
    alone = {"jet_features": arrays["jet_features"][j : j + 1]}
    for c in features.constituents:
        first, last = arrays[f"{c}_offsets"][j : j + 2]
        alone |= {f"{c}_features": arrays[f"{c}_features"][first:last], f"{c}_offsets": offsets_of([last - first])}
    return alone


SHAPES = [
    pytest.param((), id="no jets"),
    pytest.param((0,), id="one empty jet"),
    pytest.param((1,), id="one constituent"),
    pytest.param((2,), id="two constituents"),
    pytest.param((0, 0, 0), id="no constituents at all"),
    pytest.param((1, 1, 0, 1), id="never a neighbour"),
    pytest.param((0, 0, 3, 2), id="empty jets first"),
    pytest.param((3, 0, 0, 0, 2), id="empty jets inside"),
    pytest.param((3, 2, 0, 0), id="empty jets last"),
    pytest.param((16, 17, 18), id="about k"),
    pytest.param((150,), id="many in one"),
]
"""Constituents of each jet of a batch, as far as shapes go; k is 16."""
