"""How a competent user does it today: awkward features padded to a maximum, and networks on padded inputs with a mask.

The padded networks have the very weights of ours. Where they are in favour of the peers: inputs are standardised
beforehand, padding is not timed, and batches have the size that suits each peer best.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import torch
from torch import Tensor, nn

from coffea_mljec.features import PFNANO
from training.networks.network import Network
from training.networks.particlenet import ParticleNet

__all__ = ["SLOTS", "PaddedPFN", "PaddedParticleNet", "awkward_features", "nested", "onnxruntime_way", "padded_inputs",
           "torch_way"]  # fmt: skip

SLOTS = {"charged": 64, "neutral": 64, "sv": 16}
"""Slots of a padded jet, as in the reference thesis."""
BATCHES = (64, 256, 1024)


def nested(events: Any) -> tuple[ak.Array, ak.Array]:
    """Jets, flat, and their candidates, [jet][candidate], both records of what the features need."""
    jets, links, candidates = events.Jet, events.JetPFCands, events.PFCands
    first_jet = np.cumsum(ak.num(jets)) - ak.num(jets)
    jet_of_link = ak.to_numpy(ak.flatten(links.jetIdx + first_jet))
    first_candidate = np.cumsum(ak.num(candidates)) - ak.num(candidates)
    order = np.argsort(jet_of_link, kind="stable")
    rows = ak.to_numpy(ak.flatten(links.pFCandsIdx + first_candidate))[order]
    names = ("pt", "eta", "phi", "pdgId", "d0", "d0Err", "dz", "trkChi2", "lostInnerHits", "pvAssocQuality")
    flat = ak.zip({name: ak.flatten(candidates[name])[rows] for name in names})
    of_jet = ak.unflatten(flat, np.bincount(jet_of_link, minlength=int(ak.sum(ak.num(jets)))))
    raw = ak.flatten(jets.pt * (1 - jets.rawFactor))
    return ak.zip({"pt": raw, "eta": ak.flatten(jets.eta), "phi": ak.flatten(jets.phi)}), of_jet


def awkward_features(jets: ak.Array, candidates: ak.Array) -> dict[str, np.ndarray]:
    """Features of charged and neutral candidates, float32 [n, 64, F], zeros where there is none."""
    number = abs(candidates.pdgId)
    charged = (number == 211) | (number == 11) | (number == 13)
    found = {}
    for collection, chosen in (("charged", candidates[charged]), ("neutral", candidates[~charged])):
        columns = [_column(name, jets, chosen) for name in getattr(PFNANO, collection)]
        found[collection] = np.stack([_pad(column, SLOTS[collection]) for column in columns], axis=-1)
    return found


def _column(name: str, jets: ak.Array, chosen: ak.Array) -> ak.Array:
    plain = {"dxy": "d0", "dz": "dz", "lost_hits": "lostInnerHits", "norm_chi2": "trkChi2"}
    if name == "rel_pt":
        return chosen.pt / jets.pt
    if name == "rel_eta":
        return np.sign(jets.eta) * (chosen.eta - jets.eta)
    if name == "rel_phi":
        return (chosen.phi - jets.phi + np.pi) % (2 * np.pi) - np.pi
    if name == "dxy_sig":
        return ak.where(chosen.d0Err > 0, chosen.d0 / chosen.d0Err, -1.0)
    if name.startswith(("id_", "pv_assoc_")):
        field = "pdgId" if name.startswith("id_") else "pvAssocQuality"
        return chosen[field] == int(name.rpartition("_")[2])
    return chosen[plain.get(name, name)]


def _pad(column: ak.Array, length: int) -> np.ndarray:
    return ak.to_numpy(ak.fill_none(ak.pad_none(column, length, axis=1, clip=True), 0)).astype(np.float32)


def padded_inputs(network: Network, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Standardised inputs of the padded networks: ``jet`` and per collection ``c`` [n, slots, F], ``c_mask`` (and
    ``c_points`` [n, slots, 2] for ParticleNets), from the flat arrays."""
    inputs = {"jet": network.standardisations["jet"](arrays["jet_features"]).astype(np.float32)}
    for c in network.collections:
        offsets, slots = arrays[f"{c}_offsets"], SLOTS[c]
        size = np.diff(offsets)
        jet = np.repeat(np.arange(len(size)), size)
        slot = np.arange(offsets[-1]) - offsets[jet]
        kept = slot < slots
        place = (jet[kept], slot[kept])

        def pad(rows: np.ndarray, n: int = len(size), slots: int = slots, place: Any = place, kept: Any = kept) -> Any:
            out = np.zeros((n, slots, *rows.shape[1:]), np.float32)
            out[place] = rows[kept]
            return out

        features = arrays[f"{c}_features"]
        inputs[c] = pad(network.standardisations[c](features))
        inputs[f"{c}_mask"] = pad(np.ones(len(features)))
        if isinstance(network, ParticleNet):
            inputs[f"{c}_points"] = pad(features[:, network.coordinates[c]])
    return inputs


class PaddedPFN(nn.Module):
    """Deep sets on padded jets: every slot goes through the network, the mask removes the pads from the sum."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.collections, self.phi, self.head, self.output = (
            network.collections, network.phi, network.head, network.output,
        )  # fmt: skip

    def forward(self, jet: Tensor, *inputs: Tensor) -> Tensor:
        """``inputs`` are features and mask of each collection."""
        parts = []
        for i, c in enumerate(self.collections):
            x, mask = inputs[2 * i], inputs[2 * i + 1]
            rows = self.phi[c](x.flatten(0, 1)).unflatten(0, (x.shape[0], x.shape[1]))
            parts.append((rows * mask.unsqueeze(-1)).sum(1))
        return self.output(self.head(torch.cat([*parts, jet], 1))).squeeze(1)


class PaddedParticleNet(nn.Module):
    """ParticleNet as weaver and Keras have it: distances of all pairs of slots, TopK, the neighbours gathered.

    Parameters
    ----------
    network : ParticleNet
    flat_gather : bool
        Gather rows of [n * slots, C] by number; otherwise elements of [n, slots, slots, C].
    """

    def __init__(self, network: Any, flat_gather: bool = True) -> None:
        super().__init__()
        self.collections, self.convolutions = network.collections, network.convolutions
        self.head, self.output, self.flat_gather = network.head, network.output, flat_gather
        self.k = {c: network.architecture.k(c) for c in self.collections}

    def forward(self, jet: Tensor, *inputs: Tensor) -> Tensor:
        """``inputs`` are features, mask and points of each collection."""
        parts = []
        for i, c in enumerate(self.collections):
            x, mask, points = inputs[3 * i : 3 * i + 3]
            for block in self.convolutions[c]:
                x = self._block(block, x, mask, points, self.k[c])
                points = x
            parts.append((x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
        return self.output(self.head(torch.cat([*parts, jet], 1))).squeeze(1)

    def _block(self, block: Any, x: Tensor, mask: Tensor, points: Tensor, k: int) -> Tensor:
        slots = x.shape[1]
        square = (points * points).sum(-1)
        distance = square.unsqueeze(2) + square.unsqueeze(1) - 2 * points @ points.transpose(1, 2)
        far = (1 - mask).unsqueeze(1) + torch.eye(slots)
        place = torch.topk(distance + 1e9 * far, k, largest=False)[1]
        heard = self._gather(x, place)
        # A jet with fewer than k + 1 constituents uses those that it has; one alone hears itself.
        valid = self._gather(mask.unsqueeze(-1), place) * (place != torch.arange(slots).view(1, -1, 1)).unsqueeze(-1)
        alone = mask.sum(1).view(-1, 1, 1) == 1
        heard = torch.where(alone.unsqueeze(-1), x.unsqueeze(2), heard)
        first = (torch.arange(k) == 0).view(1, 1, -1, 1)
        valid = torch.where(alone.unsqueeze(-1), first.to(valid.dtype), valid)
        own = x.unsqueeze(2).expand(-1, -1, k, -1)
        z = torch.cat([own, heard - own], -1).flatten(0, 2)
        for dense, norm in zip(block.dense, block.norm, strict=True):
            z = torch.relu(norm(dense(z)))
        z = z.unflatten(0, (x.shape[0], slots, k))
        mean = (z * valid).sum(2) / valid.sum(2).clamp(min=1)
        shortcut = block.shortcut_norm(block.shortcut(x).flatten(0, 1)).unflatten(0, (x.shape[0], slots))
        return torch.relu(shortcut + mean)

    def _gather(self, x: Tensor, place: Tensor) -> Tensor:
        n, slots, width = x.shape
        if self.flat_gather:
            rows = place + torch.arange(n).view(-1, 1, 1) * slots
            return x.flatten(0, 1)[rows.flatten()].unflatten(0, (n, slots, -1))
        return torch.gather(x.unsqueeze(1).expand(-1, slots, -1, -1), 2, place.unsqueeze(-1).expand(-1, -1, -1, width))


def _in_batches(call: Callable[[list[np.ndarray]], np.ndarray], inputs: list[np.ndarray]) -> Callable[[], np.ndarray]:
    """The call over all jets, in batches of the size that is fastest."""
    n = len(inputs[0])

    def run(size: int) -> np.ndarray:
        return np.concatenate([call([part[i : i + size] for part in inputs]) for i in range(0, n, size)])

    def spent(size: int) -> float:
        run(min(size, n))
        start = time.process_time()
        run(size)
        return time.process_time() - start

    best = min((size for size in BATCHES if size <= n), key=spent, default=n)
    return lambda: run(best)


def torch_way(module: nn.Module, inputs: Mapping[str, np.ndarray]) -> Callable[[], np.ndarray]:
    """The network through coffea's own ``torch_wrapper``: TorchScript, numpy in and out."""
    from coffea.ml_tools.torch_wrapper import torch_wrapper

    class Wrapped(torch_wrapper):
        def prepare_awkward(self, *arrays: Any) -> Any:
            return arrays, {}

    arrays = list(inputs.values())
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = str(Path(folder) / "network.pt")
        torch.jit.save(torch.jit.trace(module.eval(), tuple(torch.from_numpy(part[:64]) for part in arrays)), path)
        wrapper = Wrapped(path)
        wrapper.model  # noqa: B018 (loads the file)
    return _in_batches(lambda batch: wrapper.numpy_call(*batch), arrays)


def onnxruntime_way(module: nn.Module, inputs: Mapping[str, np.ndarray]) -> Callable[[], np.ndarray]:
    """The network as torch exports it, in onnxruntime with one thread."""
    import onnxruntime

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of operators of packages that are not there
    arrays = list(inputs.values())
    example = tuple(torch.from_numpy(part[:64]) for part in arrays)
    first = torch.export.Dim("n", min=2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            module.eval(), example, path, input_names=list(inputs), dynamo=True, external_data=False, verbose=False,
            dynamic_shapes=({0: first}, tuple({0: first} for _ in example[1:])),
        )  # fmt: skip
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return _in_batches(lambda batch: session.run(None, dict(zip(names, batch, strict=True)))[0], arrays)
