"""Nearest neighbours: numba and torch against a plain search, jet by jet and pair by pair."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.models.kernels.neighbours import edge_offsets, nearest_neighbours

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from training.networks.edges.neighbours import edges_in_torch, find_edges  # noqa: E402


def plain(points: np.ndarray, offsets: np.ndarray, k: int) -> list[list[int]]:
    """The neighbours of each row: all others sorted by (squared distance, index); without a choice by index."""
    found = []
    for first, last in pairwise(offsets):
        for i in range(first, last):
            others = [j for j in range(first, last) if j != i]
            if len(others) > k:
                keyed = []
                for j in others:
                    distance = points.dtype.type(0)
                    with np.errstate(invalid="ignore"):  # inf - inf
                        for a, b in zip(points[i], points[j], strict=True):
                            distance += (a - b) * (a - b)
                    keyed.append((np.inf if np.isnan(distance) else distance, j))
                others = [j for _, j in sorted(keyed)[:k]]
            found.append(others or [i])
    return found


def as_lists(source: np.ndarray, starts: np.ndarray) -> list[list[int]]:
    return [list(source[a:b]) for a, b in pairwise(starts)]


CASES = {
    "every size": (5, 0, 1, 2, 0, 3, 4, 9, 1, 12, 0),
    "no jets": (),
    "only empty jets": (0, 0),
    "one row": (1,),
    "one large jet": (60,),
}


@pytest.mark.parametrize("counts", CASES.values(), ids=CASES)
@pytest.mark.parametrize(("k", "width"), [(1, 2), (3, 2), (3, 7), (16, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numba_and_torch_equal_a_plain_search(counts: tuple[int, ...], k: int, width: int, dtype: type) -> None:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    points = np.random.default_rng(4).normal(size=(offsets[-1], width)).astype(dtype)
    wanted = plain(points, offsets, k)
    source, starts = nearest_neighbours(points, offsets, k)
    assert (source.dtype, starts.dtype) == (np.int64, np.int64)
    assert as_lists(source, starts) == wanted
    edges = edges_in_torch(torch.from_numpy(points), torch.from_numpy(offsets), k)
    assert as_lists(edges.source.numpy(), edges.starts.numpy()) == wanted


def test_ties_go_to_the_lower_index() -> None:
    """Points of a lattice, as calorimeter towers give them, in an order of their own."""
    lattice = np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), axis=-1).reshape(-1, 2).astype(np.float32)
    points = np.random.default_rng(2).permutation(np.concatenate([lattice, lattice[:7]]))
    offsets = np.array([0, 20, len(points)], np.int64)
    wanted = plain(points, offsets, 4)
    source, starts = nearest_neighbours(points, offsets, 4)
    assert as_lists(source, starts) == wanted
    edges = edges_in_torch(torch.from_numpy(points), torch.from_numpy(offsets), 4)
    assert torch.equal(edges.source, torch.from_numpy(source))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_coordinate_stays_in_its_jet_and_comes_last(bad: float) -> None:
    points = np.random.default_rng(3).normal(size=(18, 2)).astype(np.float32)
    points[[2, 4], 1] = bad
    offsets = np.array([0, 9, 18], np.int64)
    wanted = plain(points, offsets, 7)
    source, starts = nearest_neighbours(points, offsets, 7)
    assert as_lists(source, starts) == wanted
    assert 4 not in wanted[0]
    edges = edges_in_torch(torch.from_numpy(points), torch.from_numpy(offsets), 7)
    assert torch.equal(edges.source, torch.from_numpy(source))


def test_memory_of_the_search_in_torch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(5).normal(size=(90, 2)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum([20, 0, 3, 30, 1, 36])]).astype(np.int64)
    source, _ = nearest_neighbours(points, offsets, 5)
    monkeypatch.setattr("training.networks.edges.neighbours._PAIRS", 1300)
    edges = edges_in_torch(torch.from_numpy(points), torch.from_numpy(offsets), 5)
    assert torch.equal(edges.source, torch.from_numpy(source))


def test_rows_out_of_line_in_memory_and_graphs_with_gradients() -> None:
    points = np.random.default_rng(6).normal(size=(4, 30)).astype(np.float32).T
    assert not points.flags.c_contiguous
    offsets = np.array([0, 30], np.int64)
    source, starts = nearest_neighbours(points, offsets, 5)
    assert as_lists(source, starts) == plain(points, offsets, 5)
    edges = find_edges(torch.from_numpy(points).requires_grad_(), torch.from_numpy(offsets), 5)
    assert torch.equal(edges.source, torch.from_numpy(source))


def test_edge_offsets_count_the_neighbours() -> None:
    np.testing.assert_array_equal(edge_offsets(np.array([0, 0, 1, 3, 7]), 2), [0, 1, 2, 3, 5, 7, 9, 11])


def test_bad_input_is_refused() -> None:
    points, offsets = np.zeros((3, 2)), np.array([0, 3])
    with pytest.raises(InputError, match="k of at least 1; got 0"):
        nearest_neighbours(points, offsets, 0)
    with pytest.raises(InputError, match=r"got points \(3, 2\) and offsets from 0 to 2"):
        nearest_neighbours(points, np.array([0, 2]), 1)
    with pytest.raises(InputError, match="offsets that are empty"):
        nearest_neighbours(points, np.array([], np.int64), 1)
