"""Particle flow networks with context on flat rows, without padding: the weights of a model's own graph, by numba.

The graph is written by ``training.onnx.context`` and stays the reference; only its named constants are read here, with
batch norms and standardisation folded into them. Between two rounds a jet's sums and features make its context, which
every constituent hears in the next round: its product with the weights is made once a jet and added to the rows'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

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
    NO_COLUMNS,
    SHARE,
    Array,
    Columns,
    Dense,
    Layers,
    Weights,
    add_jet_sums,
    filled,
    on_rows,
)
from coffea_mljec.models.wire import Constants, read_constants

if TYPE_CHECKING:
    from coffea_mljec.features import FeatureSet
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.folder import ModelFolder

__all__ = ["ContextEngine", "ContextNetwork"]

_RELU = np.float32(0)

_IN_HAND = 2**18
"""Numbers that the rows of the jets in hand keep from one round to the next: 1 MB, so that they stay near a core. With
twice as many a jet takes up to 7 us instead of 5: larger arrays come from the system anew at every call."""


class ContextEngine(Engine):
    """Particle flow networks with context, on constituents that are summed plainly, also weighted by share of pT."""

    by_rows = True

    def problem(self, card: ModelCard) -> str | None:
        return clouds_problem(card) or head_problem(card) or tensors_problem(card)

    def settings(self, graph: Constants, features: FeatureSet) -> dict[str, Any] | None:
        names = features.names()
        if not features.constituents or not features.jet:
            return None
        return None if _ways(graph, features.constituents, names) is None else {}

    def build(self, model: ModelFolder) -> ContextNetwork:
        return ContextNetwork(model)


def _context(number: int) -> str:
    return node_names.layer("context", number)


def _rounds(graph: Constants) -> int:
    """How many contexts a graph makes, one less than the rounds."""
    number = 0
    while node_names.weight(node_names.layer(_context(number), 0)) in graph.values:
        number += 1
    return number


def _ways(
    graph: Constants, constituents: Sequence[str], names: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...] | None:
    """How constituents are summed, in all rounds alike; None if a context or the head reads anything else."""
    contexts = _rounds(graph)
    if contexts == 0 or node_names.weight(node_names.LAST) not in graph.values:
        return None
    jet = graph.inputs.get(node_names.joined(_context(0)), ("",))[-1]
    for ways in (("sum",), ("sum", "pt")):
        if "pt" in ways and not all(SHARE in names[c] for c in constituents):
            continue
        known: tuple[str, ...] = ()
        for i, name in enumerate([*map(_context, range(contexts)), node_names.HEAD]):
            parts = (node_names.way(node_names.layer(c, i), way) for c in constituents for way in ways)
            if graph.inputs.get(node_names.joined(name)) != (*map(node_names.pooled, parts), *known, jet):
                break
            depth = 0
            while node_names.weight(node_names.layer(name, depth + 1)) in graph.values:
                depth += 1
            known = (node_names.layer(name, depth),)
        else:
            return ways
    return None


@dataclass(frozen=True)
class _Round:
    """One round of a collection: inputs of which it takes logarithms, what it hears of a jet, and its layers."""

    columns: Columns
    hears: Layers | None
    layers: Layers

    @property
    def width(self) -> int:
        """Numbers that it makes of a row."""
        return int(self.layers.widths[-1])


class ContextNetwork:
    """A particle flow network with context, ready to run.

    Parameters
    ----------
    model : ModelFolder
        Its card says ``engine: context``; its graph holds the weights.

    Raises
    ------
    ModelError
        If the graph lacks a constant, one has a shape that does not fit, or constituents are pooled in another way.
    """

    def __init__(self, model: ModelFolder) -> None:
        card = model.card
        graph = read_constants(model.graph)
        names, constituents = card.feature_set.names(), card.feature_set.constituents
        weights = Weights(card.name, "a PFN with context", graph)
        self._outputs = card.outputs
        self._n_features = {c: len(own) for c, own in names.items()}
        jet, plain = weights.inputs("jet", len(names["jet"]), len(names["jet"]))
        self._jet = jet, Layers.of([plain])
        ways = _ways(graph, constituents, names)
        if ways is None:
            weights.array(node_names.weight(node_names.layer(_context(0), 0)), None, None)
            raise weights.other("sums of constituents, a context and jet features in every round")
        self._ways = len(ways)
        self._shares = {c: names[c].index(SHARE) if len(ways) > 1 else -1 for c in constituents}
        self._rounds: list[dict[str, _Round]] = []
        self._contexts: list[Layers] = []
        known = 0
        for i in range(_rounds(graph) + 1):
            self._rounds.append({c: self._round(weights, c, i, known) for c in constituents})
            widths = [own.width for own in self._rounds[i].values() for _ in ways]
            sizes = [*widths, *([known] if i else []), len(names["jet"])]
            last = i == _rounds(graph)
            block = weights.chain(node_names.HEAD if last else _context(i), sum(sizes), 0)
            if last:
                block.append(weights.dense(node_names.LAST, len(block[-1].bias), len(card.outputs)))
            # Every part fills whole vectors: rows of zeros for what is beyond its numbers.
            first = Dense(filled(block[0].weight, sizes), block[0].bias)
            self._contexts.append(Layers.of([first, *block[1:]]))
            known = len(block[-1].bias)

    def _round(self, weights: Weights, collection: str, number: int, known: int) -> _Round:
        """Read round ``number`` of a collection, which hears ``known`` numbers of its jet from the second on."""
        name = node_names.layer(collection, number)
        if number == 0:
            columns, first = weights.inputs(collection, self._n_features[collection], None)
            return _Round(columns, None, Layers.of([first, *weights.chain(name, len(first.bias), 1)]))
        before = self._rounds[number - 1][collection].width
        of_jet = weights.dense(node_names.told(name), known, None)
        own = weights.array(node_names.weight(node_names.layer(name, 0)), before, len(of_jet.bias))
        # The bias stands with what the jet says.
        first = Dense(own, np.zeros(len(of_jet.bias), np.float32))
        hears = Layers.of([Dense(filled(of_jet.weight, [known]), of_jet.bias)])
        return _Round(NO_COLUMNS, hears, Layers.of([first, *weights.chain(name, len(first.bias), 1)]))

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        """Return the outputs of one batch.

        A collection without constituents pools to zeros. NaN and infinite inputs pass through to their own jet's
        output.

        Raises
        ------
        InputError
            If the arrays do not fit the network or each other.
        """
        check_rows(inputs, self._n_features)
        parts = [self._of_jets(inputs, start, stop) for start, stop in self._in_hand(inputs)]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return outputs_of_head(self._outputs, values[:, : len(self._outputs)])

    def _in_hand(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Iterator[tuple[int, int]]:
        """Yield first and last of some jets at a time, whose rows stay near a core from one round to the next."""
        n = len(inputs["jet_features"])
        kept = np.zeros(n + 1, np.int64)
        for c in self._shares:
            widest = max(padded_width(own[c].width) for own in self._rounds)
            kept += inputs[f"{c}_offsets"] * widest
        start = 0
        while start < n or start == n == 0:
            stop = max(int(np.searchsorted(kept, kept[start] + _IN_HAND, side="right")) - 1, start + 1)
            stop = min(stop, n)
            yield start, stop
            if stop == n:
                return
            start = stop

    def _of_jets(self, inputs: Mapping[str, npt.NDArray[Any]], start: int, stop: int) -> Array:
        """Return what the last layer makes of some jets, a row each."""
        jets = on_rows(inputs["jet_features"][start:stop], *self._jet, NO_FLOOR)
        offsets = {c: inputs[f"{c}_offsets"][start : stop + 1] for c in self._shares}
        rows = {c: inputs[f"{c}_features"][each[0] : each[-1]] for c, each in offsets.items()}
        offsets = {c: each - each[0] for c, each in offsets.items()}
        none = np.zeros(0, np.float32)
        shares = {c: np.ascontiguousarray(rows[c][:, at]) if at >= 0 else none for c, at in self._shares.items()}
        known: list[Array] = []
        last = len(self._rounds) - 1
        for i, (of_round, context) in enumerate(zip(self._rounds, self._contexts, strict=True)):
            widths = [padded_width(own.width) for own in of_round.values()]
            n_sums = self._ways * sum(widths)
            further = [*known, jets]
            joined = np.zeros((stop - start, n_sums + sum(part.shape[1] for part in further)), np.float32)
            at = 0
            for (c, own), width in zip(of_round.items(), widths, strict=True):
                heard = none if own.hears is None else on_rows(known[0], NO_COLUMNS, own.hears, NO_FLOOR)
                kept = np.empty((0 if i == last else len(rows[c]), width), np.float32)
                add_jet_sums(
                    rows[c], offsets[c], own.columns, own.layers, _RELU, joined, at, shares[c], heard, kept
                )  # fmt: skip
                rows[c] = kept
                at += self._ways * width
            np.concatenate(further, axis=1, out=joined[:, n_sums:])
            known = [on_rows(joined, NO_COLUMNS, context, NO_FLOOR if i == last else _RELU)]
        return known[0]
