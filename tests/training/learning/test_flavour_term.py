"""The flavour term: a made-up case with a known answer, no bias from noise, and what a recipe may ask for."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.learning.flavour_term import FLAVOURS, N_GROUPS, PT_EDGES, flavour_groups, flavour_term  # noqa: E402
from training.learning.settings import Learning  # noqa: E402


def test_groups_by_hand() -> None:
    pt = np.array([14.9, 15.0, 29.0, 30.0, 99.0, 1000.0, 2000.0, 50.0, 50.0])
    eta = np.array([0.0, 0.0, -2.4, 2.5, -3.0, 0.1, 0.1, 1.0, 1.0])
    flavour = np.array([1, 1, -2, 3, -4, 5, 21, 0, 15])
    central, forward, flavours = 0, 6, 6
    expected = [
        -1, 0, 1, (forward + 1) * flavours + 2, (forward + 2) * flavours + 3, (central + 5) * flavours + 4,
        (central + 5) * flavours + 5, -1, -1,
    ]  # fmt: skip
    assert flavour_groups(pt, eta, flavour).tolist() == expected
    assert N_GROUPS == 72


def term(error: dict[int, float], weight: float = 1.0, cell: int = 0, each: int = 4) -> float:
    """Of one cell with flavour number -> error, the same for all its jets."""
    group = torch.tensor([cell * len(FLAVOURS) + f for f in error for _ in range(each)])
    off = torch.tensor([value for value in error.values() for _ in range(each)])
    target = torch.linspace(-0.2, 0.2, len(off))
    return float(flavour_term(target + off, target, torch.full_like(target, weight), group, 0.05))


def test_the_spread_of_the_flavours_by_hand() -> None:
    """Two flavours, one off by much (tanh = 1) and one right: means 1 and 0, off by 1/2 each, spread 1/4."""
    assert term({0: 10.0, 5: 0.0}) == pytest.approx(0.25)
    assert term({0: 10.0, 5: 0.0}, weight=7.0) == pytest.approx(0.25)
    assert term({0: 10.0, 1: 10.0, 5: 10.0}) == pytest.approx(0.0)
    assert term({0: 10.0, 1: 0.0, 5: -10.0}) == pytest.approx(2 / 3)
    assert term({3: 10.0}) == 0.0
    small = np.tanh(0.01 / 0.05)
    assert term({0: 0.01, 5: 0.0}) == pytest.approx(small**2 / 4, rel=1e-5)


def test_cells_count_by_their_share() -> None:
    group = torch.tensor([0, 0, 5, 5, 6, 6, 11, 11, 11, 11, 6, 6])
    error = torch.tensor([10.0, 10.0, 0.0, 0.0] + [0.0] * 8)
    weight = torch.ones(12)
    got = flavour_term(error, torch.zeros(12), weight, group, 0.05)
    assert float(got) == pytest.approx(0.25 * 4 / 12)
    assert float(flavour_term(error, torch.zeros(12), weight, torch.full((12,), -1), 0.05)) == 0.0


def test_forward_cells_have_a_factor_of_their_own() -> None:
    forward = len(PT_EDGES) * len(FLAVOURS)
    group = torch.tensor([0, 0, 5, 5, forward, forward, forward + 5, forward + 5])
    error = torch.tensor([10.0, 10.0, 0.0, 0.0] * 2)
    parts = [
        float(flavour_term(error, torch.zeros(8), torch.ones(8), group, 0.05, forward=factor)) for factor in (1, 0.5, 0)
    ]
    assert parts == pytest.approx([0.25, 0.25 * 0.75, 0.25 / 2])


def test_noise_alone_has_no_term_on_average() -> None:
    """Squares of means would give about 0.02 here; the product of halves gives nothing."""
    generator = torch.Generator().manual_seed(1)
    group = torch.arange(6).repeat_interleave(40)
    found = []
    for _ in range(300):
        order = torch.randperm(len(group), generator=generator)
        error = 0.1 * torch.randn(len(group), generator=generator)
        found.append(float(flavour_term(error, torch.zeros(len(group)), torch.ones(len(group)), group[order], 0.05)))
    mean, deviation = np.mean(found), np.std(found) / np.sqrt(len(found))
    assert abs(mean) < 4 * deviation
    assert deviation < 1e-3


def test_descending_it_makes_flavours_alike() -> None:
    """A correction a flavour, fitted to the term alone: offsets of 4 % become equal, whatever their common part."""
    generator = torch.Generator().manual_seed(3)
    group = torch.arange(6).repeat_interleave(2000)
    group = group[torch.randperm(len(group), generator=generator)]
    bias = torch.tensor([0.02, -0.02, 0.01, 0.0, -0.01, 0.03])
    target = bias[group] + 0.1 * torch.randn(len(group), generator=generator)
    own = torch.zeros(6, requires_grad=True)
    optimiser = torch.optim.Adam([own], lr=2e-3)
    for _ in range(150):
        optimiser.zero_grad()
        flavour_term(own[group], target, torch.ones(len(group)), group, 0.05).backward()
        optimiser.step()
    left = (own.detach() - bias).numpy()
    assert np.ptp(left) < 0.01 < np.ptp(bias.numpy())


def test_batches_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the flavour term needs batches of 4096 jets or more.*got batch_size 1024"):
        Learning(flavour={"weight": 0.3})
    assert Learning(flavour={"weight": 0.3}, batch_size=4096).flavour.tau == 0.05
    with pytest.raises(ValueError, match="flavor"):
        Learning(flavor={"weight": 0.3})
