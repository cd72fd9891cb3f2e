"""A training that sees data: its dijets batch by batch, what the start made of them, and the multipliers of the scale.

What is minimised is the loss of the simulation + f x the term of `training.learning.in_situ_term` + the penalty on
changes of the scale. The changes are those of the very jets of a batch, new network against start: far less noisy than
the scale itself. Batch norms keep the start's statistics (`training.learning.loop`): normalised by themselves, batches
of data would hide where data differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.dataset import PreparedJets, split_of
from training.dataset.dijets import Dijets
from training.dataset.stream import gather_batch
from training.learning.dijet_cells import DijetCells, flat_in_log
from training.learning.in_situ_term import (
    SCALE_CELLS,
    InSituSettings,
    asymmetry_term,
    changes_of_scale,
    pairwise_likelihood,
    scale_cell_named,
    scale_penalty,
)
from training.learning.losses import correction_of
from training.networks.network import Network
from training.random_streams import PassStream, pass_seed

__all__ = ["SCALE_CELL", "START", "InSitu", "log_corrections"]

START = "start"
"""Column: what the start says of a jet, its logarithm of the correction, float32."""

SCALE_CELL = "scale_cell"
"""Column: the cell in which a simulated jet's scale is held, int64."""

_BATCH = 4096
_LEAST_JETS = 100
_KEPT = ("drawn", "lines", "at_start", "best", "diverged")


def log_corrections(network: Network, jets: PreparedJets, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Return the logarithm of the correction of every jet, float32 [n], of a network in evaluation mode.

    Parameters
    ----------
    network : Network
    jets : PreparedJets
    rows : int64 array, optional
        Which jets: the others get NaN. All by default.
    """
    rows = np.arange(len(jets)) if rows is None else np.sort(rows)
    ones, found = np.ones(len(jets), np.float32), np.full(len(jets), np.nan, np.float32)
    with torch.no_grad():
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            found[batch] = correction_of(network(gather_batch(jets, batch, ones))).numpy()
    return found


class InSitu:
    """The data's part of a training.

    Parameters
    ----------
    settings : InSituSettings
    data : Dijets
        Without truth.
    cells : DijetCells
        The generator's asymmetry and the start's, in the cells of the data.
    start : float32 array [2 n]
        The start's logarithm of the correction of the data's jets.
    split : tuple of float
        Shares of training, validation and test events.
    seed : int
        Of the order of the events.
    symmetries : bool
        Whether jets are turned and mirrored.

    Attributes
    ----------
    multiplier : Tensor [SCALE_CELLS + cells]
        Of the augmented Lagrangian: of the simulation's cells, then of the data's.
    lines : list of dict
        What the validation of every epoch found.
    diverged : str or None
        When and how the training diverged.
    """

    def __init__(
        self, settings: InSituSettings, data: Dijets, cells: DijetCells, start: NDArray[np.float32],
        split: tuple[float, float, float], seed: int, symmetries: bool,
    ) -> None:  # fmt: skip
        self.settings, self.data, self.cells, self.seed, self.symmetries = settings, data, cells, seed, symmetries
        part = split_of(data.event, split)
        used = cells.used[data.cell]
        self.train, self.val = (np.flatnonzero((part == i) & used) for i in (0, 1))
        flat = flat_in_log(data.pt_avg)
        self.weight = np.repeat(flat, 2).astype(np.float32)
        self.further: dict[str, NDArray[Any]] = {
            START: start, "cell": np.repeat(data.cell, 2), "pt_raw": np.asarray(data.jets.columns["pt_raw"]),
            "expected": np.repeat(cells.expected(data), 2).astype(np.float32),
        }  # fmt: skip
        generator = cells.generator["pairs"] if settings.way == "pairs" else cells.soft_generator
        of_cells = {
            "generator": generator, "start": cells.start, "information": cells.information, "tail": cells.tail,
        }  # fmt: skip
        self.of_cells = {name: torch.from_numpy(values.astype(np.float32)) for name, values in of_cells.items()}
        self.multiplier = torch.zeros(SCALE_CELLS + len(cells.start))
        self.drawn = 0
        self.lines: list[dict[str, float]] = []
        self.diverged: str | None = None
        self.at_start: float | None = None
        self.best: float | None = None
        self._sums = torch.zeros(2, len(self.multiplier), dtype=torch.float64)
        self._watched = torch.zeros(2, SCALE_CELLS, dtype=torch.float64)
        self._measured = math.nan
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Go where the network is."""
        self._device = device
        self.of_cells = {name: values.to(device) for name, values in self.of_cells.items()}
        for name in ("multiplier", "_sums", "_watched"):
            setattr(self, name, getattr(self, name).to(device))

    def batches(self) -> Iterator[dict[str, Tensor]]:
        """Yield batches of training events for ever, both jets of each one after the other."""
        size = min(self.settings.batch_size, len(self.train))
        a_pass = len(self.train) // size
        while True:
            number, place = divmod(self.drawn, a_pass)
            rng = np.random.default_rng(pass_seed(self.seed, number, PassStream.DIJETS))
            order = rng.permutation(self.train)
            turned = np.random.default_rng((*pass_seed(self.seed, number, PassStream.DIJETS), place))
            self.drawn += 1
            yield self._batch(order[place * size : (place + 1) * size], turned if self.symmetries else None)

    def _batch(self, events: NDArray[np.int64], turned: np.random.Generator | None = None) -> dict[str, Tensor]:
        rows = np.column_stack([2 * events, 2 * events + 1]).reshape(-1)
        batch = gather_batch(self.data.jets, rows, self.weight, turned, self.further)
        return {name: values.to(self._device) for name, values in batch.items()}

    def loss(self, network: Network, batch: Mapping[str, Tensor], correction: Tensor) -> Tensor:
        """Return f x the term + the penalty, for a batch of the simulation and the next one of the data.

        Parameters
        ----------
        network : Network
        batch : mapping of str to Tensor
            Of the simulation, with `START` and `SCALE_CELL`.
        correction : Tensor [n]
            What the network says of it: the logarithms of the correction.
        """
        dijets = next(self._stream)
        predicted = network(dijets)
        total = self.settings.factor * self._term(predicted, dijets)
        if self.settings.scale_weight == 0.0:
            return total
        simulated = self._changes(correction, batch)
        moved = (correction_of(predicted) - dijets[START]) / self.settings.tau
        half = torch.arange(len(moved), device=moved.device) // 2 % 2
        of_data = changes_of_scale(moved, dijets["weight"], dijets["cell"], half, len(self.of_cells["start"]))
        for part, (mean, weights) in ((slice(0, SCALE_CELLS), simulated), (slice(SCALE_CELLS, None), of_data)):
            total = total + scale_penalty(mean, weights, self.multiplier[part], self.settings.scale_weight)
            self._sums[0, part] += (mean * weights).sum(dim=0).detach().double()
            self._sums[1, part] += weights.sum(dim=0).double()
        return total

    def _changes(self, correction: Tensor, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Changes of the simulation's median response: of the mean smooth sign of the errors."""
        tau, target = self.settings.tau, batch["target"]
        change = torch.tanh((correction - target) / tau) - torch.tanh((batch[START] - target) / tau)
        half = torch.arange(len(change), device=change.device) % 2
        return changes_of_scale(change, batch["weight"], batch[SCALE_CELL], half, SCALE_CELLS)

    def _term(self, predicted: Tensor, dijets: Mapping[str, Tensor]) -> Tensor:
        cell, weight, expected = (dijets[name][::2] for name in ("cell", "weight", "expected"))
        correction, pt = correction_of(predicted), dijets["pt_raw"]
        if self.settings.way == "pairs":
            return pairwise_likelihood(correction, predicted[:, 1], pt, expected, weight, cell, self.of_cells)
        telling = weight * self.of_cells["information"][cell]
        return asymmetry_term(correction, pt, expected, telling, cell, self.of_cells)

    def begin_epoch(self) -> None:
        """Move the multipliers by what the last epoch's changes of scale were, and start over."""
        mean = self._sums[0] / self._sums[1].clamp_min(1e-12)
        self.multiplier += self.settings.scale_weight * mean.float()
        self._sums.zero_()
        self._stream = self.batches()

    def watch(self, batch: Mapping[str, Tensor], correction: Tensor) -> None:
        """Add a batch of the simulation's validation jets to the changes of scale that are looked at."""
        cell = batch[SCALE_CELL]
        change = correction - batch[START]
        mean, counts = changes_of_scale(change, torch.ones_like(change), cell, torch.zeros_like(cell), SCALE_CELLS)
        self._watched += torch.stack([mean[0] * counts[0], counts[0]]).double()

    def measure(self, network: Network) -> None:
        """Take the term of the validation events, of a network in evaluation mode with the weights that are judged."""
        terms = []
        with torch.no_grad():
            for start in range(0, len(self.val), _BATCH // 2):
                dijets = self._batch(self.val[start : start + _BATCH // 2])
                terms.append((float(self._term(network(dijets), dijets)), float(dijets["weight"].sum())))
        values, weights = np.array(terms).T
        self._measured = float(np.average(values, weights=weights))

    def validate(self, supervised: float, epoch: int) -> float:
        """Return the validation's loss with the term of `measure`, and note the epoch; -1 stands for the start.

        Parameters
        ----------
        supervised : float
            Loss of the simulation's validation jets.
        epoch : int
        """
        term = self._measured
        moved = self._watched[0] / self._watched[1].clamp_min(1.0) * (self._watched[1] >= _LEAST_JETS)
        worst = int(moved.abs().argmax())
        shift = float(moved[worst])
        self._watched.zero_()
        total = supervised + self.settings.factor * term
        if epoch < 0 and self.at_start is not None:
            return total  # A resumed run is checked again, with the weights that it goes on with.
        self.lines.append({"epoch": epoch, "supervised": supervised, "term": term, "largest_shift": shift})
        if epoch < 0:
            self.at_start = total
        elif not math.isfinite(total) or abs(shift) > self.settings.largest_shift:
            self.diverged = (
                f"epoch {epoch}: loss {total:.4g}, and the scale of {scale_cell_named(worst)} has moved by "
                f"{shift:+.1%} (largest_shift {self.settings.largest_shift:.0%})"
            )
        elif self.best is None or total < self.best:
            self.best = total
        return total

    @property
    def improved(self) -> bool:
        """Whether an epoch that did not diverge has a lower loss than the start."""
        return self.best is not None and self.at_start is not None and self.best < self.at_start

    @property
    def kept(self) -> dict[str, float]:
        """The line of the weights that are kept; that of the start has epoch -1."""
        lines = self.lines if self.diverged is None else self.lines[:-1]
        return min(lines, key=lambda line: line["supervised"] + self.settings.factor * line["term"])

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        kept = {name: getattr(self, name) for name in _KEPT}
        return kept | {"multiplier": self.multiplier.clone(), "sums": self._sums.clone()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        for name in _KEPT:
            setattr(self, name, state[name])
        self.multiplier, self._sums = state["multiplier"].to(self._device), state["sums"].to(self._device)

    def record(self) -> dict[str, Any]:
        """Return what a run keeps of the data and of what came of them."""
        return {
            "way": self.settings.way,
            "factor": self.settings.factor,
            "data": self.data.jets.description["shards"],
            "events": self.data.counts | {"training": len(self.train), "validation": len(self.val)},
            "cells": self.cells.rows(),
            "epochs": self.lines,
            "diverged": self.diverged,
            "kept": "best epoch" if self.improved else "start",
            "kept_line": self.kept,
        }
