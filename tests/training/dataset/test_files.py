"""The files that jets are prepared from: patterns and addresses, on a cluster, and files that vanish."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import training.dataset.cache as cache_module
from coffea_mljec.errors import InputError, WorkerError
from tests.training.dataset.test_dataset import SMALL, write_nano
from training.dataset import Selection, prepare
from training.dataset.files import shards_of, sources_of


def test_a_cluster_prepares_the_same(tmp_path: Path, cluster_here: Any) -> None:
    paths = [write_nano(tmp_path / f"shard{seed}.root", seed) for seed in (1, 2, 3)]
    one = prepare(paths, SMALL, Selection(), tmp_path / "one", progress=False)
    two = prepare(paths, SMALL, Selection(), tmp_path / "two", progress=False, workers=cluster_here)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").glob("*/*")}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").glob("*/*")}
    assert len(files) > 10
    assert one.description == two.description


@pytest.mark.parametrize("on_cluster", [False, True])
def test_a_file_that_vanishes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, on_cluster: bool
) -> None:
    """Before it is identified, and between that and its turn; nothing is taken for whole."""
    workers = request.getfixturevalue("cluster_here") if on_cluster else 1
    paths = [write_nano(tmp_path / f"shard{seed}.root", seed) for seed in (1, 2)]
    identity_of = cache_module.identity_of

    def vanishing(source: str) -> str:
        found = identity_of(source)
        if source.endswith("2.root"):
            paths[1].unlink()
        return found

    monkeypatch.setattr(cache_module, "identity_of", vanishing)
    with pytest.raises(InputError, match=r"shard2\.root cannot be opened as NanoAOD"):
        prepare(paths, SMALL, Selection(), tmp_path / "cache", progress=False, workers=workers)
    assert not list((tmp_path / "cache").rglob("description.json"))
    with pytest.raises(InputError, match=r"shard2\.root cannot be read: No such file"):
        identity_of(str(paths[1]))


def test_workers_that_see_other_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They say that a part is written, and it is not here."""
    paths = [write_nano(tmp_path / f"shard{seed}.root", seed) for seed in (1, 2)]
    monkeypatch.setattr(cache_module, "_make_part", lambda *_, **__: {"all": 1})
    with pytest.raises(
        WorkerError, match=r"the jets of .*\.root are not at .* where all machines have it under the same"
    ):
        prepare(paths, SMALL, Selection(), tmp_path / "cache", progress=False)


def test_files_by_pattern_and_address(tmp_path: Path, httpd: str) -> None:
    paths = [write_nano(tmp_path / f"{name}.root", seed) for seed, name in enumerate(("a1", "a2", "b1"), start=1)]
    assert shards_of([tmp_path / "a*.root", paths[2]]) == paths
    assert sources_of([str(tmp_path / "*1.root"), "root://host//x.root"]) == [
        str(paths[0]), str(paths[2]), "root://host//x.root",
    ]  # fmt: skip
    local = prepare([tmp_path / "a*.root"], SMALL, Selection(), tmp_path / "cache", progress=False)
    assert [Path(name).name for name in local.description["shards"]] == ["a1.root", "a2.root"]
    addresses = [f"{httpd}/{path.name}" for path in paths[:2]]
    remote = prepare(addresses, SMALL, Selection(), tmp_path / "cache", progress=False, algorithm="AK4PFchs")
    assert list(remote.description["shards"]) == addresses
    by_event = [np.argsort(jets.columns["event"], kind="stable") for jets in (local, remote)]
    assert np.array_equal(
        *(jets.columns["target"][order] for jets, order in zip((local, remote), by_event, strict=True))
    )
    for wrong, words in (
        ([str(tmp_path / "c*.root")], "no ROOT file at .*a pattern of them"),
        (["root://host//*.root"], "a pattern of addresses, which nobody can list"),
        ([addresses[0], addresses[0]], "stands twice"),
        ([f"{httpd}/none.root"], "none.root"),
    ):
        with pytest.raises(InputError, match=words):
            prepare(wrong, SMALL, Selection(), tmp_path / "cache", progress=False)
    with pytest.raises(InputError, match="is an address, which prepare and train alone read"):
        shards_of(addresses)


@pytest.fixture
def httpd(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the files in tmp_path."""
    pytest.importorskip("aiohttp", reason="uproot reads https by fsspec and aiohttp")
    handler = partial(RangeRequests, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class RangeRequests(SimpleHTTPRequestHandler):
    """Gives parts of files, as servers of data do."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path, wanted = Path(self.translate_path(self.path)), self.headers.get("Range")
        if wanted is None or not path.is_file():
            return super().do_GET()
        content = path.read_bytes()
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last or len(content) - 1), len(content) - 1) + 1
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(content[start:stop])
        return None
