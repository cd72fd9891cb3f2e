"""The batches of every epoch: which jets, in which order, turned and mirrored how."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from training.dataset.cache import PreparedJets
from training.dataset.resident import ResidentJets, ResidentStream
from training.dataset.stream import Stream
from training.learning.sampling import JetWeights, accept
from training.learning.settings import Learning
from training.random_streams import PassStream, pass_seed

__all__ = ["AnyStream", "JetBatches"]

AnyStream = Stream | ResidentStream


class JetBatches(lightning.LightningDataModule):
    """The batches, accepted and shuffled anew in every pass by seed and its number: a resumed run sees the same.

    An epoch is a pass over all accepted jets, or, with ``jets_per_epoch``, an equal part of one.

    Parameters
    ----------
    jets : PreparedJets
        All jets.
    train, val : int64 array
        Rows of the two splits.
    weights : JetWeights
        Of all jets; validation uses all jets of its split with acceptance x loss weight.
    learning : Learning
        Batch size.
    seed : int
        Of acceptance and order.
    device : torch.device, optional
        Where the network is trained.
    further : mapping of str to array, shape (len(jets),)
        Columns of all jets that batches have beside target and weight.

    Attributes
    ----------
    stream : Stream, ResidentStream or None
        The pass of the current or last epoch.
    """

    def __init__(
        self,
        jets: PreparedJets,
        train: NDArray[np.int64],
        val: NDArray[np.int64],
        weights: JetWeights,
        learning: Learning,
        seed: int,
        device: torch.device | None = None,
        further: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.jets = jets
        self.device = device or torch.device("cpu")
        self.train = train
        self.val = val
        self.weights = weights
        self.learning = learning
        self.seed = seed
        self.further = further
        self.stream: AnyStream | None = None
        self._resident: ResidentJets | None = None

    def train_dataloader(self) -> AnyStream:
        """Return the pass of the current epoch."""
        epoch = int(self.trainer.current_epoch) if self.trainer is not None else 0
        acceptance = self.weights.acceptance[self.train]
        pieces = self._pieces
        turn, piece = divmod(epoch, pieces)
        rows = self.train[accept(acceptance, self.seed, turn)]
        rows = np.random.default_rng(pass_seed(self.seed, turn, PassStream.ORDER)).permutation(rows)[piece::pieces]
        turned = pass_seed(self.seed, epoch, PassStream.SYMMETRY) if self.learning.symmetries else None
        self.stream = self._pass(
            rows, self.weights.loss_weight, self.learning.batch_size, whole_batches=True, turned=turned
        )
        return self.stream

    def _pass(
        self,
        rows: NDArray[np.int64],
        weight: NDArray[np.float32],
        batch_size: int,
        whole_batches: bool = False,
        turned: tuple[int, ...] | None = None,
    ) -> AnyStream:
        """Return a pass over jets in the GPU's memory where there is one and they fit, otherwise in the CPU's."""
        if self._resident is None and ResidentJets.fit(self.jets, self.device):
            self._resident = ResidentJets(self.jets, self.device)
        if self._resident is not None:
            return ResidentStream(self._resident, rows, weight, batch_size, whole_batches, turned, self.further)
        return Stream(self.jets, rows, weight, batch_size, whole_batches, turned, self.further)

    def in_order(self, rows: NDArray[np.int64]) -> AnyStream:
        """Return one pass over some jets in order, each with all it is worth in the target density."""
        return self._pass(rows, self.weights.expected, 4 * self.learning.batch_size)

    @property
    def _pieces(self) -> int:
        """Epochs that make a pass."""
        size = self.learning.jets_per_epoch
        return 1 if size is None else max(1, round(self._accepted / size))

    @property
    def _accepted(self) -> float:
        """Jets expected in a pass."""
        return float(self.weights.acceptance[self.train].sum(dtype=np.float64))

    @property
    def epoch_jets(self) -> int:
        """Jets expected in an epoch."""
        return int(self._accepted / self._pieces)

    @property
    def scheduled_batches(self) -> int:
        """Batches in the whole training: those of ``schedule_jets``, at most those of ``max_epochs`` epochs."""
        size = self.learning.batch_size
        most = self.learning.max_epochs * max(self.epoch_jets // size, 1)
        jets = self.learning.schedule_jets
        return most if jets is None else min(most, max(jets // size, 1))

    def val_dataloader(self) -> AnyStream:
        """Return one pass over the validation jets, in order."""
        return self.in_order(self.val)
