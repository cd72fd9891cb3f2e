"""The layers that every network here is built of: standardised inputs, dense layers with batch norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coffea_mljec.errors import InputError
from training.networks.architecture import COLLECTIONS
from training.networks.rows.norm_relu import NormReLU
from training.networks.rows.segments import rows_of, segment_sums
from training.networks.standardisation import Standardisation

__all__ = [
    "BatchNorm", "Block", "JetNetwork", "Standardise", "as_outputs", "he_normal", "hold_norms", "output_layer",
    "parameter_count", "rows_of", "start_outputs",
]  # fmt: skip


class Standardise(nn.Module):
    """`Standardisation` in torch; its constants are buffers, not parameters."""

    columns: Tensor
    units: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, standardisation: Standardisation) -> None:
        super().__init__()
        columns = standardisation.symlog_columns
        self.register_buffer("columns", torch.from_numpy(columns), persistent=False)
        units = torch.tensor(standardisation.units[columns], dtype=torch.float32)
        self.register_buffer("units", units, persistent=False)
        self.register_buffer("shift", torch.tensor(standardisation.shift, dtype=torch.float32), persistent=False)
        self.register_buffer("scale", torch.tensor(standardisation.scale, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised rows of ``x`` [N, F]."""
        y = x.clone()
        if len(self.columns):
            z = x[:, self.columns]
            y[:, self.columns] = torch.sign(z) * torch.log1p(z.abs() / self.units)
        return (y - self.shift) / self.scale


class JetNetwork(nn.Module):
    """What every network here begins with: its features in order, and their standardisation.

    Parameters
    ----------
    standardisations : mapping of str to Standardisation
        ``jet`` and any of ``charged``, ``neutral``, ``sv``: order and treatment of the features. A collection without
        features is left out.

    Attributes
    ----------
    collections : tuple of str
        The collections of constituents that are read.

    Raises
    ------
    InputError
        If there are no jet features or a collection is unknown.
    """

    def __init__(self, standardisations: Mapping[str, Standardisation]) -> None:
        super().__init__()
        self.standardisations = checked(standardisations)
        self.collections = tuple(name for name in self.standardisations if name != "jet")
        self.standardise = nn.ModuleDict({name: Standardise(part) for name, part in self.standardisations.items()})

    def n_features(self, collection: str) -> int:
        """Return the number of features of ``jet`` or of a collection."""
        return len(self.standardisations[collection].features)


class BatchNorm(nn.BatchNorm1d):
    """Batch norm that lets an empty batch pass and keeps its statistics then; one row is normalised by them."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised rows of ``x`` [N, C]."""
        if self.training and len(x) < 2:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(x)

    def update(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """Move the running statistics towards those of a batch of n rows, as the forward pass would."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n / (n - 1)), self.momentum)
            self.num_batches_tracked.add_(1)

    def affine_of_running(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return gain and bias, arrays [C], of the norm with its running statistics."""
        gain, bias = self.line_of_running().numpy()
        return gain, bias

    def line_of_running(self) -> Tensor:
        """Return the same as a tensor [2, C]."""
        assert self.running_mean is not None
        assert self.running_var is not None
        gain = self.weight.detach().double() / torch.sqrt(self.running_var.double() + self.eps)
        bias = self.bias.detach().double() - self.running_mean.double() * gain
        return torch.stack([gain, bias]).to(self.weight.dtype)


class Block(nn.Sequential):
    """Hidden layers, each dense, batch norm, ReLU; He-normal weights (He et al., arXiv:1502.01852), zero biases."""

    def __init__(
        self, n_inputs: int, widths: tuple[int, ...], *, bias: bool, epsilon: float, momentum: float,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        layers: list[nn.Module] = []
        for width in widths:
            dense = he_normal(nn.Linear(n_inputs, width, bias=bias))
            layers += [dense, BatchNorm(width, eps=epsilon, momentum=momentum), nn.ReLU()]
            n_inputs = width
        super().__init__(*layers)
        self.dropout = dropout  # No module: exports and weights know nothing of it.

    def forward(self, x: Tensor, pool: tuple[Tensor, Tensor] | None = None, entering: Tensor | None = None) -> Tensor:
        """Return the rows of the last layer [N, C], or weighted sums of them over each jet's rows [n, K C].

        Parameters
        ----------
        x : Tensor [N, n_inputs]
            Rows.
        pool : tuple of Tensor, optional
            Weights [N, K] and offsets int64 [n + 1], the rows of each jet: asks for the sums. A jet without rows has
            zeros.
        entering : Tensor [N, widths[0]], optional
            Added to what the first dense layer gives: the part of its input that is the same for all rows of a jet.
        """
        if not (self[1].training and x.device.type == "cpu" and len(x) > 1):
            return self.plain(x, pool, entering)
        modules = list(self)
        for i in range(0, len(modules), 3):
            norm = modules[i + 1]
            assert isinstance(norm, BatchNorm)
            n = len(x)
            summed = pool if i + 3 == len(modules) else None
            z = modules[i](x)
            if i == 0 and entering is not None:
                z = z + entering
            x, mean, variance = NormReLU.apply(z, norm.weight, norm.bias, norm.eps, summed)
            norm.update(mean, variance, n)
            x = self._thinned(x) if summed is None else x
        return x

    def plain(self, x: Tensor, pool: tuple[Tensor, Tensor] | None = None, entering: Tensor | None = None) -> Tensor:
        """Return the same by torch's operators."""
        for i, module in enumerate(self):
            x = module(x)
            if i == 0 and entering is not None:
                x = x + entering
            if i % 3 == 2:
                x = self._thinned(x)
        if pool is None:
            return x
        weights, offsets = pool
        return torch.cat([segment_sums(x * weight[:, None], offsets) for weight in weights.unbind(1)], dim=1)

    def _thinned(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.dropout) if self.training and self.dropout > 0 else x


def hold_norms(network: nn.Module) -> None:
    """Put a network into evaluation mode for a training: norms keep their statistics, dropout goes on."""
    network.eval()
    for module in network.modules():
        if isinstance(module, Block):
            module.training = True


def he_normal(dense: nn.Linear) -> nn.Linear:
    """Draw a layer's weights anew, in place, and zero its bias.

    Truncated at two standard deviations like the reference's initialiser, and widened for what that takes.
    """
    deviation = np.sqrt(2.0 / dense.in_features) / 0.87962566103423978
    nn.init.trunc_normal_(dense.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    if dense.bias is not None:
        nn.init.zeros_(dense.bias)
    return dense


def output_layer(n_inputs: int, n_outputs: int) -> nn.Linear:
    """Return the linear outputs."""
    output = nn.Linear(n_inputs, n_outputs)
    nn.init.kaiming_normal_(output.weight)
    nn.init.zeros_(output.bias)
    return output


def start_outputs(network: Any, biases: Sequence[float]) -> None:
    """Set the biases of a network's outputs."""
    with torch.no_grad():
        network.output.bias.copy_(torch.tensor(biases))


def as_outputs(values: Tensor) -> Tensor:
    """Return [n, outputs], or [n] where there is one output."""
    return values.squeeze(1) if values.shape[1] == 1 else values


def checked(standardisations: Mapping[str, Standardisation]) -> dict[str, Standardisation]:
    """Return ``jet`` and the collections that have features, in the order of `COLLECTIONS`.

    Raises
    ------
    InputError
        If there are no jet features or a collection is unknown.
    """
    if unknown := set(standardisations) - {"jet", *COLLECTIONS}:
        raise InputError(f"unknown collections {sorted(unknown)}; known: jet, {', '.join(COLLECTIONS)}")
    if "jet" not in standardisations or not standardisations["jet"].features:
        raise InputError("a network needs at least one jet feature")
    kept = ("jet", *(c for c in COLLECTIONS if c in standardisations and standardisations[c].features))
    return {name: standardisations[name] for name in kept}


def parameter_count(network: nn.Module) -> int:
    """Count weights, biases and batch norm's parameters and running statistics, as the reference does.

    torch's counter of batches seen and the constants of the standardisation are not among them.
    """
    statistics = sum(
        buffer.numel() for name, buffer in network.named_buffers() if name.endswith(("running_mean", "running_var"))
    )
    return statistics + sum(parameter.numel() for parameter in network.parameters())
