"""onnxruntime in this process: on the CPU, or on a GPU where its CUDA provider is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coffea_mljec import defaults
from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.models.backends.backend import Backend, GraphSession

__all__ = ["DEVICES", "LOCAL", "OnnxRuntime"]

_CUDA = "CUDAExecutionProvider"
_PROVIDERS: dict[str, list[Any]] = {
    "cpu": ["CPUExecutionProvider"],
    # Without TF32, whose products keep ten bits: results are to be those of the CPU.
    "cuda": [(_CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"],
}
DEVICES = tuple(_PROVIDERS)
_ROWS = {"cpu": 1024, "cuda": 65536}
"""On a CPU the activations of so many rows stay in the cache; a GPU wants much at a time."""


@dataclass(frozen=True)
class OnnxRuntime(Backend):
    """onnxruntime on a device of this process.

    One intra-op and one inter-op thread: with two, a graph's scatter-add races and gives wrong sums; and a default
    session takes every core of a shared worker node. The memory arena is off: batches are small, and it would only
    grow.

    Raises
    ------
    InputError
        If there is no such device. Whether this process has it is asked when a graph is opened: a client without a GPU
        may send its corrections to workers that have one.
    """

    device: str = defaults.DEVICE

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise InputError(f"no device {self.device!r}: expected {' or '.join(map(repr, DEVICES))}.")

    @property
    def rows(self) -> int:
        return _ROWS[self.device]

    def graph_of(self, model: str) -> str:
        return f"the graph of model {model!r}"

    def open(self, graphs: Sequence[bytes], model: str) -> list[GraphSession]:
        return [self._session(graph, model) for graph in graphs]

    def _session(self, graph: bytes, model: str) -> GraphSession:
        try:
            import onnxruntime
        except ImportError:
            raise ModelError("applying a network needs onnxruntime on this worker: pip install onnxruntime.") from None
        if self.device == "cuda" and _CUDA not in (there := onnxruntime.get_available_providers()):
            raise ModelError(
                f"device='cuda' needs onnxruntime's {_CUDA}; onnxruntime {onnxruntime.__version__} of this worker has "
                f"{', '.join(there)}. Where there is an NVIDIA GPU: pip uninstall onnxruntime, then pip install "
                "'onnxruntime-gpu[cuda,cudnn]'. Elsewhere leave device out: networks run on the CPU."
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4  # what fails is raised, and need not be printed too
        try:
            session = onnxruntime.InferenceSession(graph, options, providers=_PROVIDERS[self.device])
        except Exception as error:  # onnxruntime's exceptions have no common public base
            raise ModelError(f"onnxruntime {onnxruntime.__version__} refuses {self.graph_of(model)}: {error}") from None
        if self.device == "cuda" and _CUDA not in session.get_providers():  # it goes on without, and only logs
            raise ModelError(
                f"onnxruntime {onnxruntime.__version__} has the {_CUDA} and cannot use it on this worker: it found no "
                "GPU, or not its CUDA and cuDNN libraries. Look at nvidia-smi, and: pip install "
                "'onnxruntime-gpu[cuda,cudnn]'."
            )
        return session


LOCAL = OnnxRuntime()
"""The CPU of this process: what is meant where nothing is said, and the reference."""
