"""The learning rate over a training of fixed length: a linear warm-up, then half a cosine down to 0.

Where a plateau is waited for, half of a short training passes at a learning rate that no longer gains anything. A
cosine needs to know its end: so many epochs, so many jets, or so many minutes, whichever comes first. Source:
I. Loshchilov, F. Hutter, arXiv:1608.03983, without restarts.
"""

from __future__ import annotations

import math
import time
from typing import Any

import lightning

from training.learning.recipe import Learning

__all__ = ["Pace", "share_of_rate"]


def share_of_rate(done: float, warm_up: float) -> float:
    """Return the share of the full learning rate after a share ``done`` of the training, 0 to 1."""
    if done < warm_up:
        return done / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * min((done - warm_up) / (1.0 - warm_up), 1.0)))


class Pace(lightning.Callback):
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
        share = share_of_rate(self.done(trainer.global_step + 1), self.learning.warm_up)
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
