"""Files that vanish, are cut or damaged: an error that names them, or a list of what was left out; never silence."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path
from typing import Any

import cloudpickle
import coffea
import pytest
import uproot
from coffea import processor
from packaging.version import parse

import coffea_mljec as mljec
from coffea_mljec import workers
from coffea_mljec.errors import DamagedFileError, InputError, ModelError, WorkerError
from coffea_mljec.nano import open_nano
from coffea_mljec.validation import ResponseProcessor
from coffea_mljec.workers.parcel import packed
from tests.factories import response_events, two_jets, write
from tests.models import toy
from tests.workers.conftest import SIZES, alone
from tests.workers.faults import FILE_FAULTS
from tests.workers.toys import Broken, Meddling, Spectrum, done, same

HERE = processor.IterativeExecutor(status=False, retries=0)


def without(files: dict[str, list[str]], name: str) -> dict[str, list[str]]:
    return {"toy": [file for file in files["toy"] if not file.endswith(name)]}


def damage(file: str) -> None:
    """Flip bytes in the second half of every basket: the file opens, its columns cannot be unpacked; all else stays."""
    content = bytearray(Path(file).read_bytes())
    with uproot.open(file) as opened:
        for branch in opened["Events"].branches:
            for start, size in zip(branch.member("fBasketSeek"), branch.member("fBasketBytes"), strict=True):
                for at in range(start + size // 2, start + size):
                    content[at] ^= 0x55
    Path(file).write_bytes(content)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Any]:
    """What each chunk of 20 events of the files gives."""
    found = {}
    for name, size in SIZES.items():
        with open_nano(write(two_jets(size), tmp_path_factory.mktemp("truth") / name)) as nano:
            for start in range(0, nano.entries, 20):
                found[name, start] = Spectrum.counted(nano.events(start, start + 20))
    return found


@pytest.mark.parametrize("fault", FILE_FAULTS)
@pytest.mark.parametrize("when", ["before", "during"])
def test_a_file_that_becomes_another(files, notes, truth, fault, when):
    """Between plan and reading, or while a chunk is open: the numbers of the planned files, or an error."""
    plan = workers.plan_of(HERE, files, chunk_size=20)
    if when == "before":
        FILE_FAULTS[fault](Path(files["toy"][1]))
    judge = Spectrum(notes) if when == "before" else Meddling(notes, FILE_FAULTS[fault])
    outcome = workers.process(HERE, plan, judge, skip_bad=True)
    left_out = {(Path(failure.file).name, failure.start) for failure in outcome.skipped}
    assert {name for name, _ in left_out} <= {"b.root"}
    assert len(left_out) == 3 or when == "during"
    expected = processor.accumulate([part for key, part in truth.items() if key not in left_out])
    assert same(outcome.result, expected)
    if fault not in ("removed", "truncated", "emptied", "zeroed"):
        another = r"b\.root is another file than at the start of the run .*: it was replaced meanwhile\. Run again"
        assert all(re.search(another, failure.message) for failure in outcome.skipped)
    with pytest.raises(InputError, match=r"b\.root, entries \d+ to \d+: .* \(on process"):
        workers.process(HERE, plan, Spectrum(notes))


OLD_COFFEA = parse(coffea.__version__) < parse("2026.9")


@pytest.mark.parametrize("kind", ["RNTuple", "Parquet"])
def test_another_file_of_any_format(tmp_path, notes, kind):
    if kind == "Parquet" and OLD_COFFEA:
        pytest.skip("coffea 2025.11 has no executor for Parquet")
    name = {"RNTuple": "x.root", "Parquet": "x.parquet"}[kind]
    write(two_jets(40), tmp_path / name, kind)
    files = {"toy": [str(tmp_path / name)]}
    plan = workers.plan_of(HERE, files)
    assert workers.process(HERE, plan, Spectrum(notes)).result["events"] == 40
    write(response_events(40), tmp_path / name, kind)
    with pytest.raises(InputError, match=r"x\.\w+ is another file than at the start of the run"):
        workers.process(HERE, plan, Spectrum(notes))


def test_a_file_that_is_written_while_it_is_opened_here(tmp_path):
    path = write(two_jets(40), tmp_path / "x.root")
    with pytest.raises(DamagedFileError, match=r"x\.root was changed while it was read .*Run again"), open_nano(path):
        FILE_FAULTS["written over"](path)


def test_a_model_that_changes_on_disk(sample, tmp_path):
    """What travels to workers is the model as it was opened."""
    folder = toy.write(tmp_path / "toy")
    corrector = mljec.MLJEC(folder)

    def corrected() -> Any:
        with open_nano(sample) as nano:
            return cloudpickle.loads(packed(corrector, "toy")).apply(nano.events(0, 100)).pt.to_list()

    before = corrected()
    shutil.copy(toy.write(tmp_path / "other", nan_above=50.0) / "model.onnx", folder)
    with pytest.raises(ModelError):
        mljec.MLJEC(folder)
    assert corrected() == before
    shutil.rmtree(folder)
    assert corrected() == before


@pytest.mark.parametrize("where", ["here", "threads"])
def test_a_file_that_vanishes_while_the_run_goes_on(files, notes, request, where):
    executor: Any = HERE
    if where == "threads":
        executor = workers.ClusterExecutor(client=request.getfixturevalue("threads"), status=False)
    plan = workers.plan_of(executor, files, chunk_size=20)
    Path(files["toy"][1]).unlink()
    with pytest.raises(InputError, match=r"b\.root, entries 0 to 20: FileNotFoundError: .* \(on (worker tls|process)"):
        workers.process(executor, plan, Spectrum(notes))
    outcome = workers.process(executor, plan, Spectrum(notes), skip_bad=True)
    assert [(Path(failure.file).name, failure.start, failure.stop) for failure in outcome.skipped] == [
        ("b.root", 0, 20), ("b.root", 20, 40), ("b.root", 40, 60),
    ]  # fmt: skip
    assert outcome.chunks == 3
    assert same(outcome.result, alone(without(files, "b.root"), notes).result)


def test_a_damaged_file(files, notes):
    damage(files["toy"][1])
    with pytest.raises(InputError, match=r"b\.root, entries 0 to 20: .*\(on process \d+ on .*\), and 2 more chunks"):
        alone(files, notes)
    outcome = alone(files, notes, skip_bad=True)
    assert {Path(failure.file).name for failure in outcome.skipped} == {"b.root"}
    assert len(outcome.skipped) == 3
    assert same(outcome.result, alone(without(files, "b.root"), notes).result)


@pytest.mark.parametrize("content", [None, b"", b"no ROOT file", "cut"])
def test_a_file_that_cannot_be_opened(files, notes, content):
    bad = Path(files["toy"][2])
    whole = bad.read_bytes()
    bad.unlink() if content is None else bad.write_bytes(whole[:-100] if content == "cut" else content)
    with pytest.raises(InputError, match=r"c\.root"):
        alone(files, notes)
    assert done(notes) == []  # refused before the work
    outcome = alone(files, notes, skip_bad=True)
    (failure,) = outcome.skipped
    assert (Path(failure.file).name, failure.start, failure.kind) == ("c.root", -1, "file")
    assert same(outcome.result, alone(without(files, "c.root"), notes).result)


def test_a_full_disk_is_no_file_s_fault(files, notes):
    class Full(Spectrum):
        def process(self, events: Any) -> dict[str, Any]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WorkerError, match=r"a\.root, entries 0 to 20: OSError: \[Errno 28\] No space left on device"):
        workers.run(HERE, files, Full(notes), chunk_size=20, skip_bad=True)


def test_skipping_everything_is_an_error(files, notes):
    for name in files["toy"]:
        Path(name).write_bytes(b"")
    with pytest.raises(InputError, match=r"(?s)a\.root.*b\.root.*c\.root"):
        alone(files, notes, skip_bad=True)


def test_no_files_and_the_same_twice(notes):
    with pytest.raises(InputError, match="there are no files to run on"):
        alone({"toy": []}, notes)
    with pytest.raises(InputError, match=r"given more than once: x\.root"):
        alone({"toy": ["x.root"], "again": ["x.root"]}, notes)


@pytest.mark.skipif(OLD_COFFEA, reason="coffea 2025.11 fails on files without events")
def test_files_without_events(tmp_path, notes):
    empty, filled = (str(write(two_jets(size), tmp_path / f"{size}.root")) for size in (0, 20))
    nothing = alone({"toy": [empty]}, notes).result
    assert nothing["events"] == nothing["pt"].sum(flow=True) == 0
    assert same(alone({"toy": [empty, filled]}, notes).result, alone({"toy": [filled]}, notes).result)


@pytest.mark.filterwarnings("ignore::coffea_mljec.MismatchWarning")
def test_files_that_disagree_in_layout(tmp_path, sample_jec):
    """A file that lacks what a correction reads is named; what a correction does not read may differ."""
    names = [
        str(write(two_jets(20, regression=what == "with"), tmp_path / f"{what}.root")) for what in ("with", "without")
    ]
    alike = {"replicas": 0, "max_dr": 0.2}
    judge = ResponseProcessor({"PNet": mljec.NanoRegression("PNet")}, **alike)
    with pytest.raises(InputError, match=r"without\.root, entries 0 to 20: .*PNetRegPtRawCorr"):
        workers.run(HERE, {"toy": names}, judge)
    standard = ResponseProcessor({"standard": mljec.FactorizedJEC.from_txt(sample_jec)}, **alike)
    counts = [workers.run(HERE, {"toy": files}, standard).result["toy"]["counts"] for files in (names[:1], names)]
    assert counts[1]["judged"] == 2 * counts[0]["judged"] > 0


def test_what_a_processor_refuses_is_not_skipped(files, notes):
    from tests.validation.conftest import Scaled

    judge = ResponseProcessor({"toy": Scaled(1.0)}, gen_collection="GenJetAK8", replicas=0)
    with pytest.raises(InputError, match=r"a\.root, entries 0 to 20: the response needs generator jets"):
        workers.run(HERE, files, judge, chunk_size=20, skip_bad=True)


def test_a_mistake_in_a_processor_keeps_its_traceback(files, notes):
    with pytest.raises(RuntimeError, match=r"(?s)a\.root, entries 0 to 20: ZeroDivisionError.*toys\.py"):
        workers.run(HERE, files, Broken(notes), chunk_size=20, skip_bad=True)


def test_chunks_that_an_executor_loses_are_noticed(files, notes):
    class Forgetful(processor.IterativeExecutor):
        def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
            items = list(items)
            return super().__call__(items[1:] if hasattr(items[0], "entrystart") else items, function, accumulator)

    with pytest.raises(WorkerError, match=r"1 of 6 chunks are not in the result, the first .*a\.root, entries 0 to 20"):
        workers.run(Forgetful(status=False), files, Spectrum(notes), chunk_size=20)


@pytest.mark.parametrize("interval", [None, 0])
def test_histograms_that_do_not_add_up(files, notes, tmp_path, interval):
    class Growing(Spectrum):
        def process(self, events: Any) -> dict[str, Any]:
            self.bins = 20 + len(done(self.notes))
            return super().process(events)

    checkpoints = None if interval is None else workers.Checkpoints(tmp_path / "c", interval=interval)
    with pytest.raises(InputError, match=r"the results of two chunks do not add up"):
        workers.run(HERE, files, Growing(notes), chunk_size=20, checkpoints=checkpoints)
