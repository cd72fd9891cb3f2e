"""The kernels for a GPU, run by Triton's interpreter on the CPU, against torch's operators and numba's kernels."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
# The interpreter is chosen when triton is imported: it needs no GPU.
os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton", reason="triton comes with torch's builds for GPUs: pip install triton")

from tests.training.networks.jets import COUNTS, offsets_of  # noqa: E402
from training.networks.edges.convolution import EdgeConv  # noqa: E402
from training.networks.edges.neighbours import edges_in_numba, edges_in_triton  # noqa: E402

MANY = (*COUNTS, 30, 17, 18)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """numpy, of the interpreter's lanes that are masked out."""
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("k", [1, 3, 16])
@pytest.mark.parametrize("width", [2, 20])
def test_neighbours_are_those_of_the_cpu(width: int, k: int) -> None:
    offsets = torch.from_numpy(offsets_of(MANY))
    points = torch.from_numpy(np.random.default_rng(width).normal(size=(int(offsets[-1]), width)).astype(np.float32))
    wanted = edges_in_numba(points, offsets, k)
    found = edges_in_triton(points, offsets, k)
    again = edges_in_triton(points, offsets, k, found)
    for edges in (found, again):
        for name in ("source", "starts", "offsets", "target"):
            assert torch.equal(getattr(edges, name), getattr(wanted, name)), name
    none = edges_in_triton(points[:0], torch.zeros(3, dtype=torch.int64), k)
    assert len(none.source) == 0
    assert none.starts.tolist() == [0]


@pytest.mark.parametrize("widths", [(8,), (24, 24), (64, 48, 20)])
def test_convolutions_equal_those_of_torch(widths: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    offsets = torch.from_numpy(offsets_of(MANY))
    n = int(offsets[-1])
    convolution = EdgeConv(7, widths, epsilon=1e-3, momentum=0.5)
    for norm in convolution.norm:
        torch.nn.init.normal_(norm.weight, 1.0, 0.3)
        torch.nn.init.normal_(norm.bias, 0.0, 0.3)
    edges = edges_in_numba(torch.randn(n, 2), offsets, 16)
    inputs, above = torch.randn(2, n, widths[0]), torch.randn(n, widths[-1])

    def results(way: str, kind: torch.dtype | None = None) -> list[torch.Tensor]:
        one = copy.deepcopy(convolution)
        one.edge_kind = kind
        own, other = (part.clone().requires_grad_() for part in inputs)
        out = getattr(one, way)(own, other, edges)
        (out * above).sum().backward()
        one.eval()
        with torch.no_grad():
            judged = getattr(one, way)(own, other, edges)
        gradients = [part.grad for part in (own, other, *one.parameters()) if part.grad is not None]
        return [out.detach(), judged, *gradients, *(buffer.float() for buffer in one.buffers())]

    wanted = results("plain")
    for found, tolerance in ((results("on_device"), 3e-6), (results("on_device", torch.bfloat16), 0.15)):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert one.dtype == other.dtype
            assert (one - other).norm() <= tolerance * other.norm() + 1e-6
