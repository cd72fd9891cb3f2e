"""Work on many items by a dask cluster, its results in their order, whatever happens to the cluster."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from coffea_mljec import workers
from coffea_mljec.errors import InputError, WorkerError
from coffea_mljec.workers.ordered import _Work
from coffea_mljec.workers.pool import in_order
from tests.patience import PATIENCE, wait_until
from tests.workers.conftest import allow_failures

pytestmark = pytest.mark.slow


def _square(number: int, flags: Path | None = None) -> int:
    """The square; 13 is refused, 17 finds no file, 19 kills its process: once, with a folder for flags."""
    if number == 13:
        raise InputError("thirteen is not squared")
    if number == 17:
        Path("/nowhere/17.root").read_bytes()
    if number == 19 and (flags is None or not (flags / "killed").exists()):
        if flags is not None:
            (flags / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def _held(number: int, notes: Path) -> int:
    """The number, once the folder has a file ``go``."""
    (notes / f"{number}").touch()
    while number and not (notes / "go").exists():
        time.sleep(0.02)
    return number


def on(client: Any, wait: float = PATIENCE) -> workers.ClusterExecutor:
    return workers.ClusterExecutor(client=client, status=False, wait=wait)


def test_results_come_in_order_and_errors_at_their_turn(threads):
    assert list(in_order(_square, [], on(threads))) == []
    assert list(in_order(_square, range(12), on(threads))) == [number * number for number in range(12)]
    for number, error, words in ((13, InputError, "thirteen is not squared"), (17, FileNotFoundError, "17.root")):
        found = in_order(_square, [2, number, 3], on(threads))
        assert next(found) == 4
        with pytest.raises(error, match=words):
            next(found)
    stopped = in_order(_square, range(100), on(threads))
    assert next(stopped) == 0
    stopped.close()
    lock = threading.Lock()
    with pytest.raises(InputError, match="the work cannot be sent to workers, because it cannot be pickled"):
        list(in_order(partial(_square, flags=lock), [1], on(threads)))


def test_a_worker_that_is_killed(mortal, tmp_path):
    """Another one does its work; what kills every worker is named."""
    assert list(in_order(partial(_square, flags=tmp_path), [2, 19, 3], on(mortal))) == [4, 361, 9]
    assert (tmp_path / "killed").exists()
    mortal.run_on_scheduler(allow_failures, 0)
    with pytest.raises(WorkerError, match=r"^19: 1 workers died while they had it in work"):
        list(in_order(_square, [19], on(mortal)))  # others on the same worker would be suspects too


def test_a_scheduler_that_is_gone(threads, tmp_path):
    address = re.escape(threads.scheduler.address)
    found = in_order(partial(_held, notes=tmp_path), range(5), on(threads, 5))
    assert next(found) == 0
    wait_until(lambda: (tmp_path / "1").exists())
    threads._timeout = 1  # for connecting again: it is connected
    threads.loop.add_callback(threads.cluster.scheduler.close)
    words = rf"the scheduler {address} is gone: .*Start a cluster and run again with --resume, where there is one\."
    with pytest.raises(WorkerError, match=words):
        next(found)
    (tmp_path / "go").touch()
    threads.cluster.shutdown_scheduler = False  # it would look for the scheduler for 30 s, to end it


def test_a_connection_that_comes_back(threads, tmp_path):
    found = in_order(partial(_held, notes=tmp_path), range(5), on(threads))
    assert next(found) == 0
    connection = threads.scheduler_comm
    threads.loop.add_callback(connection.comm.abort)
    wait_until(lambda: threads.scheduler_comm is not connection)
    (tmp_path / "go").touch()
    assert list(found) == [1, 2, 3, 4]


def test_a_package_that_workers_lack(tmp_path):
    (tmp_path / "mljec_toy").mkdir()
    (tmp_path / "mljec_toy" / "__init__.py").write_text("def double(n): return 2 * n\n")
    content = cloudpickle.dumps(_square)
    work = cloudpickle.loads(cloudpickle.dumps(_Work(content, ("mljec_toy", str(tmp_path)))))
    assert work.function(3) == 9
    lacking = _Work(content, ("mljec_nowhere", "/nowhere"))
    with pytest.raises(WorkerError, match=r"cannot import mljec_nowhere .* in /nowhere, .* start them in a checkout"):
        _ = lacking.function
