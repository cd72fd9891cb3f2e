"""Medians by flavour with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.realism.toys import toy_sample
from training.realism.flavours import flavour_medians
from training.realism.row import MISS, PASS

MEDIANS = {1: 1.016, 2: 1.018, 3: 1.004, 4: 0.998, 5: 0.994, 21: 0.988}


def rows_of(medians: dict[int, float]) -> dict[str, object]:
    rng = np.random.default_rng(9)
    n = 120_000
    flavour = rng.choice(list(medians), n)
    centre = np.array([medians.get(code, 1.0) for code in range(22)])[flavour]
    jets = toy_sample(
        n, pt_gen=np.exp(rng.uniform(np.log(31.0), np.log(2000.0), n)), eta_gen=rng.uniform(-2.4, 2.4, n),
        flavour=flavour, response=rng.normal(centre, 0.1),
    )  # fmt: skip
    return {row.what: row for row in flavour_medians(jets).rows if row.where == "central, pt_gen >30 GeV"}


def test_gap_and_order() -> None:
    rows = rows_of(MEDIANS)
    gap = rows["uds - g gap of medians"]
    assert gap.measured == pytest.approx(np.mean([1.016, 1.018, 1.004]) - 0.988, abs=0.002)
    assert gap.target == pytest.approx(0.0243, abs=1e-4)
    assert gap.verdict == PASS
    for what, truth in (("uds - c", 0.01467), ("uds - b", 0.01867), ("c - g", 0.010), ("b - g", 0.006)):
        row = rows[f"order of medians: {what}"]
        assert row.measured == pytest.approx(truth, abs=4 * row.error)
        assert row.verdict == PASS


def test_a_wrong_order_and_a_wide_gap_are_told() -> None:
    rows = rows_of(MEDIANS | {5: 0.97, 21: 0.985, 1: 1.05, 2: 1.05})
    assert rows["uds - g gap of medians"].verdict == MISS
    assert rows["order of medians: b - g"].verdict == MISS
    assert rows["order of medians: c - g"].verdict == PASS
