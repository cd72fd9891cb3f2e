"""Where a model's graph is evaluated: by onnxruntime in this process, on its CPU or a GPU, or by a server."""

from __future__ import annotations

from coffea_mljec import defaults
from coffea_mljec.errors import InputError
from coffea_mljec.models.backends.backend import Backend
from coffea_mljec.models.backends.runtime import LOCAL, OnnxRuntime
from coffea_mljec.models.backends.triton import TritonServer

__all__ = ["LOCAL", "Backend", "OnnxRuntime", "TritonServer", "backend_of"]


def backend_of(device: str = defaults.DEVICE, server: TritonServer | None = None) -> Backend:
    """The backend that a provider's options name.

    Raises
    ------
    InputError
        If there is no such device, the server is something else, or both are given.
    """
    if server is None:
        return OnnxRuntime(device)
    if not isinstance(server, TritonServer):
        raise InputError(
            "server must be a coffea_mljec.TritonServer, such as TritonServer('http://localhost:8000'); got "
            f"{server!r}."
        )
    if device != defaults.DEVICE:
        raise InputError(f"device={device!r} and server= both say where the network runs; give one of them.")
    return server
