"""The balance of two jets as a loss: by hand, without bias, and in a made-up world with a known answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.learning.dijet_cells import flat_in_log  # noqa: E402
from training.learning.in_situ_term import (  # noqa: E402
    SCALE_PT,
    InSituSettings,
    asymmetry_term,
    changes_of_scale,
    pairwise_likelihood,
    scale_cell_named,
    scale_cells,
    scale_penalty,
    softened,
)
from training.learning.settings import Learning  # noqa: E402

NO_TAIL = float("inf")


def cells_of(generator: list[float], start: list[float], tail: float = NO_TAIL) -> dict[str, Any]:
    numbers = {"generator": generator, "start": start, "tail": [tail] * len(generator)}
    return {name: torch.tensor(values) for name, values in numbers.items()}


def test_the_asymmetry_by_hand() -> None:
    """Jets of 110 and 90 GeV: A = 0.2, A^2 = 0.04; 0.01 of it the generator's, the start had 0.06 beyond that."""
    pt = torch.tensor([110.0, 90.0, 45.0, 55.0])
    cell, weight = torch.tensor([0, 0]), torch.tensor([1.0, 3.0])
    cells, nothing = cells_of([0.01], [0.06]), torch.zeros(2)
    assert float(asymmetry_term(torch.zeros(4), pt, nothing, weight, cell, cells)) == pytest.approx(0.5)
    halved = torch.log(torch.tensor([0.5, 0.5, 1.0, 9.0 / 11.0]))
    expected = (0.03 / 0.06 - 3 * 0.01 / 0.06) / 4
    assert float(asymmetry_term(halved, pt, nothing, weight, cell, cells)) == pytest.approx(expected, abs=1e-6)
    # What the further jets ask for is taken off first: 0.15 of 0.2, and -0.2 of -0.2.
    asked = torch.tensor([0.15, -0.2])
    expected = (0.05**2 - 0.01 + 3 * (0.0 - 0.01)) / 0.06 / 4
    assert float(asymmetry_term(torch.zeros(4), pt, asked, weight, cell, cells)) == pytest.approx(expected, abs=1e-6)
    # From a tail of 0.04 on, 0.04 counts as 0.04 ln 2.
    cells = cells_of([0.01], [0.06], 0.04)
    expected = (0.04 * np.log(2.0) - 0.01) / 0.06
    assert float(asymmetry_term(torch.zeros(4), pt, nothing, weight, cell, cells)) == pytest.approx(expected, abs=1e-6)


def test_softened_squares_are_squares_for_small_ones_and_logarithms_for_large_ones() -> None:
    square, tail = np.array([1e-6, 1.0, 99.0, 99.0]), np.array([1.0, 1.0, 1.0, np.inf])
    by_hand = [1e-6, np.log(2.0), np.log(100.0), 99.0]
    np.testing.assert_allclose(softened(square, tail), by_hand, rtol=1e-5)
    values = torch.tensor(square, requires_grad=True)
    found = softened(values, torch.tensor(tail))
    np.testing.assert_allclose(found.detach().numpy(), by_hand, rtol=1e-5)
    found.sum().backward()
    np.testing.assert_allclose(values.grad.numpy(), [1.0, 0.5, 0.01, 1.0], rtol=1e-5)


def test_parts_of_a_sample_have_the_term_of_the_whole_on_average() -> None:
    generator = torch.Generator().manual_seed(1)
    pt = 100.0 * (0.1 * torch.randn(2 * 600, generator=generator)).exp()
    cell, weight = torch.arange(600) % 3, torch.ones(600)
    cells, asked = cells_of([0.001, 0.002, 0.003], [0.02, 0.03, 0.04], 0.05), torch.zeros(600)
    whole = asymmetry_term(torch.zeros(1200), pt, asked, weight, cell, cells)
    parts = [
        asymmetry_term(torch.zeros(8), pt[2 * i : 2 * i + 8], asked[:4], weight[:4], cell[i : i + 4], cells)
        for i in range(0, 600, 4)
    ]
    assert float(torch.stack(parts).mean()) == pytest.approx(float(whole), rel=1e-5)


def test_the_likelihood_of_the_balance_is_lowest_at_the_true_widths() -> None:
    generator = torch.Generator().manual_seed(2)
    log_pt = 4.0 + 0.3 * torch.randn(4_000, 2, generator=generator) * torch.tensor([0.4, 1.0]) * 0.5
    log_pt += 0.1 * torch.randn(4_000, 2, generator=generator) / np.sqrt(2)
    widths = torch.tensor([-3.0, -3.0], requires_grad=True)
    optimiser = torch.optim.Adam([widths], lr=0.05)
    pt, cell = log_pt.exp().reshape(-1), torch.zeros(4_000, dtype=torch.int64)
    for _ in range(120):
        optimiser.zero_grad()
        each = widths.repeat(4_000)
        nothing, cells = torch.zeros(4_000), cells_of([0.01], [1.0])
        loss = pairwise_likelihood(torch.zeros(8_000), each, pt, nothing, torch.ones(4_000), cell, cells)
        loss.backward()
        optimiser.step()
    total = float((2 * widths.detach()).exp().sum())
    assert total == pytest.approx(0.06**2 + 0.15**2, rel=0.08)


def test_changes_and_penalty_by_hand() -> None:
    change = torch.tensor([0.1, 0.3, 0.2, 0.2, 9.0])
    cell, half = torch.tensor([0, 0, 1, 0, -1]), torch.tensor([0, 1, 0, 1, 1])
    weight = torch.tensor([1.0, 1.0, 2.0, 3.0, 1.0])
    mean, weights = changes_of_scale(change, weight, cell, half, 2)
    assert mean.tolist() == [pytest.approx([0.1, 0.2]), pytest.approx([(0.3 + 0.6) / 4, 0.0])]
    assert weights.tolist() == [[1.0, 2.0], [4.0, 0.0]]
    # Cell 1 has jets in one half alone: its square is not known, its mean is.
    first = 5 / 7 * (2.0 * 0.2 + 0.5 * 10.0 * 0.1 * 0.225)
    assert float(scale_penalty(mean, weights, torch.tensor([2.0, -1.0]), 10.0)) == pytest.approx(first - 2 / 7 * 0.2)


def test_noise_alone_has_no_penalty_on_average() -> None:
    generator = torch.Generator().manual_seed(4)
    cell, half = torch.arange(60) % 3, torch.arange(60) // 3 % 2
    found = []
    for _ in range(400):
        parts = changes_of_scale(0.1 * torch.randn(60, generator=generator), torch.ones(60), cell, half, 3)
        found.append(float(scale_penalty(*parts, torch.zeros(3), 1.0)))
    deviation = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * deviation < 1e-4


def world(n: int = 20_000) -> dict[str, Any]:
    """Pairs of equal true pT but for 3 %; each jet's response falls by 20 % with a feature that is seen."""
    rng = np.random.default_rng(5)
    true = np.repeat(np.exp(rng.uniform(np.log(80), np.log(400), n)), 2) * np.exp(rng.normal(0, 0.03, 2 * n))
    seen = rng.uniform(-1, 1, 2 * n)
    raw = true * np.exp(-0.2 * seen + rng.normal(0, 0.05, 2 * n))
    tensors = {"true": true, "seen": seen, "raw": raw}
    return {name: torch.tensor(values, dtype=torch.float32) for name, values in tensors.items()}


def fitted(held: bool) -> tuple[float, float, float]:
    """Constant, slope in the feature and slope in ln(pT) of the least asymmetry, with or without the scale held."""
    jets = world()
    cell, weight = torch.zeros(20_000, dtype=torch.int64), torch.ones(20_000)
    log_raw = jets["raw"].log() - 5.2
    scale = torch.tensor(scale_cells(jets["true"].numpy(), np.zeros(40_000)))
    target, half = (jets["true"] / jets["raw"]).log(), torch.arange(40_000) % 2
    own, multiplier = torch.zeros(3, requires_grad=True), torch.zeros(4 * len(SCALE_PT))
    optimiser = torch.optim.Adam([own], lr=0.02)
    cells = cells_of([2 * 0.03**2], [2 * (0.2**2 / 3 + 0.05**2)])
    for step in range(300):
        optimiser.zero_grad()
        correction = own[0] + own[1] * jets["seen"] + own[2] * log_raw
        loss = asymmetry_term(correction, jets["raw"], torch.zeros(20_000), weight, cell, cells)
        if held:
            change = torch.tanh((correction - target) / 0.05) - torch.tanh(-target / 0.05)
            mean, weights = changes_of_scale(change, torch.ones(40_000), scale, half, len(multiplier))
            loss = loss + scale_penalty(mean, weights, multiplier, 30.0)
            if step % 10 == 9:
                multiplier = multiplier + 3.0 * (mean * weights).sum(0).detach() / weights.sum(0).clamp_min(1.0)
        loss.backward()
        optimiser.step()
    return tuple(own.detach().tolist())


def test_with_the_scale_held_the_asymmetry_teaches_the_response() -> None:
    """Without truth: the slope in the feature is found, pT is neither shifted nor squeezed."""
    constant, seen, squeezed = fitted(held=True)
    assert seen == pytest.approx(0.2, abs=0.02)
    assert abs(constant) < 0.01
    assert abs(squeezed) < 0.03


def test_with_the_scale_free_all_jets_become_equal() -> None:
    """The published failure: a constant output has no asymmetry."""
    _, _, squeezed = fitted(held=False)
    assert squeezed < -0.5


def test_cells_of_the_scale_by_hand() -> None:
    pt, eta = np.array([7.9, 8.0, 61.0, 5000.0]), np.array([0.0, -1.2, 1.3, -4.0])
    intervals = len(SCALE_PT)
    assert scale_cells(pt, eta).tolist() == [-1, 0, intervals + 3, 4 * intervals - 1]
    assert scale_cell_named(0) == "jets of 8 to 15 GeV at |eta| of 0 to 1.3"
    assert scale_cell_named(intervals + 3) == "jets of 60 to 100 GeV at |eta| of 1.3 to 2.5"
    assert scale_cell_named(4 * intervals - 1) == "jets of 1000 GeV and more at |eta| of 3 and more"


def test_flattening_weights_are_bounded() -> None:
    rng = np.random.default_rng(6)
    pt = 60.0 * (1 + rng.pareto(4.0, 20_000))
    weight = flat_in_log(pt)
    assert weight.mean() == pytest.approx(1.0)
    assert weight.max() <= 5.0 + 1e-9
    low, high = (np.log(pt) < np.log(60) + edge for edge in (0.05, 0.5))
    assert weight[low].sum() / weight.sum() < 0.5 * low.mean()
    assert weight[~high].sum() / weight.sum() > 2 * (~high).mean()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"in_situ": {"factor": 1.0}}, "there are no data: name files or folders in in_situ.data"),
        ({"in_situ": {"factor": -1.0}}, "greater than or equal to 0"),
        ({"in_situ": {"pt_edges": (100.0, 60.0)}}, "in_situ.pt_edges must rise"),
        ({"in_situ": {"factor": 1.0, "data": ["x"]}}, "set start_from, or in_situ.factor 0"),
        (
            {"in_situ": {"factor": 1.0, "data": ["x"], "way": "pairs"}, "start_from": "x"},
            "asks for both jets' widths, and the loss 'mae' teaches none: take the loss 'gaussian'",
        ),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Learning.model_validate(settings)


def test_settings_of_a_study() -> None:
    assert InSituSettings(factor=10.0, data=("x",)).largest_shift == 0.1
