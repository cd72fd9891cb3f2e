"""Joined bins: what a figure of a small sample shows is an exact sum of the fine bins."""

from __future__ import annotations

import hist
import numpy as np

from coffea_mljec.validation.common.merging import merged_axis, starts_of_merged


def test_bins_stay_where_the_sample_is_large_enough() -> None:
    assert starts_of_merged(np.array([[0, 60, 70, 80, 10, 0]]), 50) == [0, 1, 2, 3, 4, 5]


def test_bins_are_joined_until_half_of_the_curves_have_enough() -> None:
    counts = np.array([[0, 30, 30, 30, 30, 9, 0, 0], [0, 1, 1, 1, 1, 1, 0, 0], [0, 40, 20, 40, 20, 5, 0, 0]])
    # Empty bins at both ends stay apart; the rest, too few for a bin of their own, joins the last one.
    assert starts_of_merged(counts, 50) == [0, 1, 3, 6, 7]


def test_nothing_at_all_stays_as_it_is() -> None:
    assert starts_of_merged(np.zeros((2, 3), np.int64), 50) == [0, 1, 2]


def test_a_merged_axis_holds_exact_sums_in_its_place() -> None:
    histogram = hist.Hist(
        hist.axis.Integer(0, 2, name="replica", flow=False),
        hist.axis.Variable([0, 1, 2, 4, 8], name="pt", label="pT", flow=False),
        hist.axis.Regular(3, 0, 3, name="value"),
        storage="int64",
    )
    histogram.view(flow=True)[...] = np.random.default_rng(1).integers(0, 99, histogram.view(flow=True).shape)
    merged = merged_axis(histogram, "pt", [0, 2, 3])
    assert merged.axes["pt"].edges.tolist() == [0, 2, 4, 8]
    assert merged.axes["pt"].label == "pT"
    old, new = histogram.view(flow=True), merged.view(flow=True)
    assert new.dtype == old.dtype
    assert (new[:, 0] == old[:, 0] + old[:, 1]).all()
    assert (new[:, 1:] == old[:, 2:]).all()
