"""HTTP to one server: connections that are kept, each used by one thread at a time, and errors that say what happened.

``http.client`` of the standard library. tritonclient 2.73, which Triton's authors publish, was tried: its HTTP client
runs on gevent and belongs to the thread that made it ("cannot switch to a different thread", from then on for every
thread), its errors are partly ``OSError``, and it brings ten packages and 55 MB, with ml-dtypes below what onnx takes.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from coffea_mljec.errors import ModelError

__all__ = ["Connections", "Reply"]

_LARGEST = 1 << 30
"""Bytes of a reply that are read at all."""
_PIECE = 1 << 20


@dataclass(frozen=True)
class Reply:
    """What a server answered, whatever it says."""

    code: int
    headers: Mapping[str, str | None]
    body: bytes


class _Gone(Exception):
    """A kept connection that the server had closed before it took the request."""


class Connections:
    """Connections of this process to one server.

    Parameters
    ----------
    url : str
        ``http://host:port`` or ``https://host:port``, perhaps with a path.
    timeout : float
        Seconds that a request may take, its answer included.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.url, self.timeout = url, timeout
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._process = os.getpid()
        weakref.finalize(self, _close, self._idle)

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """GET a path, or POST a body to it.

        Sent again, once, is only a request on a kept connection that the server closes without a word, as it may at any
        time. What is asked for here changes nothing on a server.

        Raises
        ------
        ModelError
            If no whole answer came in time.
        """
        deadline = time.monotonic() + self.timeout
        try:
            try:
                return self._ask(self._kept(), path, body, headers or {}, deadline)
            except _Gone:
                return self._ask(self._new(), path, body, headers or {}, deadline)
        except ModelError:
            raise
        except TimeoutError:
            raise ModelError(
                f"the server at {self.url} did not answer within {self.timeout:g} s: it is away, or busy. Look at it, "
                "or give it longer (timeout=)."
            ) from None
        except ssl.SSLError as error:
            raise ModelError(f"no secure connection to {self.url}: {error.reason or error}.") from None
        except socket.gaierror as error:
            raise ModelError(f"the server's name in {self.url} leads nowhere: {error.strerror}.") from None
        except OSError as error:
            raise ModelError(
                f"no answer from the server at {self.url}: {error.strerror or error}. Is it running, and its port "
                "reachable from this worker?"
            ) from None
        except (http.client.HTTPException, ValueError) as error:
            raise ModelError(
                f"the server at {self.url} does not answer as HTTP does ({type(error).__name__}): Triton's HTTP port "
                "is 8000 where nobody changed it; 8001 is for gRPC."
            ) from None

    def _kept(self) -> http.client.HTTPConnection:
        """A connection that was used before, or a new one."""
        with self._lock:
            if self._process != os.getpid():  # a fork: the connections are its parent's
                _close(self._idle)
                self._process = os.getpid()
            if self._idle:
                return self._idle.pop()
        return self._new()

    def _new(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port)
        return http.client.HTTPSConnection(self._host, self._port, context=self._tls)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
    ) -> Reply:
        used = connection.sock is not None
        try:
            if not used:
                connection.timeout = _left(deadline)
                connection.connect()
            assert connection.sock is not None
            connection.sock.settimeout(_left(deadline))
            sock = connection.sock
            try:
                connection.request("GET" if body is None else "POST", self._path + path, body, dict(headers))
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
                if used:
                    raise _Gone from None
                raise
            content = self._content(response, sock, deadline)
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def _content(self, response: http.client.HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
        length, parts, size = response.length, [], 0
        if length is not None and length > _LARGEST:
            raise ModelError(f"the server at {self.url} answers with {length:,} bytes: is it a server of networks?")
        while True:
            sock.settimeout(_left(deadline))
            try:
                piece = response.read1(_PIECE)
            except http.client.IncompleteRead:
                piece, length = b"", size + 1
            if not piece:
                break
            parts.append(piece)
            size += len(piece)
            if size > _LARGEST:
                raise ModelError(f"the server at {self.url} answers without end: is it a server of networks?")
        if length is not None and size < length:
            raise ModelError(
                f"the server at {self.url} ended its answer after {size:,} bytes, before it was whole: it was "
                "stopped, or something between ends long answers. Look at its log."
            )
        if length is not None:
            response.read()  # nothing is left; the connection counts as free only now
        return b"".join(parts)


def _close(connections: list[http.client.HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


def _left(deadline: float) -> float:
    """Seconds until then; TimeoutError if there are none."""
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left
