"""Batch norm, ReLU and sums in few passes: the same values and gradients as torch's operators."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from training.networks.layers import Block  # noqa: E402
from training.networks.rows.norm_relu import NormReLU  # noqa: E402

COUNTS = (3, 0, 1, 40, 0, 17, 2, 0)
OFFSETS = torch.from_numpy(np.concatenate([[0], np.cumsum(COUNTS)]).astype(np.int64))
N = sum(COUNTS)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("ways", [0, 1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_a_block_equals_torchs_own_operators(threads: int, ways: int, bias: bool) -> None:
    """Values, gradients and running statistics; 0 ways: rows, otherwise so many weighted sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        results = []
        for plain in (False, True):
            torch.manual_seed(4)
            block = Block(5, (7, 6), bias=bias, epsilon=1e-3, momentum=0.1)
            for parameter in block.parameters():
                parameter.data += 0.1 * torch.randn_like(parameter)
            x = torch.randn(N, 5, requires_grad=True)
            pool = (torch.rand(N, ways), OFFSETS) if ways else None
            out = (block.plain if plain else block)(x, pool)
            assert out.shape == ((len(COUNTS), 6 * ways) if ways else (N, 6))
            (out * torch.randn(out.shape)).sum().backward()
            parts = {"out": out, "x": x.grad} | {name: p.grad for name, p in block.named_parameters()}
            results.append(parts | dict(block.named_buffers()))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for name, wanted in results[1].items():
        torch.testing.assert_close(results[0][name], wanted, rtol=1e-4, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("ways", [0, 2])
def test_gradients_are_those_of_finite_differences(ways: int) -> None:
    torch.manual_seed(1)
    z, gain, bias = (torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((N, 3), (3,), (3,)))
    pool = (torch.rand(N, ways, dtype=torch.float64), OFFSETS) if ways else None
    assert torch.autograd.gradcheck(lambda *a: NormReLU.apply(*a, 1e-3, pool)[0], (z, gain, bias))


def test_rows_far_from_zero_keep_their_precision() -> None:
    """Mean 300, deviation 1: sums in single precision over all rows would lose the variance."""
    torch.manual_seed(2)
    z = 300 + torch.randn(200_000, 1)
    _, mean, variance = NormReLU.apply(z, torch.ones(1), torch.zeros(1), 1e-3, None)
    assert float(mean) == pytest.approx(float(z.double().mean()), abs=1e-4)
    assert float(variance) == pytest.approx(float(z.double().var(correction=0)), rel=0.01)


def test_a_nan_stays_one() -> None:
    z = torch.randn(10, 2)
    z[3, 1] = torch.nan
    out = NormReLU.apply(z, torch.ones(2), torch.zeros(2), 1e-3, None)[0]
    assert torch.isnan(out[:, 1]).all()
    assert torch.isfinite(out[:, 0]).all()
