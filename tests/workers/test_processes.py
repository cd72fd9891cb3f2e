"""Processes of this machine: the model travels once to each, and one that dies is replaced."""

from __future__ import annotations

import os
import signal
import stat
import tempfile
import threading

import pytest

from coffea_mljec import defaults, workers
from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.workers.parcel import _OPENED, packed, parcelled
from coffea_mljec.workers.processes import processes
from tests.full_disk import full_disk
from tests.patience import wait_until
from tests.workers.conftest import alone
from tests.workers.toys import Locked, Spectrum, done, release, same, unpickled


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced(files, notes, tmp_path):
    (tmp_path / "alone").mkdir()
    expected = alone(files, tmp_path / "alone").result
    with processes(2, status=False, retries=0) as executor:
        outcome = workers.run(executor, files, Spectrum(notes, kill="once"), chunk_size=20)
        assert (notes / "killed").exists()
        assert same(outcome.result, expected)
        # The processor arrived once at each process, whatever the number of chunks: two, and those that replaced them.
        assert set(unpickled(notes).values()) == {1}


@pytest.mark.slow
def test_a_process_that_is_stopped_is_replaced(files, notes, tmp_path, monkeypatch):
    monkeypatch.setattr(defaults, "WORKER_PATIENCE", 0.2)
    (tmp_path / "alone").mkdir()
    with processes(1, status=False, retries=0) as executor:

        def stop() -> None:
            wait_until(lambda: len(done(notes)) >= 2)
            os.kill(int(done(notes)[1].split()[1]), signal.SIGSTOP)
            release(notes)

        other = threading.Thread(target=stop)
        other.start()
        outcome = workers.run(executor, files, Spectrum(notes, hold_after=2), chunk_size=20)
        other.join()
    assert len({line.split()[1] for line in done(notes)}) == 2
    assert same(outcome.result, alone(files, tmp_path / "alone").result)


@pytest.mark.slow
def test_a_chunk_that_kills_its_process_each_time_is_named(files, notes):
    with (
        processes(1, status=False, retries=0) as executor,
        pytest.raises(WorkerError, match=r"b\.root, entries \d+ to \d+: twice the process that worked on it"),
    ):
        workers.run(executor, files, Spectrum(notes, kill="always"), chunk_size=20)


def test_what_cannot_be_pickled_is_refused_before_anything_is_sent(files, notes):
    with processes(1, status=False) as executor:
        plan = workers.Plan([], (), {})
        with pytest.raises(InputError, match=r"Locked cannot be sent to workers, because it cannot be pickled"):
            workers.process(executor, plan, Locked(notes))
        assert executor.processes._pool is None


def test_what_travels_is_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with parcelled(packed(len, "len")) as sent:
        (file,) = tmp_path.iterdir()
        assert str(file) == sent.parcel.path
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert sent.parcel.opened()([1, 2]) == 2
        _OPENED.clear()
        file.write_bytes(packed(max, "max"))
        with pytest.raises(WorkerError, match="was changed while the run went on: run again"):
            sent.parcel.opened()
        file.unlink()
        with pytest.raises(
            WorkerError, match=r"what the workers run, is gone \(No such file or directory\): run again"
        ):
            sent.parcel.opened()
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_what_travels(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with full_disk(10), pytest.raises(InputError, match=r"cannot write what workers are to run to .*TMPDIR"):
        parcelled(packed(list(range(100)), "list")).__enter__()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"cannot write what workers are to run to .*TMPDIR"):
        parcelled(b"").__enter__()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": workers.ExecutorKind.iterative, "workers": 2}, "--executor iterative is one process"),
        ({"kind": workers.ExecutorKind.futures, "scheduler": "tcp://h:1"}, "--scheduler is for --executor dask"),
    ],
)
def test_options_that_do_not_belong_together(options, message):
    with pytest.raises(InputError, match=message), workers.executor(**options):
        pass
