"""Particle flow networks on flat rows, without padding: the weights of a model's own graph, applied by numba.

The graph is written by ``training.onnx.graph`` (or joined from several by ``training.learning.ensemble``) and stays the
reference; only its named constants are read here, with batch norms and standardisation folded into them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.models.folder import ModelFolder
from coffea_mljec.models.kernels.panels import NO_FLOOR, padded, padded_width
from coffea_mljec.models.weights import Array, Columns, Dense, Layers, Weights, add_jet_sums, on_rows
from coffea_mljec.models.wire import Constants, read_constants

__all__ = ["PFNNetwork"]


class PFNNetwork:
    """A particle flow network, or the mean of several, ready to run.

    Parameters
    ----------
    model : ModelFolder
        Its card says ``engine: pfn``; its graph holds the weights.

    Raises
    ------
    ModelError
        If the graph lacks a constant, or one has a shape that does not fit.
    """

    def __init__(self, model: ModelFolder) -> None:
        card = model.card
        constants = read_constants(model.graph)
        names = card.feature_set.names()
        self._members = [
            _Member(Weights(card.name, "a PFN", constants, prefix), names, card.feature_set.constituents)
            for prefix in _prefixes(constants)
        ]

    def __call__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Array:
        """Return ``log_correction``, float32 [n], of one batch of flat arrays (`coffea_mljec.features.compute`).

        A collection without constituents pools to zeros. NaN and infinite inputs pass through to their own jet's
        output.

        Raises
        ------
        InputError
            If the arrays do not fit the network or each other.
        """
        total = self._members[0](arrays)
        for member in self._members[1:]:
            total += member(arrays)
        total /= np.float32(len(self._members))
        return total


def _prefixes(constants: Constants) -> list[str]:
    """What the names of each network of a graph begin with."""
    found = {match[0] for name in constants.values if (match := re.match(r"member\d+_", name))}
    return sorted(found, key=lambda prefix: int(prefix[6:-1])) or [""]


class _Member:
    """One network: of each collection the columns and layers, and of the head."""

    def __init__(self, weights: Weights, names: Mapping[str, tuple[str, ...]], constituents: tuple[str, ...]) -> None:
        self._sums: dict[str, tuple[Columns, Layers]] = {}
        for c in constituents:
            columns, first = weights.inputs(c, len(names[c]), None)
            self._sums[c] = columns, Layers.of([first, *weights.chain(c, len(first.bias), 1)])
        sizes = [int(layers.widths[-1]) for _, layers in self._sums.values()]
        columns, (first, *others) = weights.head(sum(sizes), len(names["jet"]))
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
        return on_rows(sums, *self._head, NO_FLOOR)[:, 0]

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
