"""What a worker may count on: threads change nothing, one session a process, memory that does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import defaults, models
from coffea_mljec.models import sessions
from coffea_mljec.models.engines import ENGINES
from coffea_mljec.models.engines.onnx import OnnxSession

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def events(sample: Path, open_nano: Callable[..., Any]) -> Any:
    return open_nano(sample, entry_stop=500)


def flat(values: Any) -> np.ndarray:
    return ak.flatten(values).to_numpy()


def test_threads_change_no_bit(events: Any) -> None:
    one = flat(mljec.MLJEC().correction(events))
    assert len(one) > 2 * mljec.MLJEC(defaults.MODEL).card.batch_size
    for threads in (2, 5):
        np.testing.assert_array_equal(flat(mljec.MLJEC(threads=threads).correction(events)), one)


@pytest.mark.parametrize("model", ["jet-bdt", "pfn-c-lite", "pfn-r-lite"])
def test_threads_of_a_worker_share_one_session(
    sample: Path, open_nano: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    made = []
    engine = type(ENGINES[models.open_model(model).card.engine])
    build = engine.build
    monkeypatch.setattr(sessions, "_RUNNERS", {})
    monkeypatch.setattr(engine, "build", lambda self, folder: made.append(1) or build(self, folder))
    parts = [(start, start + 60) for start in range(0, 300, 60)]
    chunks = [open_nano(sample, entry_start=start, entry_stop=stop) for start, stop in parts]
    wanted = [
        flat(mljec.MLJEC(model).apply(open_nano(sample, entry_start=start, entry_stop=stop)).pt)
        for start, stop in parts
    ]
    made.clear()
    sessions._RUNNERS.clear()
    with ThreadPoolExecutor(len(parts)) as pool:
        got = list(pool.map(lambda chunk: flat(mljec.MLJEC(model).apply(chunk).pt), chunks))
    assert len(made) == 1
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_sessions_have_one_thread_and_no_arena() -> None:
    options = OnnxSession(models.open_model(defaults.MODEL)).graphs.sessions[0].get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert not options.enable_cpu_mem_arena


MEMORY = """
import gc, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import coffea_mljec as mljec
from coffea_mljec.features import compute
from coffea_mljec.nano import JetChunk
from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema
from pathlib import Path

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))

def events(**part):
    return NanoEventsFactory.from_root({sys.argv[1]: "Events"}, schemaclass=PFNanoAODSchema, **part).events()

corrector = mljec.MLJEC("pfn-r-lite")
flat = corrector.pipeline.correction.network.flat(JetChunk.of(events()))
part = [compute(flat, corrector.card.feature_set, 0, n) for n in np.random.default_rng(1).integers(1, 1024, 200)]
for arrays in part:  # every size once
    mljec.models.run(corrector.model, arrays)
gc.collect()
before = resident("VmRSS")
for arrays in part:
    mljec.models.run(corrector.model, arrays)
gc.collect()
print("grown", resident("VmRSS") - before)
chunk = events()
corrector.features(chunk)
gc.collect()
before = resident("VmHWM")
corrector.apply(chunk)
print("above", resident("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc: Linux only")
def test_memory_stays_where_it_is(sample: Path) -> None:
    """200 batches of every size; and one call on a chunk that is in memory: both far below 200 MB."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(sample)], capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = dict(line.split() for line in done.stdout.splitlines())
    assert float(found["grown"]) < 30
    assert float(found["above"]) < 200
