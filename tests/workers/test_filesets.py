"""Filesets in every form that coffea takes: the numbers of lists, metadata on the events, or a clear error."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from coffea import processor
from coffea.nanoevents import NanoAODSchema

from coffea_mljec import workers
from coffea_mljec.errors import InputError
from coffea_mljec.nano import open_nano
from tests.factories import two_jets, write
from tests.workers.conftest import SIZES, alone
from tests.workers.toys import Spectrum, same

HERE = processor.IterativeExecutor(status=False, retries=0)


def keeping(events: Any) -> dict[str, Any]:
    """What coffea says of each chunk, beside the number of its events."""
    return {"events": len(events), "seen": [{**events.metadata, "filename": Path(events.metadata["filename"]).name}]}


@pytest.fixture
def steps(files: dict[str, list[str]]) -> dict[str, Any]:
    """A dataset as coffea's dataset_tools prepare it, in steps of 15 events."""
    prepared = {}
    for name in files["toy"]:
        with open_nano(name) as nano:
            ends = [*range(0, nano.entries, 15), nano.entries]
            prepared[name] = {
                "object_path": "Events",
                "steps": [list(step) for step in pairwise(ends)],
                "num_entries": nano.entries,
                "uuid": nano.uuid,
            }
    return {"toy": {"files": prepared, "metadata": {"era": "2022EE", "xsec": 2.5}, "form": None}}


FORMS = {
    "paths": lambda names: [Path(name) for name in names],
    "a tuple": tuple,
    "a dictionary": lambda names: {"files": names, "metadata": {"era": "2022EE"}, "form": None},
    "no metadata": lambda names: {"files": names, "metadata": None},
    "trees": lambda names: dict.fromkeys(names, "Events"),
    "trees in a dictionary": lambda names: {"files": dict.fromkeys(names, "Events"), "treename": "other"},
    "a tree for all": lambda names: {"files": names, "treename": "Events"},
    "trees with the names": lambda names: [f"{name}:Events" for name in names],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(files, notes, form):
    assert same(alone({"toy": FORMS[form](files["toy"])}, notes).result, alone(files, notes).result)


def test_a_fileset_in_a_file(files, notes, tmp_path):
    (tmp_path / "fileset.json").write_text(json.dumps({"toy": {"files": files["toy"]}}))
    assert same(alone(tmp_path / "fileset.json", notes).result, alone(files, notes).result)


def test_events_carry_what_coffea_s_runner_gives_them(files):
    fileset = {"toy": {"files": files["toy"], "metadata": {"era": "2022EE", "xsec": 2.5}}}
    ours = workers.run(HERE, fileset, keeping, chunksize=20).result
    coffea = processor.Runner(executor=HERE, chunksize=20)(fileset, keeping, treename="Events")
    assert ours["events"] == coffea["events"] == sum(SIZES.values())
    assert ours["seen"] == coffea["seen"]
    assert ours["seen"][0]["era"] == "2022EE"


def test_prepared_steps_are_kept(files, notes, steps):
    seen = workers.run(HERE, steps, keeping).result["seen"]
    limits = [(chunk["filename"], chunk["entrystart"], chunk["entrystop"]) for chunk in seen]
    assert limits[:4] == [("a.root", 0, 15), ("a.root", 15, 30), ("a.root", 30, 40), ("b.root", 0, 15)]
    assert all(chunk["xsec"] == 2.5 for chunk in seen)
    assert same(alone(steps, notes).result, alone(files, notes).result)
    # Long steps are divided as files are; what lies in no step is not read.
    first, *others = steps["toy"]["files"].values()
    first["steps"] = [[10, 34]]
    for one in others:
        one["steps"] = []
    divided = workers.run(HERE, steps, keeping, chunk_size=8).result
    assert [(chunk["entrystart"], chunk["entrystop"]) for chunk in divided["seen"]] == [(10, 18), (18, 26), (26, 34)]


@pytest.mark.filterwarnings("ignore:Passing a dict to preprocess is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler when a distributed client is active")
def test_what_dataset_tools_made(files, notes):
    pytest.importorskip("dask_awkward", reason="coffea's preprocess needs dask-awkward ([dask-awkward])")
    from coffea import dataset_tools

    given = {"toy": {"files": dict.fromkeys(files["toy"], "Events"), "metadata": {"era": "2022EE"}}}
    available, _ = dataset_tools.preprocess(given, step_size=20, save_form=True, scheduler="sync")
    seen = workers.run(HERE, available, keeping).result["seen"]
    assert [chunk["entrystop"] for chunk in seen] == [20, 40, 20, 40, 60, 20]
    assert {chunk["era"] for chunk in seen} == {"2022EE"}
    assert same(alone(available, notes).result, alone(files, notes).result)
    filespec = pytest.importorskip("coffea.dataset_tools.filespec", reason="coffea before 2025.12 has no DataGroupSpec")
    specified = filespec.DataGroupSpec.model_validate(available)
    assert workers.run(HERE, specified, keeping).result["seen"] == seen


def test_a_file_that_changed_since_it_was_prepared(files, notes, steps):
    write(two_jets(60), Path(files["toy"][1]))
    another = (
        r"b\.root is another file than when the fileset was preprocessed \(its UUID is .*, it was .*\): do it again"
    )
    with pytest.raises(InputError, match=another):
        alone(steps, notes)
    outcome = alone(steps, notes, skip_bad=True)
    assert [Path(failure.file).name for failure in outcome.skipped] == ["b.root"]
    for one in steps["toy"]["files"].values():
        del one["uuid"]
    assert alone(steps, notes).result["events"] == sum(SIZES.values())
    steps["toy"]["files"][files["toy"][2]]["steps"] = [[0, 500]]  # c.root
    with pytest.raises(InputError, match=r"c\.root is another .*\(it has 20 events, and the steps go to 500\)"):
        alone(steps, notes)


def test_another_schema(files):
    class Mine(NanoAODSchema):
        pass

    def named(events: Any) -> dict[str, Any]:
        return {"schemas": {events.attrs["@events_factory"]._schema.__class__.__name__}, "jets": len(events.Jet.pt)}

    assert workers.run(HERE, files, named).result["schemas"] == {"PFNanoAODSchema"}
    outcome = workers.run(HERE, files, named, schema=Mine)
    assert outcome.result == {"schemas": {"Mine"}, "jets": sum(SIZES.values())}
    with pytest.raises(InputError, match=r"one class of coffea's BaseSchema.*; got \{.*different schemas on their own"):
        workers.run(HERE, files, named, schema={"toy": Mine})


def test_what_is_done_with_other_metadata_is_not_taken_up(files, notes, tmp_path):
    def asked(era: str) -> workers.Outcome:
        fileset = {"toy": {"files": files["toy"], "metadata": {"era": era}}}
        checkpoints = workers.Checkpoints(tmp_path / "checkpoints", resume=True, interval=0)
        return workers.run(HERE, fileset, Spectrum(notes, stop_after=4), chunk_size=20, checkpoints=checkpoints)

    with pytest.raises(KeyboardInterrupt):
        asked("2022EE")
    with pytest.raises(InputError, match="are of another configuration: datasets was"):
        asked("2023")


@pytest.mark.parametrize(
    ("fileset", "message"),
    [
        ([], "a fileset is a mapping from datasets to files, got a list"),
        ("absent.json", r"absent\.json is no fileset in JSON"),
        ({"toy": "a.root"}, "the files of dataset 'toy' must be a list of paths, .* got a str"),
        ({"toy": {"file": ["a.root"]}}, "'files': one of these, .* got 'file': a list"),
        ({"toy": [1]}, "got a list with a int"),
        ({"toy": {"files": {}}}, "there are no files to run on"),
        ({"toy": {"a.root": "Events"}, "x": {"b.root": "Runs"}}, r"mixes the trees 'Events' \(of a.root\) and 'Runs'"),
        ({"toy": {"files": ["a.root"], "schema": "Delphes"}}, "dataset 'toy' names a schema: a run has one"),
        ({"toy": {"files": ["a.root"], "metadata": {"dataset": "x"}}}, "metadata of dataset 'toy' have dataset, which"),
        ({"toy": {"files": {"a.root": {"steps": [[0, 9], [5, 12]]}}}}, r"steps overlap .*, \[5, 12\] after 9"),
        ({"toy": {"files": {"a.root": {"steps": [3]}}}}, "steps must be pairs"),
    ],
)  # fmt: skip
def test_filesets_that_are_none(fileset, message, notes):
    with pytest.raises(InputError, match=message):
        alone(fileset, notes)


def test_formats_are_not_mixed(files, notes, tmp_path):
    parquet = str(write(two_jets(20), tmp_path / "d.parquet", "Parquet"))
    with pytest.raises(InputError, match="the files are parquet and root: coffea's Runner takes one format"):
        alone({"toy": [*files["toy"], parquet]}, notes)


def test_one_size_of_chunks(files, notes):
    with pytest.raises(InputError, match="chunk_size=20 and chunksize=10 are the same"):
        alone(files, notes, chunksize=10)
    with pytest.raises(InputError, match="chunk_size must be 1 or more, got 0"):
        workers.run(HERE, files, keeping, chunksize=0)


def test_reserved_names_are_coffea_s():
    from coffea.processor import executor

    from coffea_mljec.workers import fileset

    assert fileset._RESERVED >= executor._PROTECTED_NAMES  # of the newest: older ones know fewer
