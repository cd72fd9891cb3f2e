"""Batches of prepared jets for torch: rows gathered by a thread that stays a few batches ahead."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.dataset.cache import PreparedJets
from training.dataset.gather import gather_jagged
from training.dataset.symmetry import turn

__all__ = ["Stream", "gather_batch"]

_AHEAD = 4


def gather_batch(
    jets: PreparedJets,
    rows: NDArray[np.int64],
    weight: NDArray[np.float32],
    turned: np.random.Generator | None = None,
    further: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return one batch of torch tensors: the graph's inputs, ``target``, ``weight`` and further columns.

    Jets may be turned at random.
    """
    import torch

    batch = {
        "jet_features": jets.features["jet_features"][rows],
        "target": jets.columns["target"][rows],
        "weight": weight[rows],
    } | {name: values[rows] for name, values in further.items()}
    for collection in jets.feature_set.constituents:
        content, offsets, _ = gather_jagged(
            jets.features[f"{collection}_features"], jets.features[f"{collection}_offsets"], rows
        )
        batch |= {f"{collection}_features": content, f"{collection}_offsets": offsets}
    if turned is not None:
        turn(batch, jets.feature_set, turned)
    return {name: torch.from_numpy(values) for name, values in batch.items()}


class Stream:
    """One pass over some jets in batches; iterate again for another pass.

    Parameters
    ----------
    jets : PreparedJets
        All jets.
    rows : int64 array
        The jets of this pass, in its order.
    weight : float32 array, shape (len(jets),)
        Weight in the loss of every jet.
    batch_size : int
        Jets in a batch; the last one may be smaller.
    turned : tuple of int or None
        Seed of the angles and sides by which jets are turned and mirrored (see `training.dataset.symmetry`), None to
        leave them as they are.
    whole_batches : bool
        Leave out the last batch if it is not full and not the only one: batch norm and Adam would give a few jets as
        much say as a thousand.
    further : mapping of str to array, shape (len(jets),)
        Columns of all jets that batches have beside.

    Attributes
    ----------
    waited : float
        Seconds that the consumer waited for batches in the last pass.
    """

    def __init__(
        self,
        jets: PreparedJets,
        rows: NDArray[np.int64],
        weight: NDArray[np.float32],
        batch_size: int,
        whole_batches: bool = False,
        turned: tuple[int, ...] | None = None,
        further: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    ) -> None:
        self.jets = jets
        self.further = further
        self.turned = turned
        self.weight = weight
        self.batch_size = batch_size
        if whole_batches and len(rows) > batch_size:
            rows = rows[: len(rows) - len(rows) % batch_size]
        self.rows = rows
        self.waited = 0.0

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the batches; an error in the gathering thread is raised here."""
        ready: queue.Queue[dict[str, Any] | BaseException] = queue.Queue(_AHEAD)
        stop = threading.Event()

        def put(item: dict[str, Any] | BaseException) -> bool:
            while not stop.is_set():
                try:
                    ready.put(item, timeout=0.1)
                except queue.Full:
                    continue
                return True
            return False

        def work() -> None:
            try:
                rng = None if self.turned is None else np.random.default_rng(self.turned)
                for start in range(0, len(self.rows), self.batch_size):
                    rows = self.rows[start : start + self.batch_size]
                    batch = gather_batch(self.jets, rows, self.weight, rng, self.further)
                    if not put(batch):
                        return
            except BaseException as error:
                put(error)

        thread = threading.Thread(target=work, name="mljec-gather", daemon=True)
        self.waited = 0.0
        thread.start()
        try:
            for _ in range(len(self)):
                asked = time.perf_counter()
                item = ready.get()
                self.waited += time.perf_counter() - asked
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()
            thread.join()
