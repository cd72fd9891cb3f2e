"""The binning: intervals and fine bins are exact sums, flavours are the documented ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from coffea_mljec.validation.common.binning import (
    FINE_EDGES,
    FLAVOURS,
    INTERVALS,
    PT_EDGES,
    RESPONSE_EDGES,
    flavour_index,
    jet_histogram,
    pt_slice,
    response_histogram,
)


def test_fine_bins_and_intervals_are_edges_of_the_axis() -> None:
    np.testing.assert_array_equal(FINE_EDGES, np.geomspace(20, 3000, 20))
    assert set(FINE_EDGES) <= set(PT_EDGES)
    assert {30.0, 50.0, 100.0, 300.0, 1000.0} <= set(PT_EDGES)
    assert np.all(np.diff(PT_EDGES) > 1.0)


def test_fine_bins_tile_the_axis_and_open_intervals_hold_the_overflow() -> None:
    tiles = [pt_slice(low, high) for low, high in itertools.pairwise(FINE_EDGES)]
    assert [t.start for t in tiles] == [0, *[t.stop for t in tiles[:-1]]]
    assert tiles[-1].stop == len(PT_EDGES) - 1
    extent = jet_histogram().axes["pt_gen"].extent
    assert pt_slice(*INTERVALS[">30"]).stop == pt_slice(*INTERVALS[">1000"]).stop == extent == len(PT_EDGES)
    parts = [name for name in INTERVALS if name != ">30"]
    assert sum(pt_slice(*INTERVALS[name]).stop - pt_slice(*INTERVALS[name]).start for name in parts) == (
        extent - pt_slice(*INTERVALS[">30"]).start
    )


def test_response_edges_are_fine_where_responses_are() -> None:
    width = np.diff(RESPONSE_EDGES)
    assert RESPONSE_EDGES[0] == 0.0
    assert RESPONSE_EDGES[-1] == 4.0
    core = (RESPONSE_EDGES[:-1] >= 0.8) & (RESPONSE_EDGES[1:] <= 1.2)
    np.testing.assert_allclose(width[core], 0.0025)
    assert core.sum() == 160


@pytest.mark.parametrize(
    ("hadron", "parton", "name"),
    [
        (0, 1, "d"), (0, -1, "d"), (0, 2, "u"), (0, -3, "s"), (0, 21, "g"), (4, 21, "c"), (5, -1, "b"), (5, 0, "b"),
        (0, 4, "c"), (0, -5, "b"), (0, 0, "unknown"), (0, 22, "unknown"), (0, 6, "unknown"), (0, -128, "unknown"),
    ],
)  # fmt: skip
def test_flavour_is_the_hadron_flavour_else_the_parton_flavour(hadron: int, parton: int, name: str) -> None:
    # The types that NanoAOD has: |-128| overflows in int8 if taken there.
    got = flavour_index(np.array([hadron], np.uint8), np.array([parton], np.int8))
    assert FLAVOURS[got[0]] == name


def test_size_of_the_histogram_is_what_the_page_says() -> None:
    assert response_histogram(["one"], 30, weighted=False).view(flow=True).nbytes < 31e6
    assert response_histogram(["a", "b"], 30, weighted=True).view(flow=True).nbytes < 62e6
