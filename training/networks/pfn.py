"""The particle flow network for regression on flat jagged batches (deep sets; no padding, no mask, no maximum).

Source: P. T. Komiske, E. M. Metodiev, J. Thaler, arXiv:1810.05165, with the layers of the reference thesis,
section 6.3.2: dense, batch norm, ReLU; sum pooling.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from coffea_mljec.errors import InputError
from training.networks.architecture import COLLECTIONS, Architecture
from training.networks.standardisation import Standardisation

__all__ = ["PFN", "Block", "Standardise", "parameter_count"]


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


class BatchNorm(nn.BatchNorm1d):
    """Batch norm that lets an empty batch pass and keeps its statistics then; one row is normalised by them."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised rows of ``x`` [N, C]."""
        if self.training and len(x) < 2:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(x)


class Block(nn.Sequential):
    """Hidden layers, each dense, batch norm, ReLU; He-normal weights (He et al., arXiv:1502.01852), zero biases."""

    def __init__(self, n_inputs: int, widths: tuple[int, ...], architecture: Architecture) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            dense = nn.Linear(n_inputs, width, bias=architecture.bias)
            # Truncated at two standard deviations like the reference's initialiser, and widened for what that takes.
            deviation = np.sqrt(2.0 / n_inputs) / 0.87962566103423978
            nn.init.trunc_normal_(dense.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
            if dense.bias is not None:
                nn.init.zeros_(dense.bias)
            layers += [dense, BatchNorm(width, eps=architecture.epsilon, momentum=architecture.momentum), nn.ReLU()]
            n_inputs = width
        super().__init__(*layers)


class PFN(nn.Module):
    """A particle flow network: per-constituent networks, sum pooling, jet features, head, one output.

    Parameters
    ----------
    architecture : Architecture
        Hidden widths.
    standardisations : mapping of str to Standardisation
        ``jet`` and any of ``charged``, ``neutral``, ``sv``: order and treatment of the features. A collection without
        features is left out.

    Raises
    ------
    InputError
        If there are no jet features or a collection is unknown.
    """

    def __init__(self, architecture: Architecture, standardisations: Mapping[str, Standardisation]) -> None:
        super().__init__()
        if unknown := set(standardisations) - {"jet", *COLLECTIONS}:
            raise InputError(f"unknown collections {sorted(unknown)}; known: jet, {', '.join(COLLECTIONS)}")
        if "jet" not in standardisations or not standardisations["jet"].features:
            raise InputError("a network needs at least one jet feature")
        self.architecture = architecture
        self.collections = tuple(c for c in COLLECTIONS if c in standardisations and standardisations[c].features)
        kept = ("jet", *self.collections)
        self.standardisations = {name: standardisations[name] for name in kept}
        self.standardise = nn.ModuleDict({name: Standardise(part) for name, part in self.standardisations.items()})
        self.phi = nn.ModuleDict(
            {c: Block(len(standardisations[c].features), architecture.phi(c), architecture) for c in self.collections}
        )
        pooled = sum(architecture.phi(c)[-1] for c in self.collections)
        self.head = Block(pooled + len(standardisations["jet"].features), architecture.head, architecture)
        self.output = nn.Linear(architecture.head[-1], 1)
        nn.init.kaiming_normal_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the logarithm of the correction, shape [n].

        Parameters
        ----------
        batch : mapping of str to Tensor
            ``jet_features`` float32 [n, F] and for each collection ``c_features`` float32 [N, F_c] with ``c_jet`` int64
            [N], the row's jet, or ``c_offsets`` int64 [n + 1]. A jet without constituents pools to zeros.
        """
        jet = self.standardise["jet"](batch["jet_features"])
        parts = []
        for c in self.collections:
            rows = self.phi[c](self.standardise[c](batch[f"{c}_features"]))
            jet_of_row = batch[f"{c}_jet"] if f"{c}_jet" in batch else rows_of(batch[f"{c}_offsets"])
            parts.append(rows.new_zeros(len(jet), rows.shape[1]).index_add(0, jet_of_row, rows))
        return self.output(self.head(torch.cat([*parts, jet], dim=1))).squeeze(1)


def rows_of(offsets: Tensor) -> Tensor:
    """Return the jet of every row, int64 [N], from offsets [n + 1]."""
    return torch.repeat_interleave(torch.arange(len(offsets) - 1, device=offsets.device), offsets.diff())


def parameter_count(network: nn.Module) -> int:
    """Count weights, biases and batch norm's parameters and running statistics, as the reference does.

    torch's counter of batches seen and the constants of the standardisation are not among them.
    """
    statistics = sum(
        buffer.numel() for name, buffer in network.named_buffers() if name.endswith(("running_mean", "running_var"))
    )
    return statistics + sum(parameter.numel() for parameter in network.parameters())
