"""A trained network as one ONNX graph on flat jagged inputs, its normalisation inside.

Inputs: ``jet_features`` float32 [n, F] and, per collection, ``c_features`` float32 [N_c, F_c] and ``c_offsets`` int64
[n + 1], from 0. Output: ``log_correction`` float32 [n], or ``outputs`` float32 [n, k] where a network has several. All
first axes are dynamic and may be 0.

The graphs are written node by node, not by ``torch.onnx.export(dynamo=True)``. What that does with our networks, as of
torch 2.13.0, onnxscript 0.7.2 and onnxruntime 1.31.1 with one thread:

- It refuses all three as they stand. ``aten.segment_reduce``, the sums over a jet's rows, has no ONNX function; the
  numba kernels of the other sums and of the neighbours cannot be traced.
- With ``index_add`` in their place it exports both particle flow networks. They agree with torch as well as our graphs
  do: within 1e-5 (pfn-r-lite), within 2e-4 for both writers on jets of 150 random rows (pfn-c-lite). They take 1.3
  (pfn-c-lite) and 1.6 (pfn-r-lite) times as long a jet, are twice as large, and leave batch norms and names that the
  engines of `coffea_mljec.models.engines` cannot read.
- ParticleNet fails then too: how far its jets are padded depends on the data (``GuardOnDataDependentSymNode``).
- An export takes 10 s and more of a core, ours 0.1 s.

Its older exporter writes ``index_add`` as a scatter without reduction: a wrong graph, and no message.
"""

from __future__ import annotations

from typing import cast

from coffea_mljec.models import node_names
from training.networks.context import ContextPFN
from training.networks.layers import Block
from training.networks.network import Network
from training.networks.particlenet import ParticleNet
from training.networks.pfn import PFN
from training.onnx.context import write_context_network
from training.onnx.jagged import Rows, write_head
from training.onnx.particlenet import write_cloud
from training.onnx.writer import IR_VERSION, OPSET, Writer, folded, standardised_dense

__all__ = ["IR_VERSION", "OPSET", "network_graph"]


def network_graph(network: Network) -> bytes:
    """Return the serialised ONNX model of a network in evaluation mode.

    Parameters
    ----------
    network : PFN, ParticleNet or ContextPFN
        With its standardisations.
    """
    write = Writer({c: len(part.features) for c, part in network.standardisations.items()})
    if isinstance(network, ContextPFN):
        write_context_network(write, network)
        return write.serialised("context_pfn", network.output.out_features)
    if isinstance(network, ParticleNet):
        pooled = [write_cloud(write, network, c) for c in network.collections]
    else:
        pooled = [part for c in network.collections for part in _write_sums(write, network, c)]
    write_head(write, network, pooled)
    kind = "particlenet" if isinstance(network, ParticleNet) else "pfn"
    return write.serialised(kind, network.output.out_features)


def _write_sums(write: Writer, network: PFN, collection: str) -> list[str]:
    """Add a collection's per-constituent network and the sums over each jet's rows."""
    layers = folded(cast("Block", network.phi[collection]))
    rows = standardised_dense(write, collection, network.standardisations[collection], layers[0])
    for i, layer in enumerate(layers[1:], start=1):
        rows = write.dense(rows, layer, node_names.layer(collection, i), relu=True)
    shape, width = network.architecture, len(layers[-1][1])
    return Rows(write, collection).pooled(rows, width, shape.pooling, network.shares[collection], collection)
