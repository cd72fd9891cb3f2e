"""Particle flow networks on flat rows, without padding: the weights of a model's own graph, applied by numba.

The graph is written by ``training.onnx.graph`` (or joined from several by ``training.learning.ensemble``) and stays the
reference; only its named constants are read here, with batch norms and standardisation folded into them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models import node_names
from coffea_mljec.models.engines.engine import (
    Engine,
    Outputs,
    check_rows,
    clouds_problem,
    head_problem,
    outputs_of_head,
    tensors_problem,
)
from coffea_mljec.models.kernels.panels import NO_FLOOR, padded_width
from coffea_mljec.models.weights import (
    SHARE,
    Array,
    Columns,
    Dense,
    Layers,
    Weights,
    add_jet_sums,
    filled,
    on_rows,
    pooled,
)
from coffea_mljec.models.wire import Constants, read_constants

if TYPE_CHECKING:
    from coffea_mljec.features import FeatureSet
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.folder import ModelFolder

__all__ = ["PFNEngine", "PFNNetwork"]


class PFNEngine(Engine):
    """Particle flow networks that sum their constituents, also weighted by their share of pT; means of several."""

    by_rows = True

    def problem(self, card: ModelCard) -> str | None:
        return clouds_problem(card) or head_problem(card) or tensors_problem(card)

    def settings(self, graph: Constants, features: FeatureSet) -> dict[str, Any] | None:
        names = features.names()
        for prefix in node_names.members(graph.values):
            ours = prefix + node_names.weight(node_names.LAST) in graph.values
            if not ours or _shares(pooled(graph, prefix), features.constituents, names) is None:
                return None
        return {}

    def build(self, model: ModelFolder) -> PFNNetwork:
        return PFNNetwork(model)


def _shares(
    found: tuple[str, ...], constituents: tuple[str, ...], names: Mapping[str, tuple[str, ...]]
) -> dict[str, int] | None:
    """Of each collection the column that weighs further sums, -1 without; None if the head reads anything else."""
    for ways in (("sum",), ("sum", "pt")):
        if found == tuple(node_names.pooled(node_names.way(c, way)) for c in constituents for way in ways):
            if len(ways) == 1:
                return dict.fromkeys(constituents, -1)
            if all(SHARE in names[c] for c in constituents):
                return {c: names[c].index(SHARE) for c in constituents}
    return None


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
            found = pooled(constants, prefix)
            shares = _shares(found, constituents, names)
            if shares is None:
                for c in constituents:
                    weights.inputs(c, len(names[c]), None)  # another kind of graph lacks them, which says more
                raise ModelError(
                    f"engine 'pfn' runs networks that sum the {', '.join(constituents)} constituents of a jet; the "
                    f"graph of model {card.name!r} has {', '.join(found)}. Say engine 'onnx'."
                )
            self._members.append(_Member(weights, names, shares, len(card.outputs)))

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
        shares: Mapping[str, int],
        n_outputs: int,
    ) -> None:
        self._n_outputs = n_outputs
        self._n_features = {c: len(names[c]) for c in ("jet", *shares)}
        self._sums: dict[str, tuple[Columns, Layers, int]] = {}
        sizes = []
        for c, share in shares.items():
            columns, first = weights.inputs(c, len(names[c]), None)
            own = Layers.of([first, *weights.chain(c, len(first.bias), 1)])
            self._sums[c] = columns, own, share
            sizes += [int(own.widths[-1])] * (1 if share < 0 else 2)
        columns, (first, *others) = weights.head(sum(sizes), len(names["jet"]), n_outputs)
        # A collection's sums fill whole vectors: rows of zeros for what is beyond their number.
        first = Dense(filled(first.weight, sizes), first.bias)
        self._widths = [padded_width(size) for size in sizes]
        self._head = Columns(columns.index + sum(self._widths), columns.scale), Layers.of([first, *others])

    def __call__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Array:
        jets = arrays["jet_features"]
        n = len(jets)
        check_rows(arrays, self._n_features)
        at = sum(self._widths)
        sums = np.zeros((n, at + jets.shape[1]), np.float32)
        sums[:, at:] = jets
        at = 0
        for c, (columns, layers, share) in self._sums.items():
            x, offsets = arrays[f"{c}_features"], arrays[f"{c}_offsets"]
            shares = x[:, share] if share >= 0 else np.zeros(0, np.float32)
            add_jet_sums(x, offsets, columns, layers, np.float32(0), sums, at, shares)
            at += padded_width(int(layers.widths[-1])) * (1 if share < 0 else 2)
        return on_rows(sums, *self._head, NO_FLOOR)[:, : self._n_outputs]
