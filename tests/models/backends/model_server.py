"""A small server of networks over a real socket: KServe v2 with the binary tensors and the model configuration that
Triton adds, each network evaluated by onnxruntime."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import onnxruntime

__all__ = ["Answer", "ModelServer", "serve"]

_DATATYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64", "tensor(double)": "FP64", "tensor(float16)": "FP16"}
_DTYPES = {"FP32": "<f4", "INT64": "<i8", "FP64": "<f8", "FP16": "<f2"}
_HEADER = "Inference-Header-Content-Length"


@dataclass
class Answer:
    """What the server is about to send; a fault changes it."""

    code: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    """Bytes of the body that are sent before the connection is closed; all of them by default."""


Fault = Callable[[str, Answer], Answer | None]
"""(path, answer) -> another answer; None closes the connection without any."""


class ModelServer(ThreadingHTTPServer):
    """Networks by name; ``fault`` may spoil what it answers, ``requests`` counts paths, ``peak`` requests at a time."""

    daemon_threads = True
    # Threads of a fault that waits are not waited for.
    block_on_close = False

    def __init__(self, graphs: Mapping[str, bytes], max_batch_size: int = 0, binary: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.sessions = {
            name: onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            for name, graph in graphs.items()
        }
        self.max_batch_size, self.binary = max_batch_size, binary
        self.fault: Fault | None = None
        self.requests: Counter[str] = Counter()
        self.connections = 0
        self.open: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.busy = self.peak = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error of the server's."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, body: bytes, header_length: int | None) -> Answer:
        """What KServe v2 answers, before any fault."""
        parts = path.strip("/").split("/")
        if parts == ["v2", "health", "ready"] or parts == ["v2", "health", "live"]:
            return Answer(200, b"")
        if parts == ["v2"]:
            extensions = ["model_configuration", *(["binary_tensor_data"] if self.binary else [])]
            return _json({"name": "tests", "version": "1", "extensions": extensions})
        if parts[:2] != ["v2", "models"] or len(parts) < 3:
            return _error(404, "not found")
        name, rest = parts[2], parts[3:]
        session = self.sessions.get(name)
        if session is None:
            return _error(404, f"Request for unknown model: '{name}' is not found")
        if rest[:1] == ["versions"]:
            if rest[1] != "1":
                return _error(400, f"Request for unknown model: '{name}' version {rest[1]} is not at ready state")
            rest = rest[2:]
        if rest == []:
            return _json(self._metadata(name, session))
        if rest == ["ready"]:
            return Answer(200, b"")
        if rest == ["config"]:
            return _json({"name": name, "max_batch_size": self.max_batch_size})
        if rest == ["infer"]:
            return self._infer(name, session, body, header_length)
        return _error(404, "not found")

    def _metadata(self, name: str, session: Any) -> dict[str, Any]:
        def described(items: Any) -> list[dict[str, Any]]:
            return [
                {
                    "name": item.name,
                    "datatype": _DATATYPES[item.type],
                    "shape": [size if isinstance(size, int) else -1 for size in item.shape],
                }
                for item in items
            ]

        inputs, outputs = described(session.get_inputs()), described(session.get_outputs())
        return {"name": name, "versions": ["1"], "platform": "onnxruntime_onnx", "inputs": inputs, "outputs": outputs}

    def _infer(self, name: str, session: Any, body: bytes, header_length: int | None) -> Answer:
        length = len(body) if header_length is None else header_length
        request, at = json.loads(body[:length]), length
        feeds = {}
        for item in request["inputs"]:
            dtype = np.dtype(_DTYPES[item["datatype"]])
            size = item.get("parameters", {}).get("binary_data_size")
            if size is not None and not self.binary:
                return _error(400, "parameter 'binary_data_size' is not known")
            if size is None:
                values = np.array(item["data"], dtype)
            else:
                values, at = np.frombuffer(body, dtype, size // dtype.itemsize, at), at + size
            if values.size != math.prod(item["shape"]):
                return _error(400, f"unexpected total byte size for input '{item['name']}'")
            feeds[item["name"]] = values.reshape(item["shape"])
        batch = request["inputs"][0]["shape"][0]
        if 0 < self.max_batch_size < batch:
            return _error(400, f"inference request batch-size must be <= {self.max_batch_size} for '{name}'")
        names = [item["name"] for item in request["outputs"]]
        try:
            values = session.run(names, feeds)
        except Exception as error:
            return _error(400, f"onnx runtime error: {error}")
        return _result(name, names, values, self.binary, request.get("id"))


def _result(model: str, names: list[str], values: list[Any], binary: bool, request_id: str | None) -> Answer:
    outputs: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name, value in zip(names, values, strict=True):
        datatype = {"f4": "FP32", "i8": "INT64", "f8": "FP64"}[value.dtype.str[1:]]
        item: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(value.shape)}
        if binary:
            parts.append(value.tobytes())
            item["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            item["data"] = value.ravel().tolist()
        outputs.append(item)
    content: dict[str, Any] = {"model_name": model, "model_version": "1", "outputs": outputs}
    header = json.dumps(content if request_id is None else content | {"id": request_id}).encode()
    if not binary:
        return Answer(200, header, {"Content-Type": "application/json"})
    headers = {"Content-Type": "application/octet-stream", _HEADER: str(len(header))}
    return Answer(200, b"".join([header, *parts]), headers)


def _json(content: Any) -> Answer:
    return Answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _error(code: int, text: str) -> Answer:
    return Answer(code, json.dumps({"error": text}).encode(), {"Content-Type": "application/json"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ModelServer

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1
            self.server.open.add(self.connection)

    def finish(self) -> None:
        with self.server.lock:
            self.server.open.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._reply(b"")

    def do_POST(self) -> None:
        self._reply(self.rfile.read(int(self.headers["Content-Length"])))

    def _reply(self, body: bytes) -> None:
        server = self.server
        with server.lock:
            server.requests[self.path] += 1
            server.busy += 1
            server.peak = max(server.peak, server.busy)
        try:
            length = self.headers.get(_HEADER)
            answer = server.answer(self.path, body, None if length is None else int(length))
            changed = answer if server.fault is None else server.fault(self.path, answer)
        finally:
            with server.lock:
                server.busy -= 1
        if changed is None:
            self.close_connection = True
            return
        self.send_response(changed.code)
        for name, value in ({"Content-Length": str(len(changed.body))} | changed.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(changed.body if changed.sent is None else changed.body[: changed.sent])
        if changed.sent is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serve(graphs: Mapping[str, bytes], max_batch_size: int = 0, binary: bool = True) -> Iterator[ModelServer]:
    """A server of these networks, ended with the block."""
    with ModelServer(graphs, max_batch_size, binary) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            with server.lock:
                for connection in server.open:  # those that clients keep
                    with suppress(OSError):  # the client may have left
                        connection.shutdown(socket.SHUT_RDWR)
