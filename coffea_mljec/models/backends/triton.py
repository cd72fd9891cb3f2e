"""Networks on a Triton server: the card says what enters and what comes out, the server evaluates."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.models.backends.backend import Backend, GraphSession, Node
from coffea_mljec.models.backends.connections import Connections, Reply
from coffea_mljec.models.backends.kserve import HEADER_LENGTH, infer_request, infer_result, nodes

__all__ = ["TritonServer"]

_T = TypeVar("_T")

_LONGEST_SAID = 400
"""Characters of a server's own message that an error repeats."""


@dataclass(frozen=True)
class TritonServer(Backend):
    """A server that speaks KServe v2 over HTTP, as NVIDIA's Triton does, and has a network loaded.

    Hand it to `MLJEC` or `Network` as ``server=``. Each process opens its own connections, on first use. The server's
    first answers are compared with onnxruntime's on a few made-up jets: another network is refused.

    Parameters
    ----------
    url : str
        Its HTTP port: ``"http://host:8000"``, ``"https://host"``.
    model : str, or sequence of str, optional
        What the server calls the network; the card's name by default. An ensemble of several graphs needs one name for
        each, in the order of its files.
    version : str or int, optional
        Of the network; which one answers without it is the server's choice.
    timeout : float
        Seconds that a request may take, its answer included.

    Raises
    ------
    InputError
        If one of them is impossible.
    """

    url: str
    model: str | tuple[str, ...] | None = None
    version: str | int | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if problem := _url_problem(self.url):
            raise InputError(f"{problem} Give the server's HTTP port, such as 'http://localhost:8000'.")
        if self.model is not None and not isinstance(self.model, str):
            object.__setattr__(self, "model", tuple(self.model))
        if not all(isinstance(name, str) and name for name in self._names("default")):
            raise InputError(f"model must be the server's name of the network, or several; got {self.model!r}.")
        if not (isinstance(self.timeout, (int, float)) and math.isfinite(self.timeout) and self.timeout > 0):
            raise InputError(f"timeout must be a number of seconds above 0; got {self.timeout!r}.")

    def _names(self, default: str) -> tuple[str, ...]:
        if self.model is None:
            return (default,)
        return (self.model,) if isinstance(self.model, str) else self.model

    @property
    def rows(self) -> int:
        return 65536  # few large requests

    def graph_of(self, model: str) -> str:
        return f"{' + '.join(map(repr, self._names(model)))} on the server at {self.url}"

    def open(self, graphs: Sequence[bytes], model: str) -> list[GraphSession]:
        names = self._names(model)
        if len(names) != len(graphs):
            raise ModelError(
                f"model {model!r} has {len(graphs)} graphs, whose outputs are averaged, and the server was given "
                f"{len(names)} names: {', '.join(names)}. Give one for each: TritonServer(url, model=[...])."
            )
        connections = Connections(self.url.rstrip("/"), float(self.timeout))
        ready = connections.ask("/v2/health/ready")
        if ready.code != 200:
            raise ModelError(
                f"the server at {self.url} is not ready: {_said(ready)}. Wait until its networks are loaded; if it "
                "does not speak KServe v2 at all, give the URL of one that does."
            )
        return [_TritonSession(connections, name, self.version) for name in names]


def _url_problem(url: Any) -> str | None:
    if not isinstance(url, str):
        return f"a server's url must be text; got {url!r}."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{url!r} is no address of a server: {error}."
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return f"{url!r} is no address of a server."
    if parts.query or parts.fragment or parts.username or not url.isprintable() or " " in url:
        return f"{url!r} has parts that an address of a server has not."
    return None


class _TritonSession:
    """One network of the server: a `GraphSession`."""

    def __init__(self, connections: Connections, name: str, version: str | int | None) -> None:
        self._connections = connections
        self._called = f"{name!r} on the server at {connections.url}"
        self._path = f"/v2/models/{quote(name, safe='')}"
        if version is not None:
            self._path += f"/versions/{quote(str(version), safe='')}"
        metadata = self._understood(self._asked(""), lambda reply: json.loads(reply.body))
        self._inputs = self._understood(metadata, lambda content: nodes(content, "inputs"))
        self._outputs = self._understood(metadata, lambda content: nodes(content, "outputs"))
        # An extension of Triton; without it no bound is known.
        config = self._connections.ask(self._path + "/config")
        found = self._understood(config, lambda reply: json.loads(reply.body)) if config.code == 200 else {}
        self._at_most = self._understood(found, lambda content: int(content.get("max_batch_size", 0)))

    def get_inputs(self) -> Sequence[Node]:
        return self._inputs

    def get_outputs(self) -> Sequence[Node]:
        return self._outputs

    def run(self, output_names: list[str], input_feed: dict[str, npt.NDArray[Any]]) -> Sequence[Any]:
        n_jets = len(next(iter(input_feed.values())))
        if self._at_most <= 0:
            return self._infer(output_names, input_feed)
        if any(len(values) != n_jets for values in input_feed.values()):
            raise ModelError(
                f"{self._called} takes {self._at_most} jets at a time, and inputs of one row a jet; this network has "
                "flat arrays of constituents. Write max_batch_size: 0 into its config.pbtxt."
            )
        pieces = [
            self._infer(output_names, {name: values[i : i + self._at_most] for name, values in input_feed.items()})
            for i in range(0, n_jets, self._at_most)
        ]
        return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]

    def _infer(self, outputs: list[str], inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        request_id = uuid4().hex
        body, length = infer_request(outputs, inputs, request_id)
        headers = {HEADER_LENGTH: str(length), "Content-Type": "application/octet-stream"}
        reply = self._asked("/infer", body, headers)
        json_length = reply.headers.get(HEADER_LENGTH.lower())
        return self._understood(reply, lambda reply: infer_result(reply.body, json_length, outputs, request_id))

    def _asked(self, what: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        reply = self._connections.ask(self._path + what, body, headers)
        if reply.code == 200:
            return reply
        if body is None:
            remedy = "Is the network loaded there, under this name and version (TritonServer(url, model=, version=))?"
        else:
            remedy = "Look at the server's log; jets are sent as the model card says."
        raise ModelError(f"{self._called} refuses: {_said(reply)}. {remedy}")

    def _understood(self, given: Any, read: Callable[[Any], _T]) -> _T:
        try:
            return read(given)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise ModelError(
                f"{self._called} answers what KServe v2 does not know ({error}): is it a server of Triton, and whole "
                "between here and there?"
            ) from None


def _said(reply: Reply) -> str:
    """What a server says of itself: the code, and its message if it has one."""
    try:
        text = json.loads(reply.body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        text = reply.body.decode("utf-8", "replace")
    text = " ".join(str(text).split())[:_LONGEST_SAID].rstrip(".")
    return f"HTTP {reply.code}{f', {text}' if text else ''}"
