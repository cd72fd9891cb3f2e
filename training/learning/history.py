"""The history of a training: one line an epoch in ``metrics.csv``, and its speed."""

from __future__ import annotations

import csv
from pathlib import Path

from coffea_mljec.support.atomic import write_text

__all__ = ["COLUMNS", "begin_history", "read_history", "speed", "write_epoch"]

COLUMNS = ("epoch", "train_loss", "val_loss", "learning_rate", "jets", "seconds", "jets_per_second", "waiting")
"""``seconds`` are those of the training batches, ``waiting`` the share of them spent waiting for batches."""


def read_history(path: Path) -> list[dict[str, str]]:
    """Return the lines of a history, oldest first."""
    with path.open() as file:
        return list(csv.DictReader(file))


def begin_history(path: Path, epoch: int) -> None:
    """Start a history, or go on with one: the lines of the epochs before ``epoch`` stay."""
    lines = path.read_text().splitlines()[1:] if path.is_file() else []
    kept = [line for line in lines if int(line.split(",", 1)[0]) < epoch]
    _write(path, [",".join(COLUMNS), *kept])


def write_epoch(path: Path, epoch: int, metrics: list[float], jets: int, seconds: float, waited: float) -> None:
    """Add the line of an epoch.

    Parameters
    ----------
    path : Path
    epoch : int
    metrics : list of float
        Losses of training and validation, learning rate.
    jets : int
        Jets that reached the network.
    seconds, waited : float
        Of the training batches, and of these the time spent waiting for them.
    """
    values = [str(epoch), *(f"{value:.7g}" for value in metrics)]
    values += [str(jets), f"{seconds:.3f}", f"{jets / seconds:.0f}", f"{waited / seconds:.4f}"]
    _write(path, [*path.read_text().splitlines(), ",".join(values)])


def speed(path: Path) -> dict[str, float]:
    """Return jets a second that reached the network and the share of that time spent waiting, over all epochs."""
    lines = read_history(path)
    seconds = sum(float(line["seconds"]) for line in lines)
    return {
        "jets_per_second": sum(float(line["jets"]) for line in lines) / max(seconds, 1e-9),
        "waiting": sum(float(line["waiting"]) * float(line["seconds"]) for line in lines) / max(seconds, 1e-9),
        "seconds": seconds,
    }


def _write(path: Path, lines: list[str]) -> None:
    write_text(path, "\n".join(lines) + "\n")
