"""Jet identification: criteria by a plain twin, payloads, the repair of NanoAODv12, and what files hold."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError, MissingBranchError, PayloadError
from coffea_mljec.selection import JetID
from coffea_mljec.selection.jet_id import FRACTIONS, criteria, repaired
from tests.factories import Tables, in_memory, jets_with_met
from tests.selection.maps import jet_id

POINTS = ("Tight", "TightLeptonVeto")


def jets(n: int = 4000) -> dict[str, np.ndarray]:
    """Fields of jets near all thresholds, on some edges of eta, with a few NaN."""
    rng = np.random.default_rng(5)
    near = {"chHEF": 0.01, "neHEF": 0.95, "chEmEF": 0.8, "neEmEF": 0.7, "muEF": 0.8}
    found = {name: np.clip(rng.normal(value, 0.3, n), 0, 1) for name, value in near.items()}
    found |= {name: rng.integers(0, 4, n).astype(np.uint8) for name in ("chMultiplicity", "neMultiplicity")}
    found["eta"] = np.where(rng.random(n) < 0.1, rng.choice([2.6, -2.7, 3.0], n), rng.uniform(-4.9, 4.9, n))
    found["neHEF"][::97] = np.nan
    found["jetId"] = rng.choice([0, 2, 6], n)
    return {name: column.astype(np.float32) if column.dtype == float else column for name, column in found.items()}


def tight(jet: dict[str, Any]) -> bool:
    away = abs(jet["eta"])
    if away < 2.6:
        enough = jet["chMultiplicity"] >= 1 and int(jet["chMultiplicity"]) + int(jet["neMultiplicity"]) >= 2
        return enough and jet["chHEF"] >= 0.01 and jet["neHEF"] < 0.99 and jet["neEmEF"] < 0.9
    if away < 2.7:
        return jet["neHEF"] < 0.9 and jet["neEmEF"] < 0.99
    if away < 3.0:
        return jet["neHEF"] < 0.99
    return jet["neEmEF"] < 0.4 and jet["neMultiplicity"] >= 2


def expected(columns: dict[str, np.ndarray], point: str) -> np.ndarray:
    found = []
    for i in range(len(columns["eta"])):
        jet = {name: column[i] for name, column in columns.items()}
        lepton = abs(jet["eta"]) < 2.7 and not (jet["muEF"] < 0.8 and jet["chEmEF"] < 0.8)
        found.append(tight(jet) and not (point == "TightLeptonVeto" and lepton))
    return np.array(found)


def named(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {FRACTIONS.get(name, name): column for name, column in columns.items()}


def tables(puppi: bool = True, keep: tuple[str, ...] = ()) -> Tables:
    """A file with these fields of `jets`."""
    made = jets_with_met(puppi)
    n = len(made.tables["Jet"]["pt"])
    return made.with_columns("Jet", **{name: column[:n] for name, column in jets(n).items() if name in keep})


ALL = (*FRACTIONS, "eta")


@pytest.mark.parametrize("point", POINTS)
def test_criteria_equal_their_plain_twin(point: Any) -> None:
    columns = jets()
    theirs = expected(columns, point)
    np.testing.assert_array_equal(criteria(named(columns), point), theirs)
    assert 0.05 < theirs.mean() < 0.9


@pytest.mark.parametrize("point", POINTS)
def test_the_repair_of_v12(point: Any) -> None:
    columns = jets()
    ours = repaired(columns["jetId"].astype(np.int64), named(columns), point)
    for i, mine in enumerate(ours):
        jet = {name: column[i] for name, column in columns.items()}
        away = abs(jet["eta"])
        passes = bool(jet["jetId"] & 2)
        if away > 2.7:
            passes &= bool(jet["neHEF"] < 0.99 if away <= 3.0 else jet["neEmEF"] < 0.4)
        elif point == "TightLeptonVeto":
            passes &= bool(jet["muEF"] < 0.8 and jet["chEmEF"] < 0.8)
        assert mine == passes


@pytest.mark.parametrize("point", POINTS)
def test_a_payload_says_what_the_criteria_say(point: Any, tmp_path: Path) -> None:
    events = in_memory(tables(keep=ALL))
    with_payload = pickle.loads(pickle.dumps(JetID(point, jet_id(tmp_path / "jetid.json.gz"))))
    ours, theirs = with_payload(events), JetID(point)(events)
    assert ours.tolist() == theirs.tolist()
    assert str(ours.type) == "60 * var * bool"
    assert 0 < ak.mean(ours) < 1
    assert set(JetID(point).required_branches(events)) == {"nJet", *(f"Jet_{name}" for name in ALL)}


def test_what_a_file_has_decides() -> None:
    old = in_memory(tables(puppi=False, keep=("jetId",)))
    assert JetID("Tight")(old).tolist() == (old.Jet.jetId >= 2).tolist()
    assert JetID()(old).tolist() == (old.Jet.jetId == 6).tolist()
    keep = ("jetId", "eta", "neHEF", "neEmEF", "muEF", "chEmEF")
    v12 = in_memory(tables(keep=keep))
    flat = {name: ak.to_numpy(ak.flatten(v12.Jet[name])) for name in keep}
    mine = ak.to_numpy(ak.flatten(JetID()(v12)))
    np.testing.assert_array_equal(mine, repaired(flat["jetId"].astype(np.int64), named(flat), "TightLeptonVeto"))
    with pytest.raises(MissingBranchError, match=r"TightLeptonVeto needs the numbers of constituents \(Jet_chMultip"):
        JetID()(in_memory(tables()))
    with pytest.raises(InputError, match="working_point must be Tight or TightLeptonVeto, got 'Loose'"):
        JetID("Loose")  # type: ignore[arg-type]


def test_payloads_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(PayloadError, match="no such payload"):
        JetID(payload=tmp_path / "jetid.json.gz")


def test_nanoaod_v13_as_stored(real_data: Path, open_nano: Any) -> None:
    """NanoAODv13 still has jetId, and everything that it is made from.

    CMSSW asked for more than two neutral constituents beyond abs(eta) = 3, the payload and the page for two or more.
    """
    jets = open_nano(real_data / "nano" / "nanoaod_v13_egamma2022e_data.root").Jet
    old = (abs(jets.eta) >= 3) & (jets.neMultiplicity == 2)
    assert 10 < ak.sum(old) < 30
    for point, bit in (("Tight", 2), ("TightLeptonVeto", 4)):
        mine = JetID(point)(open_nano(real_data / "nano" / "nanoaod_v13_egamma2022e_data.root"))  # type: ignore[arg-type]
        # One of 325 jets by rounding: numbers of constituents are weighted by PUPPI and stored as integers.
        assert ak.sum((mine != ((jets.jetId & bit) > 0)) & ~old) <= 1


@pytest.mark.parametrize("name", ["nanoaod_v12_tt_mc", "nanoaod_v15_tt_mc", "pfnano_ul17_mc"])
def test_every_real_file(real_data: Path, open_nano: Any, name: str) -> None:
    events = open_nano(real_data / "nano" / f"{name}.root")
    hard = events.Jet.pt > 30
    assert 0.85 < ak.mean(JetID("Tight")(events)[hard]) <= 1
    assert ak.all(~JetID()(events) | JetID("Tight")(events))
