"""The training loop: one step, the history, and the epochs under Lightning; the losses of the weights that are kept."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.learning.batches import JetBatches
from training.learning.flavour_term import flavour_term
from training.learning.further import CLASS, GROUP, TAUGHT
from training.learning.history import begin_history, write_epoch
from training.learning.in_situ import InSitu
from training.learning.losses import Loss, class_term, correction_of, teachers_term
from training.learning.schedule import plateau, schedule_callbacks
from training.learning.settings import Learning
from training.networks.layers import hold_norms
from training.networks.network import Network

__all__ = ["History", "JetRegression", "final_losses", "fit"]


class JetRegression(lightning.LightningModule):
    """A network, its loss and its optimiser; with data, what `training.learning.in_situ` adds to the loss."""

    def __init__(self, network: Network, learning: Learning, loss: Loss, in_situ: InSitu | None = None) -> None:
        super().__init__()
        self.network = network
        self.learning = learning
        self.loss = loss
        self.in_situ = in_situ
        # Sums of loss x weight and of weights, of the epoch's training and validation; on the network's device, so that
        # nothing waits for it batch by batch. No buffer: those are averaged where weights are.
        self.sums: Tensor = torch.zeros(2, 2, dtype=torch.float64)

    def _loss(self, batch: Mapping[str, Tensor], predicted: Tensor) -> Tensor:
        """Return the loss of a batch with truth."""
        loss, learning = self.loss, self.learning
        target, weight = batch["target"], batch["weight"]
        total = loss(predicted, loss.targets(batch), weight, learning.loss_range)
        if TAUGHT in batch:
            taught = teachers_term(predicted, batch[TAUGHT], weight)
            total = (1.0 - learning.teachers_share) * total + learning.teachers_share * taught
        if GROUP in batch:
            asked = learning.flavour
            term = flavour_term(correction_of(predicted), target, weight, batch[GROUP], asked.tau, asked.forward)
            total = total + asked.weight * term
        if CLASS in batch:
            term = class_term(predicted, batch[CLASS], weight, len(learning.classes))
            total = total + learning.classes_weight * term
        return total

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of one batch; the epoch's is the mean over its jets."""
        predicted = self.network(batch)
        loss = self._loss(batch, predicted)
        if self.in_situ is not None:
            loss = loss + self.in_situ.loss(self.network, batch, correction_of(predicted))
        n = len(batch["target"])
        self.sums[0] += torch.stack([loss.detach().double() * n, torch.full_like(loss, n, dtype=torch.float64)])
        return loss

    def on_fit_start(self) -> None:
        """Bring what data need to the network's device."""
        if self.in_situ is not None:
            self.in_situ.to(self.device)

    def on_train_epoch_start(self) -> None:
        """Start the sums over the training jets."""
        if self.in_situ is not None or self.learning.trained_layers != "all":
            hold_norms(self.network)
        if self.in_situ is not None:
            self.in_situ.begin_epoch()
        self.sums = torch.zeros(2, 2, dtype=torch.float64, device=self.device)

    def on_validation_epoch_start(self) -> None:
        """Start the sums over the validation jets, and take the data's term: only now are averaged weights in place."""
        self.sums[1] = 0.0
        if self.in_situ is not None:
            self.in_situ.measure(self.network)

    def validation_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:
        """Add one batch: the loss is a ratio of sums over all jets, so that batch borders do not matter."""
        predicted, weight = self.network(batch), batch["weight"].sum().double()
        self.sums[1] += torch.stack([self._loss(batch, predicted).double() * weight, weight])
        if self.in_situ is not None:
            self.in_situ.watch(batch, correction_of(predicted))

    def on_validation_epoch_end(self) -> None:
        """Log the losses of training and validation, and the learning rate."""
        (train, jets), (total, weight) = self.sums.tolist()
        val_loss = total / weight
        if self.in_situ is not None:
            epoch = -1 if self.trainer.sanity_checking else self.current_epoch
            val_loss = self.in_situ.validate(val_loss, epoch)
            self.trainer.should_stop |= self.in_situ.diverged is not None
        if self.trainer.sanity_checking:
            return
        self.log("train_loss", train / jets, prog_bar=True)
        self.log("val_loss", val_loss, prog_bar=True)
        self.log("learning_rate", float(self.trainer.optimizers[0].param_groups[0]["lr"]), prog_bar=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the multipliers and the place in the data."""
        if self.in_situ is not None:
            checkpoint["in_situ"] = self.in_situ.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take them up."""
        if self.in_situ is not None:
            self.in_situ.restore(checkpoint["in_situ"])

    def configure_optimizers(self) -> Any:
        """Adam; the learning rate falls when the validation loss stays on a plateau, or `CosineSchedule` sets it."""
        settings = self.learning
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        matrices = [parameter for parameter in trained if parameter.ndim > 1]
        others = [parameter for parameter in trained if parameter.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        return optimiser if settings.schedule == "cosine" else plateau(optimiser, settings)


class History(lightning.Callback):
    """Adds the line of every epoch to ``metrics.csv``; a resumed run keeps the lines before."""

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
        begin_history(self.path, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Add the line of an epoch."""
        metrics = [float(trainer.callback_metrics[name]) for name in ("train_loss", "val_loss", "learning_rate")]
        waited = trainer.datamodule.stream.waited
        write_epoch(self.path, trainer.current_epoch, metrics, self._jets, self._end - self._begin, waited)


def fit(
    module: JetRegression,
    batches: JetBatches,
    folder: Path,
    learning: Learning,
    checkpoint: Path | None,
    progress: bool,
) -> Path:
    """Run the epochs and return the checkpoint of the best weights.

    Parameters
    ----------
    module : JetRegression
    batches : JetBatches
    folder : Path
        The run's: gets ``checkpoints/``, ``metrics.csv`` and, with tensorboard, its log.
    learning : Learning
    checkpoint : Path or None
        Where an interrupted run goes on.
    progress : bool
        Whether to show a progress bar.
    """
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, RichProgressBar

    # What it says of accelerators and of services to buy is of no use here; warnings still come through.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    best = ModelCheckpoint(
        folder / "checkpoints", "epoch-{epoch:03d}", monitor="val_loss", save_last=True, auto_insert_metric_name=False,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[Any] = [
        best,
        History(folder / "metrics.csv"),
        *([] if learning.ema is None else [EMAWeightAveraging(decay=learning.ema)]),
        *schedule_callbacks(learning, batches.scheduled_batches),
    ]
    if progress:
        callbacks.append(RichProgressBar())
    trainer = Trainer(
        accelerator=learning.accelerator,
        devices=1,
        max_epochs=learning.max_epochs,
        callbacks=callbacks,
        logger=_logger(folder),
        enable_progress_bar=progress,
        enable_model_summary=False,
        # The start's own loss, to compare with.
        num_sanity_val_steps=0 if module.in_situ is None else -1,
        gradient_clip_val=learning.loss_function.clip,
        log_every_n_steps=1,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        # lightning 2.6 asks torch 2.13 in a way that torch deprecates: nothing a reader can act on.
        warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
        # A resumed run goes on in its own folder.
        warnings.filterwarnings(
            "ignore", message="Checkpoint directory .* exists and is not empty", category=UserWarning
        )
        trainer.fit(module, datamodule=batches, ckpt_path=checkpoint, weights_only=True)
    return Path(best.best_model_path)


def _logger(folder: Path) -> Any:
    """TensorBoard where it is installed; ``metrics.csv`` is there in any case."""
    from lightning.pytorch.loggers import TensorBoardLogger

    try:
        metadata.version("tensorboard")
    except metadata.PackageNotFoundError:
        return False
    return TensorBoardLogger(folder, name="tensorboard", version=0)


def final_losses(
    network: Network, batches: JetBatches, rows: dict[str, NDArray[np.int64]], loss: Loss
) -> dict[str, float]:
    """Return the loss of a network on validation and test jets in the target density, and that of no correction.

    The network is in evaluation mode, where the batches are.

    Keys: ``val_loss``, ``val_loss_uncorrected``, ``test_loss``, ``test_loss_uncorrected`` (test where it has jets).
    """
    metrics = {}
    for name in ("val", "test"):
        if not len(rows[name]):
            continue
        parts = []
        with torch.no_grad():
            for batch in batches.in_order(rows[name]):
                predicted = network(batch).reshape(len(batch["target"]), -1)
                parts.append(torch.column_stack([loss.targets(batch), batch["weight"], predicted]).cpu())
        together = torch.cat(parts)
        target, weight, predicted = torch.tensor_split(together, [loss.width, loss.width + 1], dim=1)
        for label, values in (("loss", predicted), ("loss_uncorrected", torch.zeros_like(predicted))):
            metrics[f"{name}_{label}"] = float(loss(values, target, weight[:, 0], batches.learning.loss_range))
    return metrics
