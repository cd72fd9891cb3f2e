"""A run that is interrupted goes on from its checkpoints and ends with the same result."""

from __future__ import annotations

import errno
import io
import json
import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest
from coffea import processor

from coffea_mljec import workers
from coffea_mljec.errors import InputError
from coffea_mljec.support import atomic
from coffea_mljec.workers import store
from coffea_mljec.workers.checkpoints import Progress
from tests.full_disk import full_disk
from tests.workers.conftest import alone
from tests.workers.toys import Spectrum, done, same

HERE = processor.IterativeExecutor(status=False, retries=0)


@pytest.fixture
def interrupted(files, notes, tmp_path) -> Path:
    """Checkpoints of a run that was interrupted in its sixth chunk; the last were written after the fourth."""
    checkpoints = workers.Checkpoints(tmp_path / "checkpoints", interval=0)
    with pytest.raises(KeyboardInterrupt):
        workers.run(HERE, files, Spectrum(notes, stop_after=5), chunk_size=20, checkpoints=checkpoints)
    assert len(done(notes)) == 5
    (notes / "log").unlink()
    return tmp_path / "checkpoints"


def resumed(files, folder, judge, **options) -> workers.Outcome:
    checkpoints = workers.Checkpoints(folder, resume=True)
    return workers.run(HERE, files, judge, **({"chunk_size": 20} | options), checkpoints=checkpoints)


def test_what_is_done_is_not_done_again(files, notes, interrupted):
    outcome = resumed(files, interrupted, Spectrum(notes, stop_after=5))
    again = len(done(notes))
    assert (outcome.chunks, outcome.resumed + again) == (6, 6)
    assert outcome.resumed >= 4
    assert outcome.result["finished"]
    assert same(outcome.result, alone(files, notes).result)


@pytest.mark.parametrize(
    ("judge", "options", "message"),
    [
        ({"bins": 21}, {}, r"another configuration: setting bins was [0-9a-f]{12}\.\.\. and is"),
        ({}, {"chunk_size": 15}, r"another configuration: chunks was"),
    ],
)
def test_another_configuration_is_refused(files, notes, interrupted, judge, options, message):
    before = (interrupted / "done.zip").read_bytes()
    with pytest.raises(InputError, match=message):
        resumed(files, interrupted, Spectrum(notes, stop_after=5, **judge), **options)
    assert (interrupted / "done.zip").read_bytes() == before
    assert done(notes) == []


def test_another_file_under_the_same_name_is_refused(files, notes, interrupted, tmp_path):
    from tests.factories import two_jets, write

    write(two_jets(40), Path(files["toy"][0]))  # the same events: what identifies a file is its UUID
    with pytest.raises(InputError, match=r"another configuration: files was"):
        resumed(files, interrupted, Spectrum(notes, stop_after=5))


def test_checkpoints_are_neither_overwritten_nor_trusted_blindly(files, notes, interrupted):
    with pytest.raises(InputError, match=r"holds checkpoints of a run that did not end: go on with --resume"):
        workers.run(HERE, files, Spectrum(notes), checkpoints=workers.Checkpoints(interrupted))
    content = bytearray((interrupted / "done.zip").read_bytes())
    content[60] ^= 255
    (interrupted / "done.zip").write_bytes(content)
    with pytest.warns(workers.DamagedCheckpointsWarning, match=r"done again from its beginning: .*done.zip is damaged"):
        outcome = resumed(files, interrupted, Spectrum(notes))
    assert outcome.resumed == 0
    assert same(outcome.result, alone(files, notes).result)


def test_what_is_for_people_is_not_read(files, notes, interrupted):
    (interrupted / "configuration.json").write_text("[" * 100_000)
    assert resumed(files, interrupted, Spectrum(notes, stop_after=5)).resumed >= 4


def test_checkpoints_of_another_folder_are_refused(files, notes, interrupted, tmp_path):
    """The configuration is in the same file as the result, so that the two cannot be exchanged."""
    other = workers.Checkpoints(tmp_path / "other")
    other.start({"processor": "another"})
    (tmp_path / "other" / "done.zip").write_bytes((interrupted / "done.zip").read_bytes())
    with pytest.raises(InputError, match=r"another configuration: .*processor was .*toys.Spectrum and is another"):
        workers.Checkpoints(tmp_path / "other", resume=True).start({"processor": "another"})


def test_a_run_that_ends_leaves_nothing_behind(files, notes, tmp_path):
    checkpoints = workers.Checkpoints(tmp_path / "there", interval=0)
    outcome = alone(files, notes, checkpoints=checkpoints)
    assert outcome.resumed == 0
    assert json.loads((tmp_path / "there" / "configuration.json").read_text())["processor"].endswith("toys.Spectrum")
    checkpoints.clear()
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("storage", ["int64", "double", "weight"])
def test_what_is_stored_comes_back_equal(tmp_path, storage):
    axes = (
        hist.axis.Regular(4, 0, 1, name="x", label="x (cm)"),
        hist.axis.Variable([0, 1, 5], name="y", flow=False),
        hist.axis.StrCategory(["b", "g"], name="flavour", overflow=False),
    )
    filled = hist.Hist(*axes, storage=storage).fill(x=[0.1, 2], y=[0.5, 3], flavour=["b", "g"])
    thing = {
        ("a", 1): filled, "n": np.int64(3), "x": 0.1 + 0.2, "nan": float("nan"), "yes": True, "none": None,
        "list": [1, (2.5, "text")], "set": {("file", 0, 3)}, "counts": Counter({1: 2}),
        "array": np.arange(6.0).reshape(2, 3),
    }  # fmt: skip
    store.save(tmp_path / "x.zip", thing)
    back = store.load(tmp_path / "x.zip")
    assert back[("a", 1)] == filled
    assert [axis.label for axis in back[("a", 1)].axes] == [axis.label for axis in filled.axes]
    assert (back[("a", 1)] + filled).sum() == filled.sum() + filled.sum()
    assert np.isnan(back["nan"])
    np.testing.assert_array_equal(back["array"], thing["array"])
    for name in ("n", "x", "yes", "none", "list", "set", "counts"):
        assert (type(back[name]), back[name]) == (type(thing[name]), thing[name])
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_what_cannot_be_stored_is_named(tmp_path):
    with pytest.raises(InputError, match=r"result\['a'\]\[1\] is a builtins.object, which cannot be written"):
        store.save(tmp_path / "x.zip", {"a": [1, object()]})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_made_again(files, notes, tmp_path):
    checkpoints = workers.Checkpoints(tmp_path / "there")
    checkpoints.start({"a": "b"})
    (tmp_path / "there" / "configuration.json").unlink()
    (tmp_path / "there").rmdir()
    checkpoints.save(Progress({"n": 1}, {("x.root", 0, 5)}))
    assert workers.Checkpoints(tmp_path / "there", resume=True).start({"a": "b"}).result == {"n": 1}


def test_a_disk_that_is_full_later(tmp_path):
    checkpoints = workers.Checkpoints(tmp_path)
    checkpoints.start({"a": "b"})
    checkpoints.save(Progress({"n": 1}, {("x.root", 0, 5)}))
    more = Progress({"n": np.random.default_rng(1).uniform(size=10_000)}, {("x.root", 0, 5), ("x.root", 5, 9)})
    with full_disk(5000), pytest.raises(InputError, match=r"no checkpoint after 2 chunks: cannot write .*Go on with"):
        checkpoints.save(more)
    kept = workers.Checkpoints(tmp_path, resume=True).start({"a": "b"})
    assert (kept.result, len(kept.done)) == ({"n": 1}, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["configuration.json", "done.zip"]


def test_a_disk_that_is_full_at_the_start(tmp_path):
    with full_disk(1), pytest.raises(InputError, match=r"cannot write .*configuration.json: File too large"):
        workers.Checkpoints(tmp_path).start({"a": "b"})
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot make the folder"):
        workers.Checkpoints(tmp_path / "file").start({"a": "b"})


def test_a_read_only_disk(tmp_path, monkeypatch):
    checkpoints = workers.Checkpoints(tmp_path)

    def refuse(*_: Any) -> int:  # root, who may run the tests, is refused by such a disk alone
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(atomic.os, "open", refuse)
    with pytest.raises(InputError, match=r"cannot write .*configuration.json: Read-only file system"):
        checkpoints.start({"a": "b"})
    with pytest.raises(InputError, match=r"no checkpoint after 1 chunks: cannot write .*Read-only file system"):
        checkpoints.save(Progress({"n": 1}, {("x.root", 0, 5)}))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        lambda content: content.replace(b"sha256 ", b"sha256 0", 1),
        lambda content: b"PK" + content,
        lambda content: b"",
    ],
    ids=["cut", "longer", "one bit", "another digest", "another head", "empty"],
)
def test_changed_results_are_not_believed(tmp_path, change):
    store.save(tmp_path / "x", {"a": np.arange(100.0)})
    (tmp_path / "x").write_bytes(change((tmp_path / "x").read_bytes()))
    with pytest.raises(InputError, match="x is damaged"):
        store.load(tmp_path / "x")


def test_a_file_without_end_is_not_read(tmp_path):
    store.save(tmp_path / "x", {"a": 1})
    with (tmp_path / "x").open("r+b") as file:
        file.truncate(40 << 30)
    with pytest.raises(InputError, match="its digest is another"):
        store.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("tree", "what"),
    [
        (b"[" * 100_000, "RecursionError"),
        (b'["array", "a.npy"]', "Error"),
        (b'["hist", {"uhi_schema": 99}]', "Error"),
        (b'["nonsense", 3]', "Error"),
    ],
)
def test_contents_that_a_hostile_writer_signed(tmp_path, tree, what):
    """With the right digest: still data alone, and an error of the package whatever is in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("tree.json", tree)
        header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117) + "\n"
        file.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    content = packed.getvalue()
    (tmp_path / "x").write_bytes(store._head(content) + content)
    with pytest.raises(InputError, match=rf"x is damaged \(\w*{what}"):
        store.load(tmp_path / "x")


def test_a_small_file_of_great_content(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_LARGEST", 10_000)
    store.save(tmp_path / "x", {"a": np.zeros(10_000)})
    with pytest.raises(InputError, match="unpacked it has more than 10,000 bytes"):
        store.load(tmp_path / "x")
