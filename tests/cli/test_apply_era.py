"""``mljec apply --era`` with everything: variations, xy correction of MET, veto map, read back in coffea."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as package
from coffea_mljec.nano import open_nano
from tests.cli.test_apply_variations import read, same
from tests.eras.repository import era_2022ee, era_2023bpix
from tests.factories import jets_with_met, two_jets, write
from tests.selection.maps import HOT, veto_maps

GOOD = {"chHEF": 0.5, "neHEF": 0.2, "muEF": 0.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a veto map; without an xy correction of MET."""
    root = era_2022ee(tmp_path_factory.mktemp("jsonpog"))
    veto_maps(root / "POG" / "JME" / "2022_Summer22EE" / "jetvetomaps.json.gz", "Summer22EE_23Sep2023_RunEFG_V1")
    return root


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    """PUPPI jets with MET, a fifth of them in the hot cell."""
    tables = jets_with_met()
    tables.events["PV_npvsGood"] = np.full(60, 30, np.int32)
    count = int(tables.counts["Jet"].sum())
    chosen = np.arange(count) % 5 == 0
    columns = {name: np.full(count, value, np.float32) for name, value in GOOD.items()}
    columns |= {name: np.full(count, 5, np.uint8) for name in ("chMultiplicity", "neMultiplicity")}
    for name, (low, high) in zip(("eta", "phi"), HOT, strict=True):
        values = tables.tables["Jet"][name]
        columns[name] = np.where(chosen, np.float32((low + high) / 2), values).astype(np.float32)
    return write(tables.with_columns("Jet", **columns), tmp_path / "nano.root")


def test_jets_and_events_in_vetoed_cells(mljec: Any, root: Path, nano: Path, tmp_path: Path) -> None:
    command = ("apply", nano, "-o", tmp_path / "f", "--era", "2022EE", "--era-directory", root, "--veto-map")
    status, _, said = mljec(*command, "--chunk-size", 25)
    assert status == 0, said
    friend = read(tmp_path / "f" / "nano_mljec.root")
    era = package.era("2022EE", directory=root)
    with open_nano(nano) as file:
        events = file.events()
        jets = era.standard().apply(events)
        same(friend.Jet.pt, jets.pt)
        assert friend.Jet.vetoed.tolist() == era.veto_map().jets(events, jets=jets).tolist()
        assert friend.Flag.JetVetoed.tolist() == (~era.veto_map()(events, jets=jets)).tolist()
    assert 0 < ak.sum(friend.Jet.vetoed) < ak.sum(ak.num(friend.Jet)) / 2
    # What is there is kept, but not of other options.
    assert "nothing to do" in mljec(*command, "--resume")[1]
    status, _, said = mljec(*command[:-1], "--resume")
    assert (status, "veto was" in said) == (2, True), said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--era", "2022EE", "--met", "--met-xy"], "has no met_xyCorrections_2022_2022EE.json.gz; it has: jet_jerc"),
        (["--era", "2022EE", "--met-xy"], "--met-xy shifts the MET of --met: give it too"),
        (["--met", "--met-xy", "--veto-map"], "--met-xy and --veto-map: payloads of an era, which --era names"),
        (["--era", "2022EE", "--veto-map", "--collection", "FatJet"], "--veto-map is made for AK4 jets, Jet; got"),
    ],
)
def test_what_is_refused(mljec: Any, root: Path, nano: Path, tmp_path: Path, options: list[str], message: str) -> None:
    where = ["--era-directory", root] if "--era" in options else []
    status, _, said = mljec("apply", nano, "-o", tmp_path / "f", *where, *options)
    assert (status, message in said, (tmp_path / "f").exists()) == (2, True, False), said
    assert "Traceback" not in said


def test_a_file_that_lacks_what_the_map_needs(mljec: Any, root: Path, tmp_path: Path) -> None:
    nano = write(two_jets(regression=True), tmp_path / "nano.root")
    command = ("apply", nano, "-o", tmp_path / "f", "--era", "2022EE", "--era-directory", root, "--veto-map")
    status, _, said = mljec(*command)
    assert (status, "the jet veto map Summer22EE_23Sep2023_RunEFG_V1 needs" in said) == (2, True), said
    assert not list((tmp_path / "f").iterdir())


def test_everything_of_a_real_file(mljec: Any, real_data: Path, tmp_path: Path) -> None:
    """NanoAODv15, CMS's payload; veto map and xy correction are made up."""
    root = era_2023bpix(tmp_path / "jsonpog", real_data / "jec" / "2023_Summer23BPix_jet_jerc.json.gz")
    nano = real_data / "nano" / "nanoaod_v15_tt_mc.root"
    status, _, said = mljec(
        "apply", nano, "-o", tmp_path / "f", "--era", "2023BPix", "--era-directory", root,
        "--variations", "--met", "--met-xy", "--veto-map",
    )  # fmt: skip
    assert status == 0, said
    friend = read(tmp_path / "f" / f"{nano.stem}_mljec.root")
    era = package.era("2023BPix", directory=root)
    standard = era.standard()
    with open_nano(nano) as file:
        events = file.events()
        jets = standard.apply(events)
        met = era.met(standard, xy=True).apply(events, jets=jets)
        assert friend.Flag.JetVetoed.tolist() == (~era.veto_map()(events, jets=jets)).tolist()
        names = [name.removeprefix("JES_Regrouped_") for name in jets.fields if name.startswith("JES_")]
        assert len(names) == 11
        for name in names:
            same(friend.Jet[f"pt_jes{name}Up"], jets[f"JES_Regrouped_{name}"].up.pt)
            same(friend.PuppiMET[f"phi_jes{name}Down"], met[f"JES_Regrouped_{name}"].down.phi)
        same(friend.Jet.mass_jerDown, jets.JER.down.mass)
        same(friend.PuppiMET.pt, met.pt)
        same(friend.PuppiMET.pt_unclustEnUp, met.MET_UnclusteredEnergy.up.pt)
        plain = era.met(standard).apply(events, jets=jets)
        assert np.median(np.abs(ak.to_numpy(met.pt - plain.pt))) > 0.1
