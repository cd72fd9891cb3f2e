"""Particle flow networks on flat rows, without padding: the weights of a model's own graph, applied by numba.

The graph is written by ``training.onnx.graph`` (or joined from several by ``training.learning.ensemble``) and stays the
reference; only its named constants are read here, with batch norms and standardisation folded into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.models import node_names
from coffea_mljec.models.engines.engine import (
    Engine,
    Outputs,
    clouds_problem,
    head_problem,
    outputs_of_head,
    tensors_problem,
)
from coffea_mljec.models.kernels.panels import NO_FLOOR, padded, padded_width
from coffea_mljec.models.weights import Array, Columns, Dense, Layers, Weights, add_jet_sums, on_rows, pooled
from coffea_mljec.models.wire import Constants, read_constants

if TYPE_CHECKING:
    from coffea_mljec.features import FeatureSet
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.folder import ModelFolder

__all__ = ["PFNEngine", "PFNNetwork"]


class PFNEngine(Engine):
    """Particle flow networks that sum their constituents, and means of several."""

    by_rows = True

    def problem(self, card: ModelCard) -> str | None:
        return clouds_problem(card) or head_problem(card) or tensors_problem(card)

    def settings(self, graph: Constants, features: FeatureSet) -> dict[str, Any] | None:
        sums = _sums(features.constituents)
        for prefix in node_names.members(graph.values):
            ours = prefix + node_names.weight(node_names.LAST) in graph.values
            if not ours or pooled(graph, prefix) != sums:
                return None
        return {}

    def build(self, model: ModelFolder) -> PFNNetwork:
        return PFNNetwork(model)


def _sums(constituents: tuple[str, ...]) -> tuple[str, ...]:
    """What the head of such a network reads."""
    return tuple(node_names.pooled(node_names.way(c, "sum")) for c in constituents)


class PFNNetwork:
    """A particle flow network, or the mean of several, ready to run.

    Parameters
    ----------
    model : ModelFolder
        Its card says ``engine: pfn``; its graph holds the weights.

    Raises
    ------
    ModelError
        If the graph lacks a constant, one has a shape that does not fit, or constituents are pooled in another way.
    """

    def __init__(self, model: ModelFolder) -> None:
        card = model.card
        constants = read_constants(model.graph)
        names, constituents = card.feature_set.names(), card.feature_set.constituents
        self._outputs = card.outputs
        self._members = []
        for prefix in node_names.members(constants.values):
            weights = Weights(card.name, "a PFN", constants, prefix)
            self._members.append(_Member(weights, names, constituents, len(card.outputs)))
            if (found := pooled(constants, prefix)) != _sums(constituents):
                raise ModelError(
                    f"engine 'pfn' runs networks that sum the {', '.join(constituents)} constituents of a jet; the "
                    f"graph of model {card.name!r} has {', '.join(found)}. Say engine 'onnx'."
                )

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        """Return the outputs of one batch.

        A collection without constituents pools to zeros. NaN and infinite inputs pass through to their own jet's
        output.

        Raises
        ------
        InputError
            If the arrays do not fit the network or each other.
        """
        total = self._members[0](inputs)
        for member in self._members[1:]:
            total += member(inputs)
        total /= np.float32(len(self._members))
        return outputs_of_head(self._outputs, total)


class _Member:
    """One network: of each collection the columns and layers, and of the head."""

    def __init__(
        self,
        weights: Weights,
        names: Mapping[str, tuple[str, ...]],
        constituents: tuple[str, ...],
        n_outputs: int,
    ) -> None:
        self._n_outputs = n_outputs
        self._sums: dict[str, tuple[Columns, Layers]] = {}
        for c in constituents:
            columns, first = weights.inputs(c, len(names[c]), None)
            self._sums[c] = columns, Layers.of([first, *weights.chain(c, len(first.bias), 1)])
        sizes = [int(layers.widths[-1]) for _, layers in self._sums.values()]
        columns, (first, *others) = weights.head(sum(sizes), len(names["jet"]), n_outputs)
        # A collection's sums fill whole vectors: rows of zeros for what is beyond their number.
        ends = np.cumsum(sizes)
        parts = np.split(first.weight, ends)
        filled = [padded(part, padded_width(len(part)), part.shape[1]) for part in parts[:-1]]
        self._widths = [len(part) for part in filled]
        first = Dense(np.concatenate([*filled, parts[-1]]), first.bias)
        self._head = Columns(columns.index + sum(self._widths), columns.scale), Layers.of([first, *others])

    def __call__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Array:
        jets = arrays["jet_features"]
        n = len(jets)
        self._check(arrays)
        at = sum(self._widths)
        sums = np.zeros((n, at + jets.shape[1]), np.float32)
        sums[:, at:] = jets
        at = 0
        for (c, own), width in zip(self._sums.items(), self._widths, strict=True):
            add_jet_sums(arrays[f"{c}_features"], arrays[f"{c}_offsets"], *own, np.float32(0), sums, at)
            at += width
        return on_rows(sums, *self._head, NO_FLOOR)[:, : self._n_outputs]

    def _check(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Refuse what the kernels would read beyond."""
        n = len(arrays["jet_features"])
        wanted = {"jet": int(self._head[1].widths[0]) - sum(self._widths)}
        wanted |= {c: int(layers.widths[0]) for c, (_, layers) in self._sums.items()}
        for c, width in wanted.items():
            x = arrays[f"{c}_features"]
            if x.dtype != np.float32 or x.shape[1:] != (width,):
                raise InputError(f"{c}_features must be float32 with {width} columns; got {x.dtype} {x.shape}.")
            if c == "jet":
                continue
            offsets = arrays[f"{c}_offsets"]
            if not (
                len(offsets) == n + 1 and offsets[0] == 0 and offsets[-1] == len(x) and (np.diff(offsets) >= 0).all()
            ):
                raise InputError(
                    f"{c}_offsets must rise from 0 to the {len(x)} rows of {c}_features, one more than the {n} jets; "
                    f"got {len(offsets)} numbers{f' from {offsets[0]} to {offsets[-1]}' if len(offsets) else ''}."
                )
