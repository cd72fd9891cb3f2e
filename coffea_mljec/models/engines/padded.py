"""Graphs that take padded tensors, [n_jets, variables, length], as weaver writes them: by onnxruntime, jets of about
the same multiplicity at a time.

A batch that is padded to the longest jet wastes most of its work on padding. Here the constituents stay flat until a
batch is made. The padded length of a jet depends on that jet alone, so that its result does too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.models import node_names
from coffea_mljec.models.backends import LOCAL, Backend
from coffea_mljec.models.backends.backend import GraphSession
from coffea_mljec.models.engines.engine import Engine, Outputs, Runner, clouds_problem
from coffea_mljec.models.engines.graphs import Graphs
from coffea_mljec.models.engines.particlenet import FlatParticleNet
from coffea_mljec.models.kernels.padding import pad_rows
from coffea_mljec.models.tensors import Tensor
from coffea_mljec.models.wire import Constants

if TYPE_CHECKING:
    from coffea_mljec.features import FeatureSet
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.folder import ModelFolder

__all__ = ["PaddedEngine", "PaddedNetwork"]

Array = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

_HUGE = 1e32
"""Inputs of this size count as infinite, as in CMSSW."""

_STEP = 1.125
"""Padded lengths grow by this factor from one to the next: an eighth is padding at most."""

_SHORT_STEP = 2.0
"""The same for tensors beside the longest, whose padding costs little."""


class PaddedEngine(Engine):
    """onnxruntime on tensors that are padded bucket by bucket; ParticleNets on flat edges, where that is possible."""

    def problem(self, card: ModelCard) -> str | None:
        if problem := clouds_problem(card):
            return problem
        if not card.tensors:
            return "engine 'padded' needs the graph's tensors; got none"
        features = card.feature_set.names()
        for tensor in card.tensors:
            for variable in tensor.variables:
                if variable.feature not in features.get(tensor.collection, ()):
                    return (
                        f"tensor {tensor.name!r} reads {tensor.collection}.{variable.feature}, which is not among the "
                        "card's features"
                    )
        return None

    def settings(self, graph: Constants, features: FeatureSet) -> dict[str, Any] | None:
        return None

    def build(self, model: ModelFolder) -> Runner:
        padded = PaddedNetwork(model)
        return FlatParticleNet.of(model, padded) or padded


class PaddedNetwork:
    """Graphs with padded inputs, ready to run on a backend.

    Raises
    ------
    ModelError
        If onnxruntime refuses a graph, or its inputs are not the card's tensors.
    """

    def __init__(self, model: ModelFolder, backend: Backend = LOCAL) -> None:
        self._graphs = Graphs(model, backend)
        self._rows = backend.rows
        tensors = model.card.tensors
        names = model.card.feature_set.names()
        longest = max(tensor.max_length for tensor in tensors)
        self._parts = [_Part(tensor, names[tensor.collection], tensor.max_length == longest) for tensor in tensors]
        for session in self._graphs.sessions:
            _check(session, self._graphs.called, model.card)
        self._ranks = {item.name: len(item.shape) for item in self._graphs.sessions[0].get_inputs()}

    def standardised(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, Array]:
        """The rows of each tensor, [N, variables], flat and not cut."""
        return {part.name: part.standardised(inputs[node_names.features(part.collection)]) for part in self._parts}

    def empty(self, n_jets: int) -> Outputs:
        """Room for the outputs of so many jets."""
        return self._graphs.empty(n_jets)

    def offsets(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, Index]:
        """Collection -> the rows of each jet."""
        offsets = {"jet": np.arange(len(inputs[node_names.features("jet")]) + 1)}
        return offsets | {c: inputs[node_names.offsets(c)] for c in {p.collection for p in self._parts} - {"jet"}}

    def replaced(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Array:
        """How many of each jet's inputs are not finite."""
        offsets = self.offsets(inputs)
        numbers = [_not_finite(inputs[node_names.features(c)], offsets[c]) for c in offsets]
        return np.sum(numbers, axis=0).astype(np.float32)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Outputs:
        """Evaluate a batch.

        Returns
        -------
        dict of str to ndarray
            The graph's outputs, and under `node_names.REPLACED` the number of each jet's inputs that were not finite
            and were replaced as the card says.
        """
        offsets, rows = self.offsets(inputs), self.standardised(inputs)
        lengths = np.stack([part.lengths(np.diff(offsets[part.collection])) for part in self._parts], axis=1)
        outputs = self.empty(len(lengths))
        for jets in _buckets(lengths, self._rows):
            tensors = {}
            for part, length in zip(self._parts, lengths[jets[0]], strict=True):
                padded = pad_rows(rows[part.name], offsets[part.collection], jets, part.pad, int(length))
                tensors[part.name] = padded if self._ranks[part.name] == 3 else padded[:, :, 0]
            for name, value in self._graphs.run(tensors, len(jets)).items():
                outputs[name][jets] = value[..., : outputs[name].shape[-1]] if value.ndim > 1 else value
        return outputs | {node_names.REPLACED: self.replaced(inputs)}


class _Part:
    """One tensor: which columns of its collection's features, what is done to them, and how long it is."""

    def __init__(self, tensor: Tensor, features: tuple[str, ...], long: bool) -> None:
        self.name, self.collection = tensor.name, tensor.collection
        variables = tensor.variables
        self._columns = np.array([features.index(variable.feature) for variable in variables])
        self._median, self._norm, self._replace, self._low, self._high, self.pad = np.array(
            [(v.median, v.norm_factor, v.replace_inf_value, v.lower_bound, v.upper_bound, v.pad) for v in variables],
            np.float32,
        ).T.copy()
        self._lengths = _grid(tensor.min_length, tensor.max_length, _STEP if long else _SHORT_STEP)

    def lengths(self, counts: Index) -> Index:
        """The padded length of jets with so many constituents."""
        return self._lengths[np.minimum(counts, len(self._lengths) - 1)]

    def standardised(self, features: Array) -> Array:
        """The tensor's rows, [N, variables], before padding."""
        values = features[:, self._columns]
        with np.errstate(invalid="ignore"):
            values = np.where(np.abs(values) <= _HUGE, values, self._replace)
            return np.clip((values - self._median) * self._norm, self._low, self._high)


def _grid(shortest: int, longest: int, step: float) -> Index:
    """Number of constituents, up to the longest -> padded length."""
    lengths = [shortest]
    while lengths[-1] < longest:
        lengths.append(min(longest, max(lengths[-1] + 1, round(lengths[-1] * step))))
    counts = np.arange(longest + 1)
    return np.array(lengths)[np.searchsorted(lengths, counts)]


def _not_finite(features: Array, offsets: Index) -> Index:
    """How many features of each jet are NaN, infinite or huge."""
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(features) <= _HUGE)
    sums = np.concatenate([[0], np.cumsum(bad.sum(axis=1, dtype=np.int64))])
    return np.asarray(sums[offsets[1:]] - sums[offsets[:-1]])


def _buckets(lengths: Index, rows: int) -> Iterator[Index]:
    """Jets of the same padded lengths, as many at a time as make so many rows; ``lengths`` is [n_jets, tensors]."""
    order = np.lexsort(lengths.T)
    ordered = lengths[order]
    ends = [*(np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1), len(order)] if len(order) else []
    start = 0
    for end in ends:
        size = max(1, rows // int(ordered[start].max()))
        for first in range(start, end, size):
            yield order[first : min(first + size, end)]
        start = end


def _check(session: GraphSession, called: str, card: ModelCard) -> None:
    """Compare the graph's inputs with the card's tensors."""
    got = {item.name: item for item in session.get_inputs()}
    expected = {tensor.name: tensor for tensor in card.tensors}
    if set(got) != set(expected):
        raise ModelError(f"{called} has inputs {sorted(got)}, its card describes {sorted(expected)}.")
    for name, tensor in expected.items():
        item, width = got[name], len(tensor.variables)
        rank = (2, 3) if tensor.collection == "jet" else (3,)
        right = item.type == "tensor(float)" and len(item.shape) in rank and not isinstance(item.shape[0], int)
        if not right or (isinstance(item.shape[1], int) and item.shape[1] != width):
            raise ModelError(
                f"input {name!r} of model {card.name!r} must be tensor(float) with a free first axis and {width} "
                f"variables; got {item.type} {item.shape}. The graph and its preprocess.json must come from one "
                "export, with dynamic axes."
            )
        length = item.shape[2] if len(item.shape) == 3 else None
        if isinstance(length, int) and not length == tensor.min_length == tensor.max_length:
            raise ModelError(
                f"input {name!r} of model {card.name!r} has the fixed length {length}; its card says "
                f"{tensor.min_length} to {tensor.max_length}."
            )
