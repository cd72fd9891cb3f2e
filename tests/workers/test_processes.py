"""Processes of this machine: the model travels once to each, and one that dies is replaced."""

from __future__ import annotations

import pytest

from coffea_mljec import workers
from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.workers.processes import processes
from tests.workers.conftest import alone
from tests.workers.toys import Locked, Spectrum, same, unpickled


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
