"""A ParticleNet as weaver exports it, with random weights, and its ``preprocess.json``.

The nodes are those of CMS's files: what lies beyond a jet is moved far away, and a block hears the k nearest points of
the padded tensor.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

__all__ = ["write"]

CLASSES = ("label_b", "label_c", "label_g")
_VARIABLES = {
    "points": ("etarel", "phirel"), "features": ("pt_log_nopuppi", "e_log_nopuppi", "etarel", "phirel"),
    "mask": ("mask",),
}  # fmt: skip
_OF_VERTICES = {"points": ("etarel", "phirel"), "features": ("pt_log", "d3dsig", "ntracks"), "mask": ("mask",)}
_LENGTHS = {"pf": (8, 50), "sv": (1, 5)}
_GROUPS = {
    f"{part}_{group}": tuple(f"{'pfcand' if part == 'pf' else 'sv'}_{name}" for name in names)
    for part, groups in (("pf", _VARIABLES), ("sv", _OF_VERTICES))
    for group, names in groups.items()
}


def write(folder: Path, k: int = 8, blocks: Sequence[Sequence[int]] = ((64,) * 3, (96,) * 3, (128,) * 3),
          fusion: int = 256, hidden: int = 128, seed: int = 0) -> tuple[Path, Path]:  # fmt: skip
    """Write ``model.onnx`` and ``preprocess.json``; returns their paths. The sizes are ParticleNetAK4_CHS's.

    Parameters
    ----------
    folder : Path
    k : int
        Neighbours; the shortest tensors together are longer by one.
    blocks : sequence of sequences of int
        Widths of each block's layers.
    fusion, hidden : int
        Widths of the layers before and after the mean.
    seed : int
    """
    folder.mkdir(parents=True, exist_ok=True)
    lengths = _LENGTHS | {"pf": (k, 50)}
    content: dict[str, Any] = {"output_names": list(CLASSES), "input_names": list(_GROUPS)}
    info = {
        "median": 0.0,
        "norm_factor": 1.0,
        "replace_inf_value": 0.0,
        "lower_bound": -5.0,
        "upper_bound": 5.0,
        "pad": 0.0,
    }
    for group, names in _GROUPS.items():
        shortest, longest = lengths[group[:2]]
        content[group] = {
            "var_names": list(names), "var_infos": dict.fromkeys(names, info), "min_length": shortest,
            "max_length": longest,
        }  # fmt: skip
    paths = folder / "model.onnx", folder / "preprocess.json"
    paths[0].write_bytes(_Writer(k, seed).model(blocks, fusion, hidden))
    paths[1].write_text(json.dumps(content))
    return paths


class _Writer:
    def __init__(self, k: int, seed: int) -> None:
        self._k, self._random = k, np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def _add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self._nodes)}"
        outputs = [name, f"{name}.places"] if operator == "TopK" else [name]
        self._nodes.append(helper.make_node(operator, list(inputs), outputs, **attributes))
        return outputs[-1]

    def _constant(self, value: Any) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _norm(self, x: str, width: int) -> str:
        gamma, variance = self._random.uniform(0.5, 1.5, (2, width)).astype(np.float32)
        beta, mean = self._random.normal(0, 0.1, (2, width)).astype(np.float32)
        return self._add("BatchNormalization", x, *map(self._constant, (gamma, beta, mean, variance)))

    def _convolution(self, x: str, n_in: int, width: int, rank: int) -> str:
        weight = self._random.normal(0, np.sqrt(1.5 / n_in), (width, n_in, *[1] * (rank - 2))).astype(np.float32)
        return self._norm(self._add("Conv", x, self._constant(weight), kernel_shape=[1] * (rank - 2)), width)

    def model(self, blocks: Sequence[Sequence[int]], fusion: int, hidden: int) -> bytes:
        parts = []
        for part in ("pf", "sv"):
            n_in = len(_GROUPS[f"{part}_features"])
            rows = self._convolution(
                self._norm(self._add("Mul", f"{part}_features", f"{part}_mask"), n_in), n_in, 32, 3
            )
            parts.append(self._add("Mul", self._add("Relu", rows), f"{part}_mask"))
        mask = self._add("Concat", "pf_mask", "sv_mask", axis=2)
        x = self._add("Mul", self._add("Concat", *parts, axis=2), mask)
        points = self._add("Mul", self._add("Concat", "pf_points", "sv_points", axis=2), mask)
        outside = self._add("Cast", self._add("Equal", mask, self._constant(np.float32(0))), to=TensorProto.FLOAT)
        away = self._add("Mul", outside, self._constant(np.float32(1e9)))
        outputs, n_in = [], 32
        for widths in blocks:
            x = points = self._block(x, self._add("Add", points, away), mask, n_in, widths)
            outputs.append(x)
            n_in = widths[-1]
        n_in = sum(widths[-1] for widths in blocks)
        fused = self._add("Relu", self._convolution(self._add("Concat", *outputs, axis=1), n_in, fusion, 3))
        total = self._add("ReduceSum", self._add("Mul", fused, mask), axes=[2], keepdims=0)
        count = self._add("ReduceSum", mask, axes=[2], keepdims=0)
        jets = self._add("Div", total, self._add("Max", count, self._constant(np.float32(1))))
        jets = self._add("Relu", self._gemm(jets, fusion, hidden))
        logits = self._gemm(jets, hidden, len(CLASSES))
        self._nodes.append(helper.make_node("Softmax", [logits], ["softmax"], axis=1))
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", len(names), f"n_{name[:2]}"])
            for name, names in _GROUPS.items()
        ]
        output = helper.make_tensor_value_info("softmax", TensorProto.FLOAT, ["N", len(CLASSES)])
        graph = helper.make_graph(self._nodes, "particlenet", inputs, [output], self._constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
        checker.check_model(made)
        return bytes(made.SerializeToString())

    def _gemm(self, x: str, n_in: int, width: int) -> str:
        weight = self._random.normal(0, np.sqrt(2 / n_in), (width, n_in)).astype(np.float32)
        bias = self._random.normal(0, 0.1, width).astype(np.float32)
        return self._add("Gemm", x, self._constant(weight), self._constant(bias), transB=1)

    def _block(self, x: str, points: str, mask: str, n_in: int, widths: Sequence[int]) -> str:
        tiled = self._add("Expand", self._add("Unsqueeze", x, axes=[3]), self._constant([1, 1, 1, self._k]))
        others = self._neighbours(x, points, n_in)
        edges = self._add("Concat", tiled, self._add("Sub", others, tiled), axis=1)
        width = 2 * n_in
        for wide in widths:
            edges = self._add("Relu", self._convolution(edges, width, wide, 4))
            width = wide
        mean = self._add("ReduceMean", edges, axes=[-1], keepdims=0)
        together = self._add("Add", self._convolution(x, n_in, widths[-1], 3), mean)
        return self._add("Mul", self._add("Relu", together), mask)

    def _neighbours(self, x: str, points: str, n_in: int) -> str:
        """Features of the k nearest points, [N, C, P, k]."""
        product = self._add("MatMul", self._add("Transpose", points, perm=[0, 2, 1]), points)
        inner = self._add("Mul", product, self._constant(np.float32(-2)))
        square = self._add("ReduceSum", self._add("Mul", points, points), axes=[1], keepdims=1)
        distance = self._add("Sub", self._add("Neg", square), inner)
        distance = self._add("Sub", distance, self._add("Transpose", square, perm=[0, 2, 1]))
        places = self._add("TopK", distance, self._constant([self._k + 1]), axis=-1)
        places = self._add("Slice", places, *map(self._constant, ([1], [self._k + 1], [2])))
        shape = self._add("Shape", x)
        n, length = (self._add("Slice", shape, self._constant([at]), self._constant([at + 1])) for at in (0, 2))
        zero, one = self._constant(np.int64(0)), self._constant(np.int64(1))
        jets = self._add("Range", zero, self._add("Squeeze", n, axes=[0]), one)
        first = self._add("Mul", self._add("Reshape", jets, self._constant([-1, 1, 1])), length)
        flat = self._add("Reshape", self._add("Add", places, first), self._constant([-1]))
        rows = self._add("Reshape", self._add("Transpose", x, perm=[1, 0, 2]), self._constant([n_in, -1]))
        wanted = self._add("Concat", self._constant([n_in]), n, length, self._constant([self._k]), axis=0)
        found = self._add("Reshape", self._add("Gather", rows, flat, axis=1), wanted)
        return self._add("Transpose", found, perm=[1, 0, 2, 3])
