"""A run that is interrupted goes on from its checkpoints and ends with the same result."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import hist
import numpy as np
import pytest
from coffea import processor

from coffea_mljec import workers
from coffea_mljec.errors import InputError
from coffea_mljec.workers import store
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
    with pytest.raises(InputError, match=r"done.zip is damaged .*; delete it and run again"):
        resumed(files, interrupted, Spectrum(notes, stop_after=5))
    (interrupted / "configuration.json").write_text("")
    with pytest.raises(InputError, match=r"configuration.json cannot be read"):
        resumed(files, interrupted, Spectrum(notes, stop_after=5))


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
