"""Outer quantiles settled on validation jets."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.learning.losses import LOSSES  # noqa: E402
from training.learning.widths import settle_widths, stretch  # noqa: E402


def jets(n: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Targets of a skewed distribution: widths .1 below and .2 above, both given too narrow."""
    normal = np.random.default_rng(5).normal(size=n)
    target = np.where(normal < 0, 0.1, 0.2) * normal
    outputs = np.column_stack([np.zeros(n), np.full(n, np.log(0.08)), np.full(n, np.log(0.19))])
    return outputs, target


def test_each_side_is_stretched_by_its_own_factor() -> None:
    outputs, target = jets()
    below, above = stretch(outputs, target, np.ones(len(target)))
    assert below == pytest.approx(0.1 / 0.08, rel=0.02)
    assert above == pytest.approx(0.2 / 0.19, rel=0.02)
    # Jets that count nothing change nothing.
    twice = np.concatenate([outputs, outputs]), np.concatenate([target, 9.0 + target])
    weight = np.repeat([1.0, 0.0], len(target))
    assert stretch(*twice, weight) == (below, above)


class Fixed(torch.nn.Module):
    """Says the same of every jet: its biases."""

    def __init__(self, biases: list[float]) -> None:
        super().__init__()
        self.output = torch.nn.Linear(1, len(biases))
        torch.nn.init.zeros_(self.output.weight)
        self.output.bias.data = torch.tensor(biases)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The biases."""
        return self.output(batch["target"][:, None])


class Batches:
    """The jets in two batches."""

    def __init__(self, target: np.ndarray) -> None:
        self.target = torch.from_numpy(target.astype(np.float32))

    def in_order(self, rows: np.ndarray) -> list[dict[str, torch.Tensor]]:
        """Two batches, all jets worth the same."""
        parts = torch.chunk(self.target[torch.from_numpy(rows)], 2)
        return [{"target": part, "weight": torch.ones_like(part)} for part in parts]


def test_a_network_is_settled_and_others_stay() -> None:
    outputs, target = jets()
    network, rows = Fixed(outputs[0].tolist()), np.arange(len(target))
    factors = settle_widths(network, Batches(target), rows, LOSSES["quantiles"])  # type: ignore[arg-type]
    assert list(factors) == ["q16", "q84"]
    median, low, high = network.output.bias.detach().numpy()
    assert median == 0.0
    assert np.mean(target < -np.exp(low)) == pytest.approx(0.16, abs=0.002)
    assert np.mean(target > np.exp(high)) == pytest.approx(0.16, abs=0.002)
    for name, biases in (("mae", [0.0]), ("gaussian", [0.0, -2.0])):
        other = Fixed(biases)
        assert settle_widths(other, Batches(target), rows, LOSSES[name]) == {}  # type: ignore[arg-type]
        assert other.output.bias.tolist() == biases
    # All jets above the median: no factor makes the lower share right.
    assert settle_widths(network, Batches(target + 9.0), rows, LOSSES["quantiles"]) == {}  # type: ignore[arg-type]
