"""Type-1 MET of jets, raw MET and unclustered energy that cannot be: flagged, or no number."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import MLJEC, FactorizedJEC, Status, Type1MET
from tests.met.plain import Payloads, column

Nano = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("warn_again")


def with_value(events: Any, table: str, name: str, value: float) -> tuple[Any, int]:
    """Events with one value of a column replaced, and in which of them it is."""
    event = int(np.flatnonzero(ak.num(events[table]) > 0)[0]) if events[table].ndim > 1 else 3
    old = events[table][name]
    here = np.arange(len(events)) == event
    if old.ndim > 1:
        here = here & (ak.local_index(old) == 0)
    events[table] = ak.with_field(events[table], ak.values_astype(ak.where(here, value, old), np.float32), name)
    return events, event


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
@pytest.mark.parametrize(
    "column_name",
    ["Jet_eta", "Jet_phi", "Jet_rawFactor", "Jet_chEmEF", "Jet_muonSubtrFactor", "CorrT1METJet_rawPt",
     "CorrT1METJet_phi", "CorrT1METJet_area", "CorrT1METJet_muonSubtrFactor", "RawPuppiMET_pt", "RawPuppiMET_phi"],
)  # fmt: skip
def test_what_cannot_be_is_flagged(column_name: str, value: float, toys: Payloads, nano: Nano, open_nano: Any) -> None:
    """In its event; the others keep their MET, bit by bit."""
    met = Type1MET(toys.standard())
    events = open_nano(nano(), mode="eager")
    expected = met.apply(events)
    found = met.apply(with_value(events, *column_name.split("_"), value)[0])
    event = with_value(open_nano(nano(), mode="eager"), *column_name.split("_"), value)[1]
    bad = (column(found.mljec_status).astype(int) & Status.BAD_INPUT) > 0
    np.testing.assert_array_equal(np.flatnonzero(bad), [event])
    for name in ("pt", "phi"):
        np.testing.assert_array_equal(column(found, name)[~bad], column(expected, name)[~bad])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_unclustered_energy_that_cannot_be_is_no_number(
    value: float, toys: Payloads, nano: Nano, open_nano: Any
) -> None:
    events = open_nano(nano(puppi=False), mode="eager")
    met = Type1MET(Payloads(toys.folder, "AK4PFchs").standard())
    expected = met.apply(events)
    events, event = with_value(events, "MET", "MetUnclustEnUpDeltaX", value)
    found = met.apply(events)
    np.testing.assert_array_equal(column(found.pt), column(expected.pt))
    others = np.arange(len(events)) != event
    for way in ("up", "down"):
        pt = column(found, "MET_UnclusteredEnergy", way, "pt")
        assert np.isnan(pt[event])
        np.testing.assert_array_equal(pt[others], column(expected, "MET_UnclusteredEnergy", way, "pt")[others])


@pytest.mark.filterwarnings("ignore::coffea_mljec.MismatchWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_an_area_that_cannot_be_is_flagged_though_the_network_does_not_read_it(value: float, open_nano: Any) -> None:
    """The L1 correction of CHS jets does, in MET alone."""
    data = Path(str(files("coffea_mljec") / "data"))
    standard = FactorizedJEC.from_json(data / "jec" / "MLJECSim_V1_MC_AK4PFchs.json.gz", "MLJECSim_V1_MC", "AK4PFchs")
    met = Type1MET(MLJEC("pfn-r-lite"), standard, low_pt=False)
    events = open_nano(data / "mljec_sample.root", mode="eager", entry_stop=20)
    expected = met.apply(events)
    events, event = with_value(events, "Jet", "area", value)
    found = met.apply(events)
    bad = (column(found.mljec_status).astype(int) & Status.BAD_INPUT) > 0
    np.testing.assert_array_equal(np.flatnonzero(bad), [event])
    assert column(found.pt)[event] != column(expected.pt)[event]
    np.testing.assert_array_equal(column(found.pt)[~bad], column(expected.pt)[~bad])
