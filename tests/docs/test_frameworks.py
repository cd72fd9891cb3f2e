"""The blocks of the pages on frameworks run, each where its framework can be imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec.nano import write_friend
from tests.docs.pages import DOCS, blocks_of

PAGES = ("coffea", "friends", "pocketcoffea", "columnflow")
START, STOP = 20, 60


def block_of(name: str) -> str:
    """The only Python block of a page."""
    (block,) = (each for each in blocks_of((DOCS / "howto" / f"{name}.md").read_text()) if each.language == "python")
    return block.text


def run(name: str, **scope: Any) -> dict[str, Any]:
    """Execute the block of a page with these names in scope; return all names."""
    names: dict[str, Any] = {"__name__": "frameworks", **scope}
    exec(compile(block_of(name), f"{name}.md", "exec"), names)
    return names


@pytest.fixture(scope="module")
def corrector(sample_jec: list[Path]) -> Any:
    return mljec.MLJEC(fallback=mljec.FactorizedJEC.from_txt(sample_jec))


@pytest.fixture(scope="module")
def friend(sample: Path, corrector: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("friends") / f"{sample.stem}_mljec.root"
    write_friend(sample, path, corrector)
    return path


@pytest.fixture
def events(sample: Path, open_nano: Callable[..., Any]) -> Any:
    metadata = {"filename": str(sample), "entrystart": START, "entrystop": STOP, "dataset": "sample"}
    return open_nano(sample, mode="eager", entry_start=START, entry_stop=STOP, metadata=metadata)


def without_behaviours(events: Any) -> Any:
    """The same columns as records of no class, as columnflow reads them."""
    columns = {name: ak.without_parameters(ak.Array(events[name].layout)) for name in events.fields}
    return ak.zip(columns, depth_limit=1)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_one_block(name: str) -> None:
    assert block_of(name)


def test_plain_coffea(sample: Path, sample_jec: list[Path]) -> None:
    names = run("coffea", files=[str(sample)], jec_files=sample_jec)
    assert names["result"]["pt"].sum(flow=True) > 100


def test_friend_trees(friend: Path, events: Any, corrector: Any) -> None:
    wanted = corrector.apply(events)
    names = run("friends", friend=friend, start=START, stop=STOP, events=events)
    for name in ("pt", "mass"):
        assert ak.almost_equal(names["events"].Jet[name], wanted[name], rtol=1e-6, check_parameters=False)


def test_pocket_coffea(friend: Path, events: Any, corrector: Any) -> None:
    pytest.importorskip("pocket_coffea", reason="PocketCoffea pins coffea 0.7.29, another environment")
    calibrator = run("pocketcoffea")["MLJECFriends"](None, {"isMC": True, "year": "2018"})
    calibrator.folder = friend.parent
    calibrator.initialize(events)
    columns = calibrator.calibrate(events, {}, "nominal")
    assert list(columns) == calibrator.calibrated_collections
    assert np.allclose(np.asarray(ak.flatten(columns["Jet.pt"])), np.asarray(ak.flatten(corrector.apply(events).pt)))


def test_columnflow(events: Any) -> None:
    pytest.importorskip("columnflow", reason="columnflow is not installed here")
    names = run("columnflow")
    plain = without_behaviours(events)
    calibrator = names["ml_jets"]()
    calibrator.setup_func()
    corrected = calibrator.call_func(plain)
    assert ak.all(abs(corrected.Jet.pt - mljec.MLJEC("pfn-r-lite").apply(events).pt) < 1e-3)


def test_plain_records_are_as_good_as_nanoevents(events: Any, corrector: Any) -> None:
    """columnflow hands over records without behaviours: the names are what counts."""
    plain = without_behaviours(events)
    ours, theirs = (ak.without_parameters(corrector.apply(each).pt) for each in (plain, events))
    assert ak.almost_equal(ours, theirs)
