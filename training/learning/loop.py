"""The training loop's parts for Lightning: the loss, one step, and the batches of every epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.dataset.cache import PreparedJets
from training.dataset.resident import ResidentJets, ResidentStream
from training.dataset.stream import Stream
from training.learning.recipe import Learning
from training.learning.sampling import Sampled, accept
from training.networks.network import Network

__all__ = ["AnyStream", "History", "JetBatches", "Regression", "regression_loss"]

AnyStream = Stream | ResidentStream


def regression_loss(predicted: Tensor, target: Tensor, weight: Tensor, loss_range: float = 1.0) -> Tensor:
    """Return the mean over the batch of w |y - y_hat| for |y| < range (DESIGN section 4; thesis, equation 6.8).

    Targets beyond the range contribute 0 and stay in the denominator, which is the sum of the weights.

    Parameters
    ----------
    predicted, target, weight : Tensor [n]
        Logarithms of the correction, and the weights of the jets (all 1 for the plain mean).
    """
    inside = (target.abs() < loss_range).to(predicted.dtype)
    return (weight * inside * (target - predicted).abs()).sum() / weight.sum()


class Regression(lightning.LightningModule):
    """A network, its loss, its optimiser and its learning-rate schedule."""

    def __init__(self, network: Network, learning: Learning) -> None:
        super().__init__()
        self.network = network
        self.learning = learning
        # Sums of loss x weight and of weights, of the epoch's training and validation; on the network's device, so that
        # nothing waits for it batch by batch.
        self.sums: Tensor
        self.register_buffer("sums", torch.zeros(2, 2, dtype=torch.float64), persistent=False)

    def _loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        return regression_loss(self.network(batch), batch["target"], batch["weight"], self.learning.loss_range)

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one batch; the epoch's is the mean over its jets."""
        loss = self._loss(batch)
        n = len(batch["target"])
        self.sums[0] += torch.stack([loss.detach().double() * n, torch.full_like(loss, n, dtype=torch.float64)])
        return loss

    def on_train_epoch_start(self) -> None:
        """Start the sums over the training jets."""
        self.sums[0] = 0.0

    def on_validation_epoch_start(self) -> None:
        """Start the sums over the validation jets."""
        self.sums[1] = 0.0

    def validation_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:
        """Add one batch: the loss is a ratio of sums over all jets, so that batch borders do not matter."""
        weight = batch["weight"].sum().double()
        self.sums[1] += torch.stack([self._loss(batch).double() * weight, weight])

    def on_validation_epoch_end(self) -> None:
        """Log the losses of training and validation, and the learning rate."""
        for name, (total, weight) in zip(("train_loss", "val_loss"), self.sums.tolist(), strict=True):
            self.log(name, total / weight, prog_bar=True)
        self.log("learning_rate", float(self.trainer.optimizers[0].param_groups[0]["lr"]), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Adam; the learning rate falls when the validation loss stays on a plateau, or `Pace` sets it."""
        settings = self.learning
        matrices = [parameter for parameter in self.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in self.parameters() if parameter.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        if settings.schedule == "cosine":
            return optimiser
        # torch waits for one epoch more than its patience; the reference's patience counts every epoch without gain.
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, mode="min", factor=settings.plateau_factor, patience=settings.plateau_patience - 1,
            threshold=settings.least_gain, threshold_mode="abs",
        )  # fmt: skip
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}


class JetBatches(lightning.LightningDataModule):
    """The batches, accepted and shuffled anew in every pass by seed and its number: a resumed run sees the same.

    An epoch is a pass over all accepted jets, or, with ``jets_per_epoch``, an equal part of one.

    Parameters
    ----------
    jets : PreparedJets
        All jets.
    train, val : int64 array
        Rows of the two splits.
    sampled : Sampled
        Acceptance and weight of all jets; validation uses all jets of its split with weight x acceptance.
    learning : Learning
        Batch size.
    seed : int
        Of acceptance and order.
    device : torch.device, optional
        Where the network is trained.

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
        sampled: Sampled,
        learning: Learning,
        seed: int,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        self.jets = jets
        self.device = device or torch.device("cpu")
        self.train = train
        self.val = val
        self.sampled = sampled
        self.learning = learning
        self.seed = seed
        self.stream: AnyStream | None = None
        self._resident: ResidentJets | None = None

    def train_dataloader(self) -> AnyStream:
        """Return the pass of the current epoch."""
        epoch = int(self.trainer.current_epoch) if self.trainer is not None else 0
        acceptance = self.sampled.acceptance[self.train]
        pieces = self._pieces
        turn, piece = divmod(epoch, pieces)
        rows = self.train[accept(acceptance, self.seed, turn)]
        rows = np.random.default_rng((self.seed, turn, 1)).permutation(rows)[piece::pieces]
        turned = (self.seed, epoch, 2) if self.learning.symmetries else None
        self.stream = self._pass(rows, self.sampled.weight, self.learning.batch_size, whole_batches=True, turned=turned)
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
            return ResidentStream(self._resident, rows, weight, batch_size, whole_batches, turned)
        return Stream(self.jets, rows, weight, batch_size, whole_batches=whole_batches, turned=turned)

    def in_order(self, rows: NDArray[np.int64]) -> AnyStream:
        """Return one pass over some jets in order, each with all it is worth in the target density."""
        return self._pass(rows, self.sampled.weight * self.sampled.acceptance, 4 * self.learning.batch_size)

    @property
    def _pieces(self) -> int:
        """Epochs that make a pass."""
        size = self.learning.jets_per_epoch
        return 1 if size is None else max(1, round(self._accepted / size))

    @property
    def _accepted(self) -> float:
        """Jets expected in a pass."""
        return float(self.sampled.acceptance[self.train].sum(dtype=np.float64))

    @property
    def scheduled_batches(self) -> int:
        """Batches in the whole training: those of ``schedule_jets``, at most those of ``max_epochs`` epochs."""
        size = self.learning.batch_size
        most = self.learning.max_epochs * max(int(self._accepted / self._pieces) // size, 1)
        jets = self.learning.schedule_jets
        return most if jets is None else min(most, max(jets // size, 1))

    def val_dataloader(self) -> AnyStream:
        """Return one pass over the validation jets, in order."""
        return self.in_order(self.val)


class History(lightning.Callback):
    """One line an epoch in ``metrics.csv``, added as the training goes on; a resumed run keeps the lines before.

    Columns: epoch, train_loss, val_loss, learning_rate, jets, seconds (of the training batches),
    jets_per_second, waiting (share of that time spent waiting for batches).
    """

    COLUMNS = ("epoch", "train_loss", "val_loss", "learning_rate", "jets", "seconds", "jets_per_second", "waiting")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin = self._end = 0.0
        self._jets = 0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock."""
        self._begin = time.perf_counter()
        self._jets = 0

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Read the clock: the validation that follows the last batch does not count."""
        self._end = time.perf_counter()
        self._jets += len(batch["target"])

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Keep the lines of the epochs that the run goes on from."""
        lines = self.path.read_text().splitlines()[1:] if self.path.is_file() else []
        kept = [line for line in lines if int(line.split(",", 1)[0]) < trainer.current_epoch]
        self._write([",".join(self.COLUMNS), *kept])

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Add the line of an epoch."""
        stream: AnyStream = trainer.datamodule.stream
        seconds = self._end - self._begin
        values = [float(trainer.callback_metrics[name]) for name in ("train_loss", "val_loss", "learning_rate")]
        line = [str(trainer.current_epoch), *(f"{value:.7g}" for value in values)]
        line += [
            str(self._jets),
            f"{seconds:.3f}",
            f"{self._jets / seconds:.0f}",
            f"{stream.waited / seconds:.4f}",
        ]
        self._write([*self.path.read_text().splitlines(), ",".join(line)])

    def _write(self, lines: list[str]) -> None:
        temporary = self.path.with_name(self.path.name + ".part")
        temporary.write_text("\n".join(lines) + "\n")
        temporary.rename(self.path)
