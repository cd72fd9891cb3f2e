"""``--device`` and ``--server``: where the networks of a command are evaluated."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import uproot

from tests.models.backends.model_server import serve


def pt(path):
    with uproot.open(path) as file:
        return np.concatenate(file["Events"]["Jet_pt"].array().tolist())


def test_apply_asks_a_server(mljec, nano, model_folder, tmp_path):
    command = ("apply", nano, "--model", model_folder)
    assert mljec(*command, "-o", tmp_path / "here")[0] == 0
    with serve({"toy": (model_folder / "model.onnx").read_bytes()}) as server:
        status, _, said = mljec(*command, "-o", tmp_path / "there", "--server", server.url)
        assert (status, said.strip()) == (0, "")
        assert server.requests["/v2/models/toy/infer"] > 0
    np.testing.assert_allclose(*(pt(tmp_path / place / "nano_mljec.root") for place in ("there", "here")), rtol=1e-5)


def test_validate_asks_a_server_that_is_another_one(mljec, nano, model_folder, tmp_path):
    with serve({}) as server:
        status, _, said = mljec(
            "validate", nano, "-o", tmp_path / "out", "--model", model_folder, "--server", server.url, "--no-plots"
        )
    assert status == 2
    assert f"'toy' on the server at {server.url} refuses: HTTP 404" in said


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime has a CUDA provider"
)
def test_a_gpu_that_is_not_there(mljec, nano, model_folder, tmp_path):
    status, _, said = mljec("apply", nano, "-o", tmp_path / "out", "--model", model_folder, "--device", "cuda")
    assert status == 2
    assert "device='cuda' needs onnxruntime's CUDAExecutionProvider" in said
    assert not list((tmp_path / "out").glob("*.root"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--device", "tpu"), "no device 'tpu': expected 'cpu' or 'cuda'."),
        (("--server", "localhost"), "'localhost' is no address of a server."),
        (("--server", "http://a:1", "--device", "cuda"), "both say where the network runs; give one of them."),
    ],
)
def test_places_that_there_are_not(mljec, nano, model_folder, tmp_path, options, message):
    status, _, said = mljec("apply", nano, "-o", tmp_path / "out", "--model", model_folder, *options)
    assert status == 2
    assert message in said


def test_a_place_for_networks_that_there_are_not(mljec, nano, jec_text, tmp_path):
    for command in (("apply",), ("validate", "--no-plots"), ("report", "--no-plots")):
        status, _, said = mljec(*command, nano, "-o", tmp_path / "out", "--jec", jec_text, "--server", "http://a:1")
        assert status == 2
        assert "say where networks run, and no --model is among the corrections" in said
