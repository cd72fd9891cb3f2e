"""The losses are their formulas, and what they teach is what they are for."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from coffea_mljec.models.outputs import Output, output_problem  # noqa: E402
from training.learning.losses import (  # noqa: E402
    LOSSES,
    MODE_KERNEL,
    MODE_LEAK,
    QUANTILES,
    Loss,
    correction_of,
    loss_named,
)
from training.learning.settings import Learning  # noqa: E402


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
    assert {name for name, one in LOSSES.items() if one.clip == 1.0} == {"gaussian"}
    assert all(one.clip is None for name, one in LOSSES.items() if name != "gaussian")


@pytest.mark.parametrize("name", LOSSES)
def test_its_least_is_what_the_card_says(name: str) -> None:
    """Of a sample that a constant must describe: its median, its quantiles, or its mean and width."""
    generator = np.random.default_rng(2)
    sample = torch.tensor(0.05 + 0.1 * generator.normal(size=4000), dtype=torch.float32)
    got = least(LOSSES[name], sample)
    low, middle, high = np.quantile(sample, QUANTILES)
    mode = got[0]
    wanted = {
        "mae": [middle],
        "quantiles": [middle, math.log(middle - low), math.log(high - middle)],
        "mode": [0.05, math.log(mode - low), math.log(high - mode)],
        "gaussian": [sample.mean(), math.log(sample.std())],
    }[name]
    # A mode hangs on the few jets about it.
    np.testing.assert_allclose(got, wanted, atol=0.02 if name == "mode" else 5e-3)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_mode_of_a_skewed_response_is_found_and_not_its_median(sign: float) -> None:
    """A gamma distribution of shape 4 and scale s has its mode at 3 s, its median at 3.67 s and its mean at 4 s."""
    scale = 0.05
    drawn = np.random.default_rng(3).gamma(4.0, scale, 4000)
    assert np.median(drawn) / scale == pytest.approx(3.67, abs=0.1)
    sample = torch.tensor(sign * drawn - 0.1, dtype=torch.float32)
    # A mass learns its mode by the same kernel.
    found = least(loss_named("mode", masses=["mass"]), torch.stack([sample, sample, torch.ones_like(sample)], dim=1))
    for mode in (found[0], found[3]):
        assert (sign * (mode + 0.1)) / scale == pytest.approx(3.0, abs=0.3)


def test_a_mass_learns_from_jets_as_far_as_they_count() -> None:
    """Three quarters of the jets say 0.1 and count 0.1; a quarter says 0.3 and counts 1."""
    said = torch.tensor([0.1, 0.1, 0.1, 0.3]).repeat(100)
    counts = torch.tensor([0.1, 0.1, 0.1, 1.0]).repeat(100)
    loss = loss_named("mae", masses=["mass"])
    assert loss.width == 3
    assert least(loss, torch.stack([said, said, counts], dim=1)) == pytest.approx([0.1, 0.3], abs=0.01)


def test_what_quantiles_learn_does_not_move_the_mode() -> None:
    predicted = torch.tensor([[0.1, -2.0, -2.0]], requires_grad=True)
    LOSSES["mode"](predicted, torch.tensor([0.11]), torch.ones(1)).backward()
    off = 0.01
    kernel = off / MODE_KERNEL * math.exp(-0.5 * (off / MODE_KERNEL) ** 2)
    assert predicted.grad is not None
    assert float(predicted.grad[0, 0]) == pytest.approx(-kernel - MODE_LEAK, rel=1e-4)
    assert (predicted.grad[0, 1:] != 0).all()


def least(loss: Loss, sample: torch.Tensor) -> np.ndarray:
    """The outputs, the same for all jets, that make the loss of a sample least."""
    free = torch.tensor([loss.starts], requires_grad=True)
    optimiser = torch.optim.Adam([free], lr=5e-3)
    for step in range(900):
        optimiser.param_groups[0]["lr"] = 5e-3 * (1 - step / 900)
        optimiser.zero_grad()
        loss(free.expand(len(sample), -1), sample, torch.ones(len(sample)), 10.0).backward()
        optimiser.step()
    return free.detach()[0].numpy()


@pytest.mark.parametrize("name", LOSSES)
def test_its_outputs_make_a_card(name: str) -> None:
    outputs = [Output.model_validate(fields) for fields in LOSSES[name].card_outputs("log_correction", "outputs")]
    assert output_problem(outputs) is None
    assert (outputs[0].quantity, outputs[0].transform) == ("pt", "exp")
