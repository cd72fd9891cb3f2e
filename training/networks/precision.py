"""How exactly a GPU multiplies while a network is trained; a CPU always calculates in single precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from training.networks.edges.convolution import EdgeConv

__all__ = ["calculating"]


@contextmanager
def calculating(network: nn.Module, precision: str) -> Iterator[None]:
    """Let a network's products be as exact as ``single``, ``tf32`` or ``bf16`` says (`learning.settings.Learning`).

    Batch norms are kept from cuDNN meanwhile: made for images, it takes one thread a column for a flat batch of
    constituents.
    """
    convolutions = [module for module in network.modules() if isinstance(module, EdgeConv)]
    before, with_cudnn = torch.get_float32_matmul_precision(), torch.backends.cudnn.enabled
    torch.set_float32_matmul_precision("highest" if precision == "single" else "high")
    torch.backends.cudnn.enabled = False
    for convolution in convolutions:
        convolution.edge_kind = torch.bfloat16 if precision == "bf16" else None
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.enabled = with_cudnn
        for convolution in convolutions:
            convolution.edge_kind = None
