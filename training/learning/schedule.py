"""The learning rate over a training, and when the training ends.

On a plateau the rate falls, and the training stops, when the validation loss no longer gains. Half of a short training
then passes at a learning rate that no longer gains anything. A cosine of fixed length rises linearly and falls along
half a cosine to 0. It needs to know its end: so many epochs, so many jets, or so many minutes, whichever comes first.
Source: I. Loshchilov, F. Hutter, arXiv:1608.03983, without restarts.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any

import lightning
import torch

from training.learning.settings import Learning

__all__ = ["CosineSchedule", "plateau", "rate_share", "schedule_callbacks"]


def rate_share(done: float, warm_up: float) -> float:
    """Return the share of the full learning rate after a share ``done`` of the training, 0 to 1."""
    if done < warm_up:
        return done / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * min((done - warm_up) / (1.0 - warm_up), 1.0)))


class CosineSchedule(lightning.Callback):
    """Sets the learning rate before every batch, and ends the training when the schedule is over.

    A training that is limited by time anneals within that time: the share done is that of the batches or that of the
    minutes, whichever is larger. Its weights then depend on the machine's speed. A resumed training counts the minutes
    that were used before.

    Parameters
    ----------
    learning : Learning
        Learning rate, warm-up and limit of time.
    batches : int
        Batches in the whole training.
    """

    def __init__(self, learning: Learning, batches: int) -> None:
        self.learning = learning
        self.batches = max(batches, 1)
        self._before = 0.0
        self._begin: float | None = None

    @property
    def seconds(self) -> float:
        """Time spent so far, validation included."""
        return self._before + (0.0 if self._begin is None else time.monotonic() - self._begin)

    def done(self, batches: int) -> float:
        """Return the share of the training that is over after so many batches."""
        share = batches / self.batches
        if self.learning.max_minutes is not None:
            share = max(share, self.seconds / (60.0 * self.learning.max_minutes))
        return min(share, 1.0)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock; a training that is over already stays so."""
        self._begin = time.monotonic()
        if self.done(trainer.global_step) >= 1.0:
            trainer.should_stop = True

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Set the learning rate of this batch."""
        share = rate_share(self.done(trainer.global_step + 1), self.learning.warm_up)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self.learning.learning_rate * share

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """End the training where the schedule ends; the validation follows."""
        if self.done(trainer.global_step) >= 1.0:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self._before = float(state_dict["seconds"])


def plateau(optimiser: torch.optim.Optimizer, learning: Learning) -> dict[str, Any]:
    """Return, for Lightning, the optimiser with a rate that falls after some epochs without gain."""
    # torch waits for one epoch more than its patience; the reference's patience counts every epoch without gain.
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="min", factor=learning.plateau_factor, patience=learning.plateau_patience - 1,
        threshold=learning.least_gain, threshold_mode="abs",
    )  # fmt: skip
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}


def schedule_callbacks(learning: Learning, batches: int) -> list[lightning.Callback]:
    """Return the callbacks that end a training as its schedule says.

    Parameters
    ----------
    learning : Learning
    batches : int
        Batches in the whole training.
    """
    from lightning.pytorch.callbacks import EarlyStopping, Timer

    if learning.schedule == "cosine":
        return [CosineSchedule(learning, batches)]
    callbacks: list[lightning.Callback] = [
        EarlyStopping("val_loss", min_delta=learning.least_gain, patience=learning.stop_patience, mode="min")
    ]
    if learning.max_minutes is not None:
        callbacks.append(Timer(timedelta(minutes=learning.max_minutes), interval="epoch", verbose=False))
    return callbacks
