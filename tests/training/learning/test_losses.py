"""The loss functions are their formulas."""

from __future__ import annotations

import pytest

from training.learning.recipe import Learning


def test_loss_is_the_formula() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")
    from training.learning.losses import LOSSES, mean_absolute_error

    assert LOSSES[Learning().loss] is mean_absolute_error

    predicted = torch.tensor([0.1, 0.0, 3.0, -0.2])
    target = torch.tensor([0.3, -0.5, 1.5, -1.0])
    one = torch.ones(4)
    # |y| < 1 strictly: the third and fourth count 0 but stay in the denominator.
    assert float(mean_absolute_error(predicted, target, one)) == pytest.approx((0.2 + 0.5) / 4)
    weight = torch.tensor([2.0, 1.0, 1.0, 4.0])
    assert float(mean_absolute_error(predicted, target, weight)) == pytest.approx((2 * 0.2 + 0.5) / 8)
    assert float(mean_absolute_error(predicted, target, one, loss_range=2.0)) == pytest.approx(
        (0.2 + 0.5 + 1.5 + 0.8) / 4
    )
