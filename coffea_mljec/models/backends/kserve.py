"""KServe v2, the protocol of Triton's HTTP port: what a request for an evaluation holds, and what its answer does.

Numbers travel as binary tensors, an extension of Triton, behind a header of JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["HEADER_LENGTH", "TensorNode", "infer_request", "infer_result", "nodes"]

HEADER_LENGTH = "Inference-Header-Content-Length"
"""HTTP header: bytes of JSON before the binary tensors."""

_DATATYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
    "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
_SENT = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64"}
_TYPES = {"FP32": "tensor(float)", "INT64": "tensor(int64)", "FP64": "tensor(double)", "FP16": "tensor(float16)"}
"""As onnxruntime calls them."""


@dataclass(frozen=True)
class TensorNode:
    """An input or an output of a model: `coffea_mljec.models.backends.backend.Node`."""

    name: str
    type: str
    shape: list[int | None]


def nodes(metadata: Any, which: str) -> list[TensorNode]:
    """The ``inputs`` or ``outputs`` of a model's metadata; ValueError, LookupError or TypeError if it has none."""
    return [
        TensorNode(
            str(item["name"]),
            _TYPES.get(item["datatype"], f"tensor({item['datatype'].lower()})"),
            [None if int(size) < 0 else int(size) for size in item["shape"]],
        )
        for item in metadata[which]
    ]


def infer_request(outputs: Sequence[str], inputs: Mapping[str, npt.NDArray[Any]], request_id: str) -> tuple[bytes, int]:
    """The body of a request, and how many bytes of it are JSON."""
    described, parts = [], []
    for name, values in inputs.items():
        datatype = _SENT[values.dtype]
        parts.append(np.ascontiguousarray(values, _DATATYPES[datatype]).tobytes())
        size = {"binary_data_size": len(parts[-1])}
        described.append({"name": name, "shape": list(values.shape), "datatype": datatype, "parameters": size})
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    header = json.dumps({"id": request_id, "inputs": described, "outputs": wanted}).encode()
    return b"".join([header, *parts]), len(header)


def infer_result(
    body: bytes, header_length: str | None, outputs: Sequence[str], request_id: str
) -> list[npt.NDArray[Any]]:
    """The outputs that an answer holds, in the order of the names.

    Parameters
    ----------
    body : bytes
    header_length : str or None
        The HTTP header `HEADER_LENGTH`; without it all of the body is JSON.
    outputs : sequence of str
    request_id : str
        What the request called itself: a server repeats it.

    Raises
    ------
    ValueError, LookupError, TypeError
        If the body is no such answer: it lacks an output, or bytes, or answers another request.
    """
    end = len(body) if header_length is None else int(header_length)
    if not 0 <= end <= len(body):
        raise ValueError(f"{HEADER_LENGTH} is {end}, of {len(body)} bytes")
    header = json.loads(body[:end])
    if (header.get("id") or request_id) != request_id:  # a cache between, or more answers than requests
        raise ValueError("it answers another request")
    found: dict[str, npt.NDArray[Any]] = {}
    for item in header["outputs"]:
        name, shape = item["name"], [int(size) for size in item["shape"]]
        if item["datatype"] not in _DATATYPES:
            raise ValueError(f"output {name!r} has the datatype {item['datatype']}")
        dtype = np.dtype(_DATATYPES[item["datatype"]])
        size = (item.get("parameters") or {}).get("binary_data_size")
        wanted = math.prod(shape)
        if min(shape, default=0) < 0 or (size is not None and size != wanted * dtype.itemsize):
            raise ValueError(f"output {name!r} has the shape {shape} and {size} bytes")
        if size is None:
            found[name] = np.array(item["data"], dtype).reshape(shape)
        elif end + size > len(body):
            raise ValueError(f"output {name!r} ends beyond the {len(body)} bytes")
        else:
            found[name] = np.frombuffer(body, dtype, wanted, end).reshape(shape)
            end += size
    if missing := [name for name in outputs if name not in found]:
        raise LookupError(f"no output {missing[0]!r}, only {', '.join(found) or 'nothing'}")
    return [found[name] for name in outputs]
