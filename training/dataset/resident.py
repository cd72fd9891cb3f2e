"""Prepared jets in the memory of a GPU: batches are gathered, turned and mirrored there, and nothing waits for them.

A batch has the same content as one of `training.dataset.stream`: order, angles and sides are drawn on the CPU by the
same seeds, for a whole pass at a time. How many constituents a batch has is counted there too, since a GPU that is
asked for a size must first finish all that was given to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.dataset.cache import PreparedJets
from training.dataset.symmetry import Drawn, columns_of, draw

__all__ = ["ResidentJets", "ResidentStream", "gather_on_device"]

#: Share of a GPU's free memory that the jets may take: the network's activations need the rest.
_LARGEST_SHARE = 0.5


def gather_on_device(content: Tensor, offsets: Tensor, jets: Tensor, total: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the constituents of ``jets``, jet by jet: `training.dataset.gather.gather_jagged` in torch.

    Parameters
    ----------
    content : Tensor [N, F]
        All constituents, grouped by jet.
    offsets : Tensor, int64 [n + 1]
        Jet ``j`` owns rows ``offsets[j]:offsets[j + 1]``.
    jets : Tensor, int64 [m]
        Which jets, in which order; repeats are allowed.
    total : int
        Constituents of all of them together.

    Returns
    -------
    rows : Tensor [total, F]
    offsets : Tensor, int64 [m + 1]
        Of the gathered rows, from 0.
    jet_of_row : Tensor, int64 [total]
        Position in ``jets`` of each row.
    """
    first = offsets[jets]
    counts = offsets[jets + 1] - first
    gathered = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
    jet_of_row = torch.repeat_interleave(counts, output_size=total)
    source = torch.arange(total, device=content.device) + (first - gathered[:-1])[jet_of_row]
    return content.index_select(0, source), gathered, jet_of_row


class ResidentJets:
    """The tensors of some prepared jets on a device.

    Parameters
    ----------
    jets : PreparedJets
        All jets.
    device : torch.device
        Where they are kept.
    """

    def __init__(self, jets: PreparedJets, device: torch.device) -> None:
        self.feature_set = jets.feature_set
        self.device = device
        self.target = torch.tensor(jets.columns["target"], device=device)
        self.features = {name: torch.tensor(values, device=device) for name, values in jets.features.items()}
        self.counts = {c: np.diff(jets.features[f"{c}_offsets"]) for c in jets.feature_set.constituents}

    @staticmethod
    def fit(jets: PreparedJets, device: torch.device) -> bool:
        """Return whether the jets fit into a GPU's memory beside a network; never true of the CPU."""
        if device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(device)
        return sum(values.nbytes for values in jets.features.values()) < _LARGEST_SHARE * free

    def batch(self, rows: Tensor, totals: dict[str, int], weight: Tensor, turned: Drawn | None) -> dict[str, Tensor]:
        """Return the batch of some jets, as `training.dataset.stream.gather_batch` does.

        Parameters
        ----------
        rows : Tensor, int64 [m]
            Which jets.
        totals : dict of str to int
            Their constituents by collection.
        weight : Tensor [m]
            Their weights in the loss.
        turned : Drawn or None
            How each is turned and mirrored, Tensors [m].
        """
        batch = {
            "jet_features": self.features["jet_features"].index_select(0, rows),
            "target": self.target.index_select(0, rows),
            "weight": weight,
        }
        if turned is not None:
            self._turn(batch["jet_features"], "jet", turned)
        for c, total in totals.items():
            content, offsets, jet = gather_on_device(
                self.features[f"{c}_features"], self.features[f"{c}_offsets"], rows, total
            )
            if turned is not None:
                self._turn(content, c, Drawn(*(values[jet] for values in turned)))
            batch |= {f"{c}_features": content, f"{c}_offsets": offsets}
        return batch

    def _turn(self, rows: Tensor, collection: str, drawn: Drawn) -> None:
        """Turn and mirror rows, in place, each as drawn for it (see `training.dataset.symmetry`)."""
        columns = columns_of(self.feature_set.names()[collection])
        for column in columns.phi:
            phi = drawn.azimuth * rows[:, column] + drawn.angle
            rows[:, column] = torch.where(phi >= np.pi, phi - 2.0 * np.pi, phi)
        for group, sign in ((columns.side, drawn.side), (columns.azimuth, drawn.azimuth)):
            for column, kept in group.items():
                values = rows[:, column]
                rows[:, column] = torch.where(values == kept, values, values * sign)
        for pair in columns.charges:
            both = rows[:, list(pair)]
            rows[:, list(pair)] = torch.where(drawn.azimuth[:, None] < 0, both.flip(1), both)


class ResidentStream:
    """One pass over some jets in batches on their device; see `training.dataset.stream.Stream`.

    Parameters
    ----------
    jets : ResidentJets
        All jets.
    rows, weight, batch_size, whole_batches, turned, further
        As of `Stream`.

    Attributes
    ----------
    waited : float
        0: nobody waits for a batch.
    """

    waited = 0.0

    def __init__(
        self,
        jets: ResidentJets,
        rows: NDArray[np.int64],
        weight: NDArray[np.float32],
        batch_size: int,
        whole_batches: bool = False,
        turned: tuple[int, ...] | None = None,
        further: Mapping[str, NDArray[np.generic]] = MappingProxyType({}),
    ) -> None:
        if whole_batches and len(rows) > batch_size:
            rows = rows[: len(rows) - len(rows) % batch_size]
        self.jets = jets
        self.rows = rows
        self.weight = weight
        self.batch_size = batch_size
        self.turned = turned
        self.further = further

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield the batches."""
        begins = range(0, len(self.rows), self.batch_size)
        sizes = [min(self.batch_size, len(self.rows) - begin) for begin in begins]
        totals = {
            c: np.add.reduceat(counts[self.rows], begins).tolist() if len(begins) else []
            for c, counts in self.jets.counts.items()
        }
        weights = self._sent(self.weight[self.rows]).split(self.batch_size)
        further = {name: self._sent(values[self.rows]).split(self.batch_size) for name, values in self.further.items()}
        turned = self._drawn(sizes)
        for i, rows in enumerate(self._sent(self.rows).split(self.batch_size)[: len(sizes)]):
            batch = self.jets.batch(rows, {c: int(total[i]) for c, total in totals.items()}, weights[i], turned[i])
            yield batch | {name: parts[i] for name, parts in further.items()}

    def _drawn(self, sizes: list[int]) -> list[Drawn | None]:
        """Return how the jets of every batch are turned, drawn batch by batch as `Stream` does, sent at once."""
        if self.turned is None or not sizes:
            return [None] * len(sizes)
        rng = np.random.default_rng(self.turned)
        drawn = [draw(size, rng) for size in sizes]
        sent = [self._sent(np.concatenate(part)).split(sizes) for part in zip(*drawn, strict=True)]
        return [Drawn(*batch) for batch in zip(*sent, strict=True)]

    def _sent(self, values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self.jets.device)
