"""Tiles of edges: whole rows whose edges stay in a core's cache, and their shares between threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from training.networks.edges.neighbours import Edges

__all__ = ["Rows", "longest", "shares_of", "tiles_of"]

#: Numbers in a tile of edges: 256 kB in single precision, half of a core's second-level cache.
_TILE = 2**16

Rows = tuple[int, int]


def tiles_of(edges: Edges, width: int) -> list[Rows]:
    """Cut the rows into tiles of about `_TILE` / width edges, (first, last) each; no jet is cut."""
    ends = edges.starts[edges.offsets].numpy()
    tiles, begin = [], 0
    while begin < len(ends) - 1:
        end = int(np.searchsorted(ends, ends[begin] + max(_TILE // width, 1), side="right")) - 1
        end = min(max(end, begin + 1), len(ends) - 1)
        first, last = int(edges.offsets[begin]), int(edges.offsets[end])
        if last > first:
            tiles.append((first, last))
        begin = end
    return tiles


def shares_of(edges: Edges, width: int) -> list[list[Rows]]:
    """Return a list of tiles for each of torch's threads: whole jets, so that no two write to the same row."""
    tiles, n = tiles_of(edges, width), torch.get_num_threads()
    return [tiles[i * len(tiles) // n : (i + 1) * len(tiles) // n] for i in range(n)]


def longest(starts: NDArray[np.int64], tiles: Sequence[Rows]) -> int:
    """Return the edges of the largest tile."""
    return max((int(starts[last] - starts[first]) for first, last in tiles), default=0)
