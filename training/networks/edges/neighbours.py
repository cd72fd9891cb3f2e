"""The edges of a batch of jets for torch: numba on the CPU, the same rule in Triton or in torch on a GPU.

They are found outside the autograd graph: which rows are neighbours has no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec

import torch
from torch import Tensor

from coffea_mljec.models.kernels.neighbours import edge_offsets, nearest_neighbours
from training.networks.rows.segments import rows_of

__all__ = ["Edges", "edges_in_numba", "edges_in_torch", "edges_in_triton", "find_edges", "has_triton"]

#: Distances held at a time by `edges_in_torch`: 256 MB of them, and twice that while they are sorted.
_PAIRS = 2**26


@dataclass(frozen=True)
class Edges:
    """Which rows a row hears of.

    Attributes
    ----------
    source : Tensor, int64 [E]
        The neighbours of row 0, of row 1, ...
    starts : Tensor, int64 [N + 1]
        Row i has the edges ``starts[i]:starts[i + 1]``; each row has at least one.
    offsets : Tensor, int64 [n + 1]
        The rows of each jet: no edge leaves a jet.
    largest : int or None
        Rows of the largest jet, where that had to be known.
    """

    source: Tensor
    starts: Tensor
    offsets: Tensor
    largest: int | None = None

    @cached_property
    def target(self) -> Tensor:
        """The row that an edge leads to, int64 [E]."""
        return rows_of(self.starts, len(self.source))


@cache
def has_triton() -> bool:
    """Return whether there is Triton, which comes with torch's builds for GPUs."""
    return find_spec("triton") is not None


def find_edges(points: Tensor, offsets: Tensor, k: int, before: Edges | None = None) -> Edges:
    """Return the edges to the k nearest neighbours within each jet, by the rules of `nearest_neighbours`.

    Parameters
    ----------
    points : Tensor, float [N, C]
        Coordinates; detached.
    offsets : Tensor, int64 [n + 1]
        The rows of each jet.
    k : int
        Neighbours of a row.
    before : Edges, optional
        Edges of the same rows for the same k at other points: how many there are is known then.
    """
    points = points.detach()
    if points.device.type == "cpu":
        return edges_in_numba(points, offsets, k)
    return edges_in_triton(points, offsets, k, before) if has_triton() else edges_in_torch(points, offsets, k)


def edges_in_numba(points: Tensor, offsets: Tensor, k: int) -> Edges:
    """Return the edges of tensors on the CPU."""
    source, starts = nearest_neighbours(points.numpy(), offsets.numpy(), k)
    return Edges(torch.from_numpy(source), torch.from_numpy(starts), offsets)


def edges_in_triton(points: Tensor, offsets: Tensor, k: int, before: Edges | None = None) -> Edges:
    """Return the same edges, found by one program a row; the GPU is waited for only where ``before`` is not given.

    Distances are sums in another order than numba's: of neighbours whose distances agree to the last digits, either may
    come first.
    """
    from triton import next_power_of_2

    from training.networks.edges import gpu_kernels

    points = points.contiguous()
    jet = rows_of(offsets, len(points))
    if before is None or before.largest is None:
        size = offsets.diff()
        degree = (size - 1).clamp(1, k)
        starts = torch.nn.functional.pad(degree[jet].cumsum(0), (1, 0))
        largest = size.max() if len(size) else starts[0]
        n_edges, rows = (int(number) for number in torch.stack([starts[-1], largest]).tolist())
        source = points.new_empty(n_edges, dtype=torch.int64)
        before = Edges(source, starts, offsets, rows)
    edges = Edges(torch.empty_like(before.source), before.starts, offsets, before.largest)
    if not len(points):
        return edges
    columns = min(max(next_power_of_2(points.shape[1]), 2), 16)
    gpu_kernels.nearest[(len(points),)](
        points, offsets, jet, edges.starts, k, edges.source, WIDTH=points.shape[1], BLOCK_C=columns,
        BLOCK_P=max(next_power_of_2(edges.largest or 1), 16), LARGEST=torch.finfo(torch.float32).max,
        num_warps=1,
    )  # fmt: skip
    return edges


def edges_in_torch(points: Tensor, offsets: Tensor, k: int) -> Edges:
    """Return the same edges, found on the tensors' own device: distances of padded jets, sorted stably.

    Only the search is padded, some jets at a time; what is returned is flat.
    """
    device = points.device
    size = offsets.diff()
    largest = int(size.max()) if len(size) else 0
    starts = torch.from_numpy(edge_offsets(offsets.cpu().numpy(), k)).to(device)
    parts = []
    for first in range(0, len(size), max(1, _PAIRS // max(1, largest) ** 2)):
        last = min(first + max(1, _PAIRS // max(1, largest) ** 2), len(size))
        parts.append(_sources(points, offsets[first : last + 1], k))
    source = torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64, device=device)
    return Edges(source, starts, offsets)


def _sources(points: Tensor, offsets: Tensor, k: int) -> Tensor:
    size = offsets.diff()
    largest = int(size.max())
    if largest == 0:
        return torch.zeros(0, dtype=torch.int64, device=points.device)
    slot = torch.arange(largest, device=points.device)
    real = slot < size[:, None]
    padded = points.new_zeros(len(size), largest, points.shape[1])
    padded[real] = points[offsets[0] : offsets[-1]]
    distance = points.new_zeros(len(size), largest, largest)
    for coordinate in padded.unbind(2):  # one at a time, as numba adds them: the sums are the same to the last bit
        distance += (coordinate[:, :, None] - coordinate[:, None, :]) ** 2
    worst = torch.finfo(points.dtype).max
    distance = distance.nan_to_num(nan=worst, posinf=worst)
    excluded = ~real[:, None, :] | torch.eye(largest, dtype=torch.bool, device=points.device)
    distance = distance.masked_fill(excluded, torch.inf)
    order = distance.argsort(dim=2, stable=True)[:, :, :k]
    degree = (size - 1).clamp(1, k)
    few = (size <= k + 1)[:, None, None] & (slot[: order.shape[2]] < degree[:, None, None])
    if bool(few.any()):  # no choice there: numba leaves them in the order of their index
        by_index = torch.where(few, order, largest).sort(dim=2).values
        order = torch.where(few, by_index, order)
    wanted = real[:, :, None] & (slot[: order.shape[2]] < degree[:, None, None])
    return (order + offsets[:-1, None, None])[wanted]
