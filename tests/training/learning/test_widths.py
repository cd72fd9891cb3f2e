"""Outer quantiles settled on validation jets."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.learning.losses import LOSSES  # noqa: E402
from training.learning.widths import alike, settle_widths, stretch  # noqa: E402


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
    """Says the same of every jet, its biases, until its last layer learns to tell kinds by the target's decimal."""

    def __init__(self, biases: list[float]) -> None:
        super().__init__()
        self.output = torch.nn.Linear(2, len(biases))
        torch.nn.init.zeros_(self.output.weight)
        self.output.bias.data = torch.tensor(biases, dtype=torch.float32)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The biases, and what the last layer makes of a jet's kind."""
        return self.output(torch.nn.functional.one_hot(batch["kind"], 2).float())


class Batches:
    """The jets in two batches, central and forward ones by turns or as given."""

    def __init__(self, target: np.ndarray, kind: np.ndarray | None = None) -> None:
        self.target = torch.from_numpy(target.astype(np.float32))
        self.kind = np.arange(len(target)) % 2 if kind is None else kind
        columns = {"pt_gen": np.full(len(target), 60.0), "eta_gen": np.where(self.kind == 1, -3.5, 0.4)}
        self.jets = SimpleNamespace(columns=columns)

    def in_order(self, rows: np.ndarray) -> list[dict[str, torch.Tensor]]:
        """Two batches, all jets worth the same."""
        at = torch.from_numpy(rows)
        parts = zip(torch.chunk(self.target[at], 2), torch.chunk(torch.from_numpy(self.kind)[at], 2), strict=True)
        return [{"target": part, "weight": torch.ones_like(part), "kind": kind} for part, kind in parts]


def test_a_network_is_settled_and_others_stay() -> None:
    outputs, target = jets()
    network, rows = Fixed(outputs[0].tolist()), np.arange(len(target))
    factors = settle_widths(network, Batches(target), rows, LOSSES["quantiles"])  # type: ignore[arg-type]
    assert list(factors) == ["q16", "q84"]
    assert list(factors.values()) == pytest.approx([0.1 / 0.08, 0.2 / 0.19], rel=0.02)
    with torch.no_grad():
        median, low, high = network({"kind": torch.tensor([0])})[0].numpy()
    assert median == 0.0
    assert np.mean(target < -np.exp(low)) == pytest.approx(0.16, abs=0.004)
    assert np.mean(target > np.exp(high)) == pytest.approx(0.16, abs=0.004)
    for name, biases in (("mae", [0.0]), ("gaussian", [0.0, -2.0])):
        other = Fixed(biases)
        assert settle_widths(other, Batches(target), rows, LOSSES[name]) == {}  # type: ignore[arg-type]
        assert other.output.bias.tolist() == biases
    # All jets above the median: no factor makes the lower share right.
    before = network.output.bias.tolist()
    assert settle_widths(network, Batches(target + 9.0), rows, LOSSES["quantiles"]) == {}  # type: ignore[arg-type]
    assert network.output.bias.tolist() == before


def test_jets_of_a_rare_kind_get_their_own_width() -> None:
    """One jet of forty is forward and spreads twice as much: one factor for all would leave it what it lacks."""
    _, target = jets(80_000)
    kind = (np.arange(len(target)) % 40 == 0).astype(int)
    target = np.where(kind == 1, 2.0 * target, target)
    network = Fixed([0.0, np.log(0.08), np.log(0.19)])
    settle_widths(network, Batches(target, kind), np.arange(len(target)), LOSSES["quantiles"])  # type: ignore[arg-type]
    with torch.no_grad():
        said = network({"kind": torch.tensor([0, 1])}).numpy()
    np.testing.assert_array_equal(said[:, 0], 0.0)
    for i, spread in enumerate((1.0, 2.0)):
        assert np.exp(said[i, 1]) == pytest.approx(0.1 * spread, rel=0.05)
        assert np.exp(said[i, 2]) == pytest.approx(0.2 * spread, rel=0.05)


def test_bins_count_alike_however_many_jets_they_have() -> None:
    pt, eta = np.repeat([40.0, 60.0, 500.0], [6000, 3000, 100]), np.repeat([0.3, 2.8, 4.0], [6000, 3000, 100])
    share = alike(pt, eta)
    assert share.sum() == pytest.approx(1.0)
    central, forward, few = (share[pt == each].sum() for each in (40.0, 60.0, 500.0))
    assert central == pytest.approx(forward)
    # Half of what is enough: half a bin's share.
    assert few == pytest.approx(0.5 * central)
