"""Networks on a server: the numbers of this process, and a clear error for all that a server and a network can do."""

from __future__ import annotations

import json
import pickle
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("onnx", reason="the toy networks are written with onnx")

import coffea_mljec as mljec
from coffea_mljec import models
from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.models import sessions
from coffea_mljec.models.backends import connections
from coffea_mljec.models.backends.kserve import infer_result
from coffea_mljec.models.folder import model_of
from tests.models import toy
from tests.models.backends.model_server import Answer, Fault, ModelServer, serve
from tests.models.backends.padded_toy import padded_toy
from tests.patience import PATIENCE

TOY = model_of(toy.graph(), toy.card())


@pytest.fixture(autouse=True)
def own_runners(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the connections of another one, whose server had the same port."""
    monkeypatch.setattr(sessions, "_RUNNERS", {})


@pytest.fixture(scope="module")
def events(sample: Path, open_nano: Callable[..., Any]) -> Any:
    return open_nano(sample, entry_stop=100)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serve({"toy": TOY.graph}) as running:
        yield running


def at(server: ModelServer, **options: Any) -> mljec.TritonServer:
    return mljec.TritonServer(server.url, **{"timeout": PATIENCE} | options)


def arrays(n_jets: int = 3) -> dict[str, np.ndarray]:
    random = np.random.default_rng(n_jets)
    offsets = np.arange(n_jets + 1) * 2
    return {
        "jet_features": random.uniform(20, 90, (n_jets, 2)).astype(np.float32),
        "charged_features": random.uniform(0, 1, (2 * n_jets, 2)).astype(np.float32),
        "charged_offsets": offsets,
        "neutral_features": random.uniform(0, 1, (2 * n_jets, 1)).astype(np.float32),
        "neutral_offsets": offsets,
    }


def refused(backend: mljec.TritonServer, model: models.ModelFolder = TOY) -> str:
    """The message; our errors neither are nor hide an error of the operating system."""
    with pytest.raises(ModelError) as raised:
        models.run(model, arrays(), backend)
    assert not isinstance(raised.value, OSError)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None or raised.value.__suppress_context__
    return str(raised.value)


# ---------------------------------------------------------------- the same numbers


@pytest.mark.parametrize("name", ["pfn-r-lite", "jet-bdt"])
def test_bundled_networks_give_the_numbers_of_this_process(name: str, events: Any) -> None:
    model = models.open_model(name)
    here = mljec.MLJEC(model)(events)
    with serve({name: model.graph}) as server:
        there = mljec.MLJEC(model, server=at(server))(events)
    np.testing.assert_array_equal(ak.flatten(there.mljec_status), ak.flatten(here.mljec_status))
    np.testing.assert_allclose(ak.flatten(there.pt), ak.flatten(here.pt), rtol=1e-5)
    assert there.fields == here.fields


@pytest.mark.parametrize("max_batch_size", [0, 7])
def test_padded_tensors(events: Any, max_batch_size: int) -> None:
    model = padded_toy()
    here = mljec.Network(model).outputs(events)
    with serve({"padded-toy": model.graph}, max_batch_size) as server:
        there = mljec.Network(model, server=at(server)).outputs(events)
        by_name = mljec.Network(model, server=at(server, model="padded-toy", version=1)).outputs(events)
    for found in (there, by_name):
        assert found.fields == here.fields
        for field in here.fields:
            np.testing.assert_allclose(ak.flatten(found[field]), ak.flatten(here[field]), rtol=1e-5, atol=1e-6)


def test_network_without_a_number_is_flagged_as_here(events: Any) -> None:
    model = model_of(toy.graph(nan_above=60.0), toy.card(domain={}))
    here = mljec.MLJEC(model)(events)
    with serve({"toy": model.graph}) as server:
        there = mljec.MLJEC(model, server=at(server))(events)
    assert ak.any(mljec.Status.NON_FINITE.of(here))
    np.testing.assert_array_equal(ak.flatten(there.mljec_status), ak.flatten(here.mljec_status))
    np.testing.assert_allclose(ak.flatten(there.pt), ak.flatten(here.pt), rtol=1e-5)


def test_ensemble_needs_a_name_for_each_graph(events: Any) -> None:
    other = model_of(toy.graph(offset=0.3), toy.card())
    both = model_of(TOY.graph, toy.card(), [other.graph])
    here = mljec.MLJEC(both).correction(events)
    with serve({"toy": TOY.graph, "other": other.graph}) as server:
        assert "has 2 graphs, whose outputs are averaged, and the server was given 1 names: toy" in refused(
            at(server), both
        )
        there = mljec.MLJEC(both, server=at(server, model=["toy", "other"])).correction(events)
        assert "is not the network of model 'toy'" in refused(at(server, model=["toy", "toy"]), both)
    np.testing.assert_allclose(ak.flatten(there), ak.flatten(here), rtol=1e-5)


def test_results_may_come_as_json() -> None:
    item = {"name": "a", "datatype": "FP32", "shape": [2, 1], "data": [1.5, 2.5]}
    (found,) = infer_result(json.dumps({"outputs": [item]}).encode(), None, ["a"], "1")
    np.testing.assert_array_equal(found, np.array([[1.5], [2.5]], np.float32))


def test_an_answer_to_another_request_is_refused(server: ModelServer) -> None:
    """As a cache between would give it, or a server that answers twice; the numbers would fit as many jets."""
    models.run(TOY, arrays(), at(server))
    kept: list[Answer] = []

    def first_again(path: str, answer: Answer) -> Answer:
        kept.append(answer)
        return kept[0]

    server.fault = first_again
    models.run(TOY, arrays(), at(server))
    assert "answers what KServe v2 does not know (it answers another request)" in refused(at(server))


# ---------------------------------------------------------------- threads and processes


def test_requests_of_several_threads_run_side_by_side(server: ModelServer, events: Any) -> None:
    card = toy.card(batch_size=64)
    here = mljec.MLJEC(model_of(TOY.graph, card)).correction(events)
    there = mljec.MLJEC(model_of(TOY.graph, card), threads=3, server=at(server))
    there.correction(events[:1])  # the session is there
    barrier = threading.Barrier(2)

    def two_at_a_time(path: str, answer: Answer) -> Answer:
        if path.endswith("/infer") and not barrier.broken:
            barrier.wait(PATIENCE)
            barrier.abort()
        return answer

    def tolerant(path: str, answer: Answer) -> Answer:
        try:
            return two_at_a_time(path, answer)
        except threading.BrokenBarrierError:
            return answer

    server.fault = tolerant
    np.testing.assert_allclose(ak.flatten(there.correction(events)), ak.flatten(here), rtol=1e-5)
    assert server.peak >= 2


def test_one_connection_is_kept_and_a_lost_one_replaced(server: ModelServer) -> None:
    for n_jets in (3, 5, 9):
        models.run(TOY, arrays(n_jets), at(server))
    assert server.connections == 1
    # The server ends the connection after its answer, and does not say so.
    server.fault = lambda path, answer: replace(answer, sent=len(answer.body))
    models.run(TOY, arrays(), at(server))
    server.fault = None
    expected = models.run(TOY, arrays(4))["log_correction"]
    np.testing.assert_allclose(models.run(TOY, arrays(4), at(server))["log_correction"], expected, rtol=1e-5)
    assert server.connections == 2


def test_a_request_that_was_answered_in_part_is_not_sent_again(server: ModelServer) -> None:
    models.run(TOY, arrays(), at(server))
    before = server.requests["/v2/models/toy/infer"]
    server.fault = lambda path, answer: replace(answer, sent=10)
    refused(at(server))
    assert server.requests["/v2/models/toy/infer"] == before + 1


def test_a_forked_process_opens_connections_of_its_own(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    models.run(TOY, arrays(), at(server))
    monkeypatch.setattr(connections.os, "getpid", lambda: -1)
    models.run(TOY, arrays(), at(server))
    assert server.connections == 2
    models.run(TOY, arrays(), at(server))
    assert server.connections == 2


def test_it_travels_by_pickle(server: ModelServer, events: Any) -> None:
    corrector = mljec.MLJEC(TOY, server=at(server))
    wanted = corrector.correction(events)
    again = pickle.loads(pickle.dumps(corrector))
    np.testing.assert_array_equal(ak.flatten(again.correction(events)), ak.flatten(wanted))
    assert server.url in repr(again)


def test_threads_that_start_together_share_one_session(server: ModelServer) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: models.run(TOY, arrays(), at(server))["log_correction"], range(8)))
    for values in found:
        np.testing.assert_array_equal(values, found[0])
    assert server.requests["/v2/models/toy"] == 1


# ---------------------------------------------------------------- a server that is away, or another one


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        text = refused(mljec.TritonServer(url, timeout=PATIENCE))
    assert re.fullmatch(rf"no answer from the server at {url}: Connection refused. Is it running, .*", text)


def test_name_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    text = refused(mljec.TritonServer("http://triton.invalid:8000"))
    assert text == "the server's name in http://triton.invalid:8000 leads nowhere: Name or service not known."


def test_it_does_not_answer_in_time(server: ModelServer) -> None:
    over = threading.Event()

    def asleep(path: str, answer: Answer) -> Answer:
        over.wait(PATIENCE)
        return answer

    server.fault = asleep
    text = refused(at(server, timeout=0.2))
    over.set()
    assert text.startswith(f"the server at {server.url} did not answer within 0.2 s: it is away, or busy.")
    assert server.requests.total() == 1


@contextmanager
def speaking(parts: Iterator[bytes]) -> Iterator[str]:
    """A port that sends these bytes to the first that asks, one after the other."""

    def talk() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1 << 16)
            for part in parts:
                try:
                    connection.sendall(part)
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def test_an_answer_that_drips_ends_in_time() -> None:
    wait = threading.Event()

    def drops() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        while not wait.wait(0.05):
            yield b"x"

    with speaking(drops()) as url:
        text = refused(mljec.TritonServer(url, timeout=0.4))
        wait.set()
    assert "did not answer within 0.4 s" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", r"does not answer as HTTP does \(BadStatusLine\).* port is 8000 .*; 8001 is for"),
        (b"", r"no answer from the server at .*"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n", r"answers with 2,000,000,000 bytes: is it a server"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", r"ended its answer after 3 bytes, before"),
        (b"HTTP/1.1 307 Elsewhere\r\nContent-Length: 0\r\n\r\n", r"is not ready: HTTP 307\. Wait until"),
    ],
)
def test_something_else_listens(words: bytes, message: str) -> None:
    with speaking(iter([words])) as url:
        assert re.search(message, refused(mljec.TritonServer(url, timeout=PATIENCE)))


def test_https_where_there_is_none(server: ModelServer) -> None:
    url = server.url.replace("http:", "https:")
    assert refused(mljec.TritonServer(url, timeout=PATIENCE)).startswith(f"no secure connection to {url}: ")


# ---------------------------------------------------------------- what the server has


def test_another_network_of_the_same_kind() -> None:
    with serve({"toy": toy.graph(offset=0.15)}) as server:
        text = refused(at(server))
    assert re.match(r"'toy' on the server at \S+ is not the network of model 'toy': it gives a jet .* where", text)


def test_no_such_network(server: ModelServer) -> None:
    text = refused(at(server, model="missing"))
    assert text.startswith(
        f"'missing' on the server at {server.url} refuses: HTTP 404, Request for unknown model: 'missing' is not "
        "found. Is the network loaded there, under this name and version"
    )
    assert "HTTP 400, Request for unknown model: 'toy' version 7 is not at ready state" in refused(
        at(server, version=7)
    )


def test_other_inputs_and_outputs() -> None:
    card = toy.card(features=toy.FEATURES | {"charged": ("dxy", "pt", "eta")})
    with serve({"toy": TOY.graph, "padded-toy": padded_toy(outputs="scores").graph}) as server:
        text = refused(at(server), model_of(TOY.graph, card))
        assert "input 'charged_features' of model 'toy' must be tensor(float) with a free first axis and 3" in text
        text = refused(at(server, model="padded-toy"))
        assert (
            f"'padded-toy' on the server at {server.url} has no output 'log_correction', which its card names" in text
        )
        text = refused(at(server), padded_toy())
        assert "has no output 'toy', which its card names; it has 'scores'" in text
        jets_only = toy.card(features={"jet": ("pt", "eta")})
        text = refused(at(server), model_of(TOY.graph, jets_only))
        assert "has inputs ['charged_features', " in text


def test_flat_arrays_need_a_model_without_batching() -> None:
    with serve({"toy": TOY.graph}, max_batch_size=8) as server:
        text = refused(at(server))
    assert "takes 8 jets at a time, and inputs of one row a jet; this network has flat arrays" in text
    assert "Write max_batch_size: 0 into its config.pbtxt." in text


# ---------------------------------------------------------------- answers that are wrong


def only(what: str, change: Callable[[Answer], Answer | None]) -> Fault:
    """A fault of some requests, by the end of their path."""
    return lambda path, answer: change(answer) if path.endswith(what) else answer


def error(code: int, text: str) -> Callable[[Answer], Answer]:
    return lambda answer: Answer(code, json.dumps({"error": text}).encode())


def header(**changes: Any) -> Callable[[Answer], Answer]:
    """Change what the JSON of a result says of its output."""

    def changed(answer: Answer) -> Answer:
        length = int(answer.headers["Inference-Header-Content-Length"])
        content = json.loads(answer.body[:length])
        content["outputs"][0] |= changes
        text = json.dumps(content).encode()
        headers = answer.headers | {"Inference-Header-Content-Length": str(len(text))}
        return Answer(200, text + answer.body[length:], headers)

    return changed


WRONG: dict[str, tuple[Fault, str]] = {
    "not ready": (
        only("/v2/health/ready", error(503, "loading")),
        r"is not ready: HTTP 503, loading\. Wait until its networks are loaded",
    ),
    "out of memory": (
        only("/infer", error(500, "failed to allocate 12 GB")),
        r"'toy' on the server at \S+ refuses: HTTP 500, failed to allocate 12 GB\. Look at the server's log",
    ),
    "busy": (only("/infer", error(429, "queue is full")), r"refuses: HTTP 429, queue is full\."),
    "a page": (
        only("/infer", lambda answer: Answer(502, b"<html>Bad\n  Gateway</html>" + b"x" * 5000)),
        r"refuses: HTTP 502, <html>Bad Gateway</html>x{300,380}\. Look at",
    ),
    "truncated": (
        only("/infer", lambda answer: replace(answer, sent=len(answer.body) - 3)),
        r"ended its answer after [\d,]+ bytes, before it was whole: it was stopped",
    ),
    "closed": (only("/infer", lambda answer: None), r"no answer from the server at \S+: Remote end closed connection"),
    "no JSON": (
        only("/infer", lambda answer: Answer(200, b"\x00\x01\x02")),
        r"'toy' on the server at \S+ answers what KServe v2 does not know \(.*\): is it a server of Triton",
    ),
    "JSON of another kind": (only("/v2/models/toy", lambda answer: Answer(200, b"[1, 2]")), r"answers what KServe v2"),
    "no inputs": (only("/v2/models/toy", lambda answer: Answer(200, b'{"name": "toy"}')), r"KServe v2 does not know"),
    "deep JSON": (only("/infer", lambda answer: Answer(200, b"[" * 200_000)), r"KServe v2 does not know"),
    "header beyond": (
        only(
            "/infer",
            lambda answer: replace(answer, headers=answer.headers | {"Inference-Header-Content-Length": "999999"}),
        ),
        r"Inference-Header-Content-Length is 999999, of \d+ bytes",
    ),
    "another output": (only("/infer", header(name="other")), r"no output 'log_correction', only other"),
    "too few bytes": (only("/infer", header(shape=[9])), r"output 'log_correction' has the shape \[9\] and 16 bytes"),
    "beyond the end": (
        only("/infer", header(shape=[90], parameters={"binary_data_size": 360})),
        r"output 'log_correction' ends beyond the \d+ bytes",
    ),
    "negative": (only("/infer", header(shape=[-4])), r"output 'log_correction' has the shape \[-4\]"),
    "huge": (
        only("/infer", header(shape=[10**12], parameters={}, data=[1.0])),
        r"cannot reshape array of size 1 into shape",
    ),
    "unknown type": (only("/infer", header(datatype="BF16")), r"output 'log_correction' has the datatype BF16"),
    "other type": (
        only("/infer", header(datatype="INT32")),
        r"output 'log_correction' of model 'toy' must be one float32 a jet, shape \(4,\); got int32 \(4,\)",
    ),
    "other shape": (
        only("/infer", header(shape=[1, 4])),
        r"must be one float32 a jet, shape \(4,\); got float32 \(1, 4\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers(server: ModelServer, name: str) -> None:
    server.fault, message = WRONG[name]
    assert re.search(message, refused(at(server)))
    server.fault = None  # nothing of it is remembered
    assert len(models.run(TOY, arrays(), at(server))["log_correction"]) == 3


def test_server_without_binary_tensors() -> None:
    with serve({"toy": TOY.graph}, binary=False) as server:
        assert "refuses: HTTP 400, parameter 'binary_data_size' is not known" in refused(at(server))


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "localhost:8000"}, r"'localhost:8000' is no address of a server\. Give the server's HTTP port, such"),
        ({"url": "grpc://host:8001"}, r"is no address of a server"),
        ({"url": "http://:8000"}, r"is no address of a server"),
        ({"url": "http://host:99999"}, r"is no address of a server: Port out of range"),
        ({"url": "http://user:word@host"}, r"has parts that an address of a server has not"),
        ({"url": "http://host/?a=1"}, r"has parts that an address of a server has not"),
        ({"url": "http://host\r\nX: 1"}, r"is no address of a server: Port could not be cast"),
        ({"url": None}, r"a server's url must be text; got None"),
        ({"url": "http://host", "model": ""}, r"model must be the server's name of the network, or several; got ''"),
        ({"url": "http://host", "model": [3]}, r"model must be the server's name"),
        ({"url": "http://host", "timeout": 0}, r"timeout must be a number of seconds above 0; got 0"),
        ({"url": "http://host", "timeout": float("nan")}, r"timeout must be a number of seconds above 0; got nan"),
    ],
)
def test_impossible_servers(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mljec.TritonServer(**options)


def test_a_server_is_an_object_of_its_own_and_no_device() -> None:
    with pytest.raises(InputError, match=r"server must be a coffea_mljec.TritonServer.*; got 'http://host:8000'"):
        mljec.MLJEC(TOY, server="http://host:8000")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"device='cuda' and server= both say where the network runs"):
        mljec.Network(TOY, device="cuda", server=mljec.TritonServer("http://host:8000"))


def test_the_url_may_have_a_path(server: ModelServer) -> None:
    text = refused(mljec.TritonServer(f"{server.url}/behind/", timeout=PATIENCE))
    assert "is not ready: HTTP 404, not found" in text
    assert set(server.requests) == {"/behind/v2/health/ready"}
