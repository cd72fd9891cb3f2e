"""Devices of onnxruntime: what is refused where there is no GPU, and how a session is made where there is one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import onnxruntime
import pytest

import coffea_mljec as mljec
from coffea_mljec import models
from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.models import sessions
from coffea_mljec.models.backends import LOCAL, OnnxRuntime
from coffea_mljec.models.engines.onnx import OnnxSession


@pytest.fixture(scope="module")
def events(sample: Path, open_nano: Callable[..., Any]) -> Any:
    return open_nano(sample, entry_stop=20)


def test_the_cpu_is_what_is_meant(events: Any) -> None:
    said, plain = mljec.MLJEC("pfn-r-lite", device="cpu"), mljec.MLJEC("pfn-r-lite")
    np.testing.assert_array_equal(ak.flatten(said.correction(events)), ak.flatten(plain.correction(events)))
    assert repr(said) == repr(plain)
    assert models.session(said.model, OnnxRuntime("cpu")) is models.session(plain.model)


def test_unknown_device() -> None:
    with pytest.raises(InputError, match=r"no device 'gpu': expected 'cpu' or 'cuda'\."):
        mljec.Network("pfn-r-lite", device="gpu")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime has CUDA"
)
def test_refused_without_the_provider(events: Any) -> None:
    corrector = pickle.loads(pickle.dumps(mljec.MLJEC("pfn-r-lite", device="cuda")))  # a client need not have one
    assert corrector.required_branches(events)
    with pytest.raises(
        ModelError,
        match=r"device='cuda' needs onnxruntime's CUDAExecutionProvider; onnxruntime \S+ of this worker has "
        r".*CPUExecutionProvider\. Where there is an NVIDIA GPU: pip uninstall onnxruntime, then pip install "
        r"'onnxruntime-gpu\[cuda,cudnn\]'\. Elsewhere leave device out",
    ):
        corrector(events)


class _Sessions:
    """onnxruntime with a CUDA provider: sessions run on the CPU, and remember what was asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
        self.asked: list[Any] = []
        real = onnxruntime.InferenceSession

        class Session(real):  # type: ignore[misc, valid-type]
            def __init__(this, graph: bytes, options: Any, providers: list[Any]) -> None:
                self.asked.append(providers)
                super().__init__(graph, options, providers=["CPUExecutionProvider"])

            def get_providers(this) -> list[str]:
                gpu = works and len(self.asked[-1]) > 1
                return ["CUDAExecutionProvider", "CPUExecutionProvider"] if gpu else ["CPUExecutionProvider"]

        monkeypatch.setattr(sessions, "_RUNNERS", {})
        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)


def test_the_graph_itself_runs_there(events: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = mljec.MLJEC("pfn-r-lite").correction(events)
    fake = _Sessions(monkeypatch, works=True)
    corrector = mljec.MLJEC("pfn-r-lite", device="cuda")
    np.testing.assert_allclose(ak.flatten(corrector.correction(events)), ak.flatten(here), rtol=1e-5)
    # The engine of the card is for CPUs; what is compared with is the CPU.
    assert corrector.card.engine == "pfn"
    assert isinstance(models.session(corrector.model, OnnxRuntime("cuda")), OnnxSession)
    assert fake.asked == [
        [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"],
        ["CPUExecutionProvider"],
    ]
    assert LOCAL.device == "cpu"


def test_refused_where_the_provider_finds_no_gpu(events: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _Sessions(monkeypatch, works=False)
    with pytest.raises(ModelError, match=r"has the CUDAExecutionProvider and cannot use it on this worker"):
        mljec.MLJEC("pfn-r-lite", device="cuda")(events)
