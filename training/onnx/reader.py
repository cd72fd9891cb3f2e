"""The weights of a graph that `training.onnx.graph` wrote, back in a network.

Batch norms were folded into the dense layers. They come back as identities, shift and scale of the inputs with them:
`training.networks.settling` gives both their statistics without changing what the network says.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coffea_mljec.errors import InputError
from coffea_mljec.models import ModelFolder, node_names
from coffea_mljec.models.weights import Columns, Dense, Weights
from coffea_mljec.models.wire import Constants, read_constants
from training.networks.architecture import AnyArchitecture
from training.networks.context import ContextPFN
from training.networks.edges.convolution import EdgeConv
from training.networks.layers import BatchNorm, Block
from training.networks.network import Network, make_network
from training.networks.particlenet import ParticleNet
from training.networks.pfn import PFN
from training.networks.standardisation import Standardisation, Transform
from training.onnx.graph import network_graph

__all__ = ["network_of_model"]

_FIRST_BIAS = ".plain.bias"


def network_of_model(model: ModelFolder, architecture: AnyArchitecture) -> Network:
    """Return the network of a model folder in evaluation mode, with as many outputs as the model has.

    Parameters
    ----------
    model : ModelFolder
        Written by `training.learning.export.export` from a network.
    architecture : AnyArchitecture
        Of the network.

    Raises
    ------
    InputError
        If the graph is the mean of several networks, was not written from a network here, or is of another
        architecture.
    """
    name, constants = model.card.name, read_constants(model.graph)
    if model.members or node_names.members(constants.values) != [""]:
        raise InputError(f"model {name!r} is the mean of several networks, and a training starts from one: name that")
    if node_names.weight(node_names.LAST) not in constants.values:
        raise InputError(
            f"the graph of model {name!r} is no network that python -m training export wrote (trees, or the graph of "
            "another program): start from a network of this project, or from a run's folder"
        )
    network = _Reader(_Constants(name, "a network", constants), constants).network(model, architecture)
    _check_written_again(network, constants, name)
    return network.eval()


def _check_written_again(network: Network, constants: Constants, name: str) -> None:
    """Refuse a graph that has anything which the network read from it has not."""
    again = read_constants(network_graph(network))
    for constant in sorted({*constants.values, *again.values}):
        one, other = constants.values.get(constant), again.values.get(constant)
        if one is None or other is None or one.shape != other.shape:
            what = "alone has" if other is None else "lacks" if one is None else "has in another shape"
            raise InputError(
                f"model {name!r} is of another architecture than the recipe: its graph {what} the constant {constant!r}"
            )
        # Shifts of a ParticleNet's inputs stand in two biases of one sum, and come back in one of them.
        near = 1e-5 * float(np.abs(one[np.isfinite(one)]).max(initial=0.0))
        if not constant.endswith(_FIRST_BIAS) and not np.allclose(one, other, rtol=1e-4, atol=near):
            raise InputError(f"the graph of model {name!r} has a constant {constant!r} that no network here gives")


class _Constants(Weights):
    """The constants of a graph, in the shapes that a recipe's network asks for."""

    def array(self, name: str, *shape: int | None) -> NDArray[np.float32]:
        value = self._constants.values.get(self._prefix + name)
        fits = value is not None and len(value.shape) == len(shape)
        if value is None or not fits or any(n not in (None, got) for n, got in zip(shape, value.shape, strict=True)):
            wanted, got = (" x ".join(map(str, one)) for one in (shape, () if value is None else value.shape))
            raise InputError(
                f"model {self._model!r} is of another architecture than the recipe, whose network has {name!r} of "
                f"{wanted}; the model's graph has {got or 'none'}. Give the architecture that the model was trained "
                "with"
            )
        return super().array(name, *shape)


class _Reader:
    """Puts a graph's constants where they belong."""

    def __init__(self, weights: Weights, constants: Constants) -> None:
        self.weights, self.constants = weights, constants

    def network(self, model: ModelFolder, architecture: AnyArchitecture) -> Network:
        names = model.card.feature_set.names()
        standardisations = {c: self._transforms(c, features) for c, features in names.items()}
        network = make_network(architecture, standardisations, len(model.card.outputs))
        with torch.no_grad():
            if isinstance(network, ContextPFN):
                self._context(network)
            else:
                for c in network.collections:
                    if isinstance(network, ParticleNet):
                        self._cloud(network, c)
                    else:
                        self._sums(network, c)
                self._head(network)
            n_in, n_out = network.output.in_features, network.output.out_features
            last = self.weights.dense(node_names.LAST, n_in, n_out)
            _put(network.output.weight, last.weight.T)
            _put(network.output.bias, last.bias)
        return network

    def _transforms(self, collection: str, features: tuple[str, ...]) -> Standardisation:
        """The transforms of a collection's features; shift 0 and scale 1, the rest is in the weights.

        A network with context standardises the jets' features by themselves: theirs are read.
        """
        columns, first = self.weights.inputs(collection, len(features), None)
        transforms = _transforms(columns, len(features))
        shift, scale = np.zeros(len(features)), np.ones(len(features))
        if collection == "jet" and node_names.weight("context.0.0") in self.constants.values:
            scale = 1.0 / np.diag(first.weight.astype(np.float64))
            shift = -first.bias.astype(np.float64) * scale
        return Standardisation(
            features=features, transforms=transforms, shift=tuple(shift.tolist()), scale=tuple(scale.tolist())
        )

    def _sums(self, network: PFN, collection: str) -> None:
        block = cast("Block", network.phi[collection])
        self._block(block, collection, 0, self._inputs(collection, network, block))

    def _inputs(self, collection: str, network: Network, block: Block) -> Dense:
        width = cast("nn.Linear", block[0]).out_features
        return self.weights.inputs(collection, network.n_features(collection), width)[1]

    def _block(self, block: Block, name: str, start: int, first: Dense) -> None:
        """Fill a block whose first layer is known; the others are ``name.(start + 1)``, ..."""
        modules = list(block)
        for i, (dense, norm) in enumerate(zip(modules[0::3], modules[1::3], strict=True)):
            dense = cast("nn.Linear", dense)
            of_layer = node_names.layer(name, start + i)
            layer = first if i == 0 else self.weights.dense(of_layer, dense.in_features, dense.out_features)
            _fill(dense, cast("BatchNorm", norm), layer.weight, layer.bias)

    def _head(self, network: PFN | ParticleNet) -> None:
        n_jet = network.n_features("jet")
        dense = cast("nn.Linear", network.head[0])
        first = self.weights.inputs("jet", n_jet, dense.out_features)[1]
        if n_pooled := dense.in_features - n_jet:
            name = node_names.weight(node_names.layer(node_names.HEAD, 0))
            of_pooled = self.weights.array(name, n_pooled, dense.out_features)
            first = Dense(np.concatenate([of_pooled, first.weight]), first.bias)
        self._block(network.head, node_names.HEAD, 0, first)

    def _context(self, network: ContextPFN) -> None:
        for c in network.collections:
            for i, module in enumerate(cast("nn.ModuleList", network.phi[c])):
                block, name = cast("Block", module), node_names.layer(c, i)
                if i == 0:
                    first = self._inputs(c, network, block)
                else:
                    told = cast("nn.Linear", cast("nn.ModuleList", network.told[c])[i - 1])
                    heard = self.weights.dense(f"{name}.told", told.in_features, told.out_features)
                    _put(told.weight, heard.weight.T)
                    own = node_names.weight(node_names.layer(name, 0))
                    n_in = cast("nn.Linear", block[0]).in_features
                    first = Dense(self.weights.array(own, n_in, told.out_features), heard.bias)
                self._block(block, name, 0, first)
        for i, module in enumerate([*network.contexts, network.head]):
            block = cast("Block", module)
            name = node_names.layer("context", i) if i < len(network.contexts) else node_names.HEAD
            dense = cast("nn.Linear", block[0])
            first = self.weights.dense(node_names.layer(name, 0), dense.in_features, dense.out_features)
            self._block(block, name, 0, first)

    def _cloud(self, network: ParticleNet, collection: str) -> None:
        for b, module in enumerate(cast("nn.ModuleList", network.convolutions[collection])):
            block, name = cast("EdgeConv", module), node_names.layer(collection, b)
            width, last = (cast("nn.Linear", block.dense[i]).out_features for i in (0, -1))
            n_in, n_out = block.shortcut.in_features, 2 * width + last
            if b == 0:
                nodes = self.weights.inputs(collection, n_in, n_out)[1]
            else:
                nodes = self.weights.dense(node_names.nodes(name), n_in, n_out)
            own, other, shortcut = np.split(nodes.weight, [width, 2 * width], axis=1)
            own_bias, other_bias, shortcut_bias = np.split(nodes.bias, [width, 2 * width])
            # On edges [x_i, x_j - x_i]: what the row says of itself is the first half less the second.
            edges = np.concatenate([own + other, other])
            _fill(cast("nn.Linear", block.dense[0]), cast("BatchNorm", block.norm[0]), edges, own_bias + other_bias)
            _fill(block.shortcut, block.shortcut_norm, shortcut, shortcut_bias)
            for i, (dense, norm) in enumerate(zip(block.dense[1:], block.norm[1:], strict=True), start=1):
                dense = cast("nn.Linear", dense)
                layer = self.weights.dense(node_names.layer(name, i), dense.in_features, dense.out_features)
                _fill(dense, cast("BatchNorm", norm), layer.weight, layer.bias)


def _transforms(columns: Columns, n: int) -> tuple[Transform, ...]:
    found = [Transform()] * n
    for column, scale in zip(columns.index, columns.scale, strict=True):
        # Units are round numbers; the graph keeps their inverse with seven digits.
        found[column] = Transform(kind="symlog", unit=float(f"{1.0 / scale:.6g}"))
    return tuple(found)


def _fill(dense: nn.Linear, norm: BatchNorm, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    """Put a layer [in, out] into a dense layer, and its bias into the norm after it, which is else an identity."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    _put(dense.weight, weight.T)
    if dense.bias is not None:
        dense.bias.zero_()
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.weight.fill_((1.0 + norm.eps) ** 0.5)
    _put(norm.bias, bias)


def _put(parameter: torch.Tensor, values: NDArray[np.float32]) -> None:
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))
