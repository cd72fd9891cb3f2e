"""The losses are their formulas, and what they teach is what they are for."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from coffea_mljec.models.outputs import Output, output_problem  # noqa: E402
from training.learning.losses import LOSSES, QUANTILES, correction_of  # noqa: E402
from training.learning.recipe import Learning  # noqa: E402


def test_the_absolute_error_is_the_formula() -> None:
    loss = LOSSES["mae"]
    assert LOSSES[Learning().loss] is loss
    predicted = torch.tensor([0.1, 0.0, 3.0, -0.2])
    target = torch.tensor([0.3, -0.5, 1.5, -1.0])
    one = torch.ones(4)
    # |y| < 1 strictly: the third and fourth count 0 but stay in the denominator.
    assert float(loss(predicted, target, one)) == pytest.approx((0.2 + 0.5) / 4)
    assert float(loss(predicted[:, None], target, one)) == pytest.approx((0.2 + 0.5) / 4)
    weight = torch.tensor([2.0, 1.0, 1.0, 4.0])
    assert float(loss(predicted, target, weight)) == pytest.approx((2 * 0.2 + 0.5) / 8)
    assert float(loss(predicted, target, one, loss_range=2.0)) == pytest.approx((0.2 + 0.5 + 1.5 + 0.8) / 4)
    assert correction_of(predicted) is predicted


def test_quantiles_and_gaussian_by_hand() -> None:
    target, one = torch.tensor([0.3, -0.2]), torch.ones(2)
    three = torch.tensor([[0.3, math.log(0.2), math.log(0.2)], [-0.1, math.log(0.1), math.log(0.2)]])
    # Quantiles .1 .3 .5 of a jet at .3, and -.2 -.1 .1 of one at -.2.
    by_hand = (2 * (0.16 * 0.2 + 0 + 0.16 * 0.2) + 2 * (0 + 0.5 * 0.1 + 0.16 * 0.3)) / 2
    assert float(LOSSES["quantiles"](three, target, one)) == pytest.approx(by_hand)
    assert correction_of(three).tolist() == pytest.approx([0.3, -0.1])
    two = torch.tensor([[0.1, math.log(0.2)], [-0.2, 0.0]])
    wanted = (0.5 * (0.2 / 0.2) ** 2 + math.log(0.2) + 0.0) / 2
    assert float(LOSSES["gaussian"](two, target, one)) == pytest.approx(wanted)


def test_no_jet_outweighs_all_others_by_a_width_that_vanishes() -> None:
    narrow = torch.tensor([[0.0, -12.0]], requires_grad=True)
    loss = LOSSES["gaussian"](narrow, torch.tensor([0.5]), torch.ones(1))
    assert float(loss.detach()) == pytest.approx(0.5 * (0.5 * math.exp(4.0)) ** 2 - 4.0)
    assert {name: one.clip for name, one in LOSSES.items()} == {"mae": None, "quantiles": None, "gaussian": 1.0}


@pytest.mark.parametrize("name", LOSSES)
def test_its_least_is_what_the_card_says(name: str) -> None:
    """Of a sample that a constant must describe: its median, its quantiles, or its mean and width."""
    generator = np.random.default_rng(2)
    sample = torch.tensor(0.05 + 0.1 * generator.normal(size=4000), dtype=torch.float32)
    loss = LOSSES[name]
    free = torch.tensor([loss.starts], requires_grad=True)
    optimiser = torch.optim.Adam([free], lr=5e-3)
    for step in range(900):
        optimiser.param_groups[0]["lr"] = 5e-3 * (1 - step / 900)
        optimiser.zero_grad()
        loss(free.expand(len(sample), -1), sample, torch.ones(len(sample)), 10.0).backward()
        optimiser.step()
    got = free.detach()[0].numpy()
    low, middle, high = np.quantile(sample, QUANTILES)
    wanted = {
        "mae": [middle],
        "quantiles": [middle, math.log(middle - low), math.log(high - middle)],
        "gaussian": [sample.mean(), math.log(sample.std())],
    }[name]
    np.testing.assert_allclose(got, wanted, atol=5e-3)


@pytest.mark.parametrize("name", LOSSES)
def test_its_outputs_make_a_card(name: str) -> None:
    outputs = [Output.model_validate(fields) for fields in LOSSES[name].card_outputs("log_correction", "outputs")]
    assert output_problem(outputs) is None
    assert (outputs[0].quantity, outputs[0].transform) == ("pt", "exp")
