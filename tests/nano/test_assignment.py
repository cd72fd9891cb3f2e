"""``events.Jet = ...`` for NanoEvents, and for nothing else."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import awkward as ak
import pytest

import coffea_mljec  # noqa: F401 - importing it is what is tested
from tests.factories import jets_of_pt, write


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    """A file with two jets, written here."""
    return write(jets_of_pt([[50.0], [], [30.0]]), tmp_path / "nano.root")


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("mode", ["eager", "virtual", "dask"])
def test_existing_field_is_set_and_survives_a_mask(nano: Path, open_nano: Any, mode: str) -> None:
    if mode == "dask":
        pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
        from coffea_mljec.nano.assignment import allow_dask_assignment

        allow_dask_assignment()
    events = open_nano(nano, mode=mode)
    events.Jet = ak.with_field(events.Jet, events.Jet.pt * 2, "double")
    selected = events[events.event != 2**40 + 1].Jet
    if mode == "dask":
        selected = selected.compute()
    assert ak.to_list(selected.double) == [[100.0], [60.0]]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_new_fields_and_other_arrays_stay_as_awkward_has_them(nano: Path, open_nano: Any) -> None:
    events = open_nano(nano, mode="eager")
    with pytest.raises(AttributeError, match="only private attributes"):
        events.Brandnew = events.Jet
    with pytest.raises(AttributeError, match="no setter"):
        events.Jet.pt = events.Jet.pt
    plain = ak.Array([{"Jet": 1}])
    with pytest.raises(AttributeError, match="fields cannot be set as attributes"):
        plain.Jet = ak.Array([2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        events._private = 3
    assert events._private == 3
