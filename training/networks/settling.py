"""A network written in another way without changing what it says: other standardisations, norms with statistics.

In training, a batch norm uses its batch's mean and variance. A network whose running statistics are not those of its
inputs, such as one that was read from a graph, would say something else at the first batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from coffea_mljec.errors import InputError
from training.networks.context import ContextPFN
from training.networks.edges.convolution import EdgeConv
from training.networks.layers import BatchNorm, Block, Standardise, checked
from training.networks.network import Network
from training.networks.particlenet import ParticleNet
from training.networks.standardisation import Standardisation

__all__ = ["restandardise", "settle_norms"]

_USUAL_SIZE = 2.0
"""Sum of the squares of the weights of one output of a dense layer, as `training.networks.layers.he_normal` draws."""


def settle_norms(network: Network, batches: Iterable[Mapping[str, Tensor]]) -> None:
    """Give every batch norm the mean and variance of what enters it; what the network says stays the same.

    The weights before it are brought to the size that fresh ones have, so that an optimiser's step is as large for
    them. A norm that no row reached is left alone.

    Parameters
    ----------
    network : Network
        On the CPU, in evaluation mode.
    batches : iterable of mapping
        Inputs as for the network.
    """
    sums: dict[BatchNorm, Tensor] = {}

    def add(norm: Any, inputs: tuple[Tensor]) -> None:
        z = inputs[0].detach().double()
        found = torch.stack([torch.full_like(z.sum(0), len(z)), z.sum(0), (z**2).sum(0)])
        sums[norm] = sums[norm] + found if norm in sums else found

    handles = [norm.register_forward_pre_hook(add) for _, norm in _normed(network)]
    try:
        for batch in batches:
            # With gradients: an EdgeConv then calls its norms one by one.
            network(batch)
    finally:
        for handle in handles:
            handle.remove()
    with torch.no_grad():
        for denses, norm in _normed(network):
            if norm in sums and sums[norm][0, 0] > 1:
                _settle(denses, norm, sums[norm])


def _settle(denses: tuple[nn.Linear, ...], norm: BatchNorm, sums: Tensor) -> None:
    n, total, squares = sums
    mean = total / n
    variance = (squares / n - mean**2).clamp_min(0.0)
    gain, bias = norm.line_of_running().double()
    size = torch.stack([(dense.weight.double() ** 2).sum(dim=1) for dense in denses]).sum(dim=0)
    factor = torch.where(size > 0, (_USUAL_SIZE / size.clamp_min(1e-300)).sqrt(), torch.ones_like(size))
    for dense in denses:
        dense.weight.copy_(dense.weight.double() * factor[:, None])
        if dense.bias is not None:
            dense.bias.copy_(dense.bias.double() * factor)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(mean * factor)
    norm.running_var.copy_(variance * factor**2)
    norm.weight.copy_(gain / factor * (norm.running_var.double() + norm.eps).sqrt())
    norm.bias.copy_(bias + gain / factor * norm.running_mean.double())


def restandardise(network: Network, standardisations: Mapping[str, Standardisation]) -> None:
    """Give a network other shifts and scales of its inputs; what it says stays the same.

    Parameters
    ----------
    network : Network
        On the CPU.
    standardisations : mapping of str to Standardisation
        With the features and transforms that the network has.

    Raises
    ------
    InputError
        If a feature has another transform.
    """
    new = checked(standardisations)
    for c, old in network.standardisations.items():
        if (new[c].features, new[c].transforms) != (old.features, old.transforms):
            raise InputError(f"the {c} features have other transforms than those that the network was trained with")
    with torch.no_grad():
        for c, dense, norm, columns, moves in _readers(network):
            old = network.standardisations[c]
            shift, scale = (torch.tensor([getattr(s, what) for s in (old, new[c])], dtype=torch.float64)
                            for what in ("shift", "scale"))  # fmt: skip
            weight = dense.weight.double()
            assert norm.running_mean is not None
            if moves:
                norm.running_mean.sub_((weight[:, columns] @ ((shift[1] - shift[0]) / scale[0])).float())
            weight[:, columns] *= scale[1] / scale[0]
            dense.weight.copy_(weight)
    network.standardisations = new
    network.standardise = nn.ModuleDict({name: Standardise(part) for name, part in new.items()})


def _normed(network: Network) -> list[tuple[tuple[nn.Linear, ...], BatchNorm]]:
    """Every batch norm with the dense layers whose sum enters it."""
    found: list[tuple[tuple[nn.Linear, ...], BatchNorm]] = []

    def add(block: Block, *entering: nn.Linear) -> None:
        modules = list(block)
        for i, (dense, norm) in enumerate(zip(modules[0::3], modules[1::3], strict=True)):
            found.append(((cast("nn.Linear", dense), *(entering if i == 0 else ())), cast("BatchNorm", norm)))

    if isinstance(network, ContextPFN):
        for c in network.collections:
            blocks, told = (cast("nn.ModuleList", part[c]) for part in (network.phi, network.told))
            for i, block in enumerate(blocks):
                add(cast("Block", block), *([cast("nn.Linear", told[i - 1])] if i else []))
        for block in network.contexts:
            add(cast("Block", block))
    elif isinstance(network, ParticleNet):
        for block in _edge_blocks(network):
            pairs = zip(block.dense, block.norm, strict=True)
            found += [((cast("nn.Linear", d),), cast("BatchNorm", n)) for d, n in pairs]
            found.append(((block.shortcut,), block.shortcut_norm))
    else:
        for c in network.collections:
            add(cast("Block", network.phi[c]))
    add(network.head)
    return found


def _readers(network: Network) -> list[tuple[str, nn.Linear, BatchNorm, slice, bool]]:
    """Every dense layer that reads features: collection, layer, norm after it, columns, whether a shift moves it."""

    def of_block(c: str, block: Any, columns: slice) -> tuple[str, nn.Linear, BatchNorm, slice, bool]:
        return c, block[0], block[1], columns, True

    last = slice(-network.n_features("jet"), None)
    found = [of_block("jet", network.head, last)]
    if isinstance(network, ContextPFN):
        found += [of_block("jet", block, last) for block in network.contexts]
    for c in network.collections:
        if isinstance(network, ParticleNet):
            first, n = cast("EdgeConv", cast("nn.ModuleList", network.convolutions[c])[0]), network.n_features(c)
            dense, norm = cast("nn.Linear", first.dense[0]), cast("BatchNorm", first.norm[0])
            # Of x_i and of the difference x_j - x_i, which a shift does not move.
            found += [(c, dense, norm, slice(0, n), True), (c, dense, norm, slice(n, None), False)]
            found.append((c, first.shortcut, first.shortcut_norm, slice(None), True))
        else:
            block = network.phi[c]
            block = cast("nn.ModuleList", block)[0] if isinstance(network, ContextPFN) else block
            found.append(of_block(c, block, slice(None)))
    return found


def _edge_blocks(network: ParticleNet) -> list[EdgeConv]:
    return [
        cast("EdgeConv", block) for c in network.collections for block in cast("nn.ModuleList", network.convolutions[c])
    ]
