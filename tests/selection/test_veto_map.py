"""Jet veto maps: which jets count, which cell, which events are kept."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError, MissingBranchError, PayloadError
from coffea_mljec.selection import JetVetoMap
from tests.factories import in_memory, jets_of_pt
from tests.selection.maps import HOT, NAME, veto_maps

GOOD = {
    "chHEF": 0.5, "neHEF": 0.2, "chEmEF": 0.1, "neEmEF": 0.1, "muEF": 0.0, "chMultiplicity": 5, "neMultiplicity": 5,
}  # fmt: skip
IN_CELL = {"eta": 1.3, "phi": 2.3}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return veto_maps(tmp_path_factory.mktemp("maps") / "jetvetomaps.json.gz")


def events(*jets: dict[str, Any]) -> Any:
    """One jet an event: 50 GeV, good, in the hot cell, but for what is given; PUPPI, by a field of that time."""
    made = [{"pt": 50.0, **IN_CELL, **GOOD, "btagPNetB": 0.0, **jet} for jet in jets]
    columns = {name: np.array([one[name] for one in made], np.float32) for name in made[0]}
    columns |= {name: columns[name].astype(np.uint8) for name in ("chMultiplicity", "neMultiplicity")}
    return in_memory(jets_of_pt([[one["pt"]] for one in made]).with_columns("Jet", **columns))


def test_which_jets_count(path: Path) -> None:
    veto = pickle.loads(pickle.dumps(JetVetoMap(path, NAME)))
    cases = [
        ({}, False), ({"pt": 14.0}, True), ({"eta": 0.9}, True), ({"phi": -2.3}, True), ({"muEF": 0.85}, True),
        ({"chEmEF": 0.5, "neEmEF": 0.5}, True), ({"neHEF": 0.995}, True), ({"eta": -1.3}, True),
    ]  # fmt: skip
    given = events(*(changed for changed, _ in cases))
    assert veto(given).tolist() == [kept for _, kept in cases]
    assert veto.jets(given).tolist() == [[not kept] for _, kept in cases]
    assert str(veto.jets(given).type) == f"{len(cases)} * var * bool"
    assert JetVetoMap(path, NAME, "jetvetomap_hem1516")(given).tolist() == [True] * len(cases)
    assert "Jet_muEF" in veto.required_branches(given)


def test_corrected_pt_decides(path: Path) -> None:
    veto, given = JetVetoMap(path, NAME), events({"pt": 14.0}, {"pt": 16.0})
    assert veto(given).tolist() == [True, False]
    scaled = ak.with_field(given.Jet, given.Jet.pt * np.array([1.1, 0.9]), "pt")
    assert veto(given, jets=scaled).tolist() == [False, True]
    with pytest.raises(InputError, match=r"jets and events\.Jet differ in number"):
        veto(given, jets=scaled[scaled.pt > 15])


def test_cells_by_a_plain_twin(path: Path) -> None:
    rng = np.random.default_rng(3)
    eta, phi = rng.uniform(-6, 6, 5000), rng.uniform(-3.1416, 3.1416, 5000)
    (low, high), (first, last) = HOT
    expected = (eta >= low) & (eta < high) & (phi >= first) & (phi < last)
    np.testing.assert_array_equal(JetVetoMap(path, NAME).vetoed(eta, phi), expected)
    edges = [(0.5, 3.1416016), (0.5, -3.1416016), (5.3, 0.0), (np.nan, 0.0), (1.3, np.nan), (1.3, np.inf)]
    assert JetVetoMap(path, NAME).vetoed(*np.transpose(edges)).tolist() == [False, False, False, True, True, True]
    assert JetVetoMap(path, NAME).vetoed([], []).size == 0


def test_what_there_is_not(path: Path) -> None:
    with pytest.raises(PayloadError, match=rf"has no Toy22_RunC_V1\. Did you mean '{NAME}'\? It has: {NAME}\."):
        JetVetoMap(path, "Toy22_RunC_V1")
    with pytest.raises(InputError, match=r"has no map 'hot': .* The one for analyses is 'jetvetomap'"):
        JetVetoMap(path, NAME, "hot")
    with pytest.raises(MissingBranchError, match=r"the jet veto map .* needs charged_em_fraction"):
        JetVetoMap(path, NAME)(in_memory(jets_of_pt([[20.0]])))
