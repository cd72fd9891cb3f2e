"""``mljec apply`` with everything: variations and MET in one tree, read back in plain coffea; regressions with JEC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

import coffea_mljec as package
from coffea_mljec.nano import open_nano
from tests.factories import two_jets, write

SOURCES = (
    "[Total]\n{1 JetEta 1 JetPt \"\" Correction JECSource}\n-5.2 5.2 6  10 0.04 0.04  1000 0.02 0.03\n"
    "[Absolute]\n{1 JetEta 1 JetPt \"\" Correction JECSource}\n-5.2 5.2 6  10 0.01 0.01  1000 0.01 0.01\n"
)  # fmt: skip


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    path = tmp_path / "MLJECSim_V1_MC_UncertaintySources_AK4PFchs.junc.txt"
    path.write_text(SOURCES)
    return path


def read(path: Path) -> Any:
    """A friend file in plain coffea: its own schema of NanoAOD, nothing of this package."""
    return NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=NanoAODSchema, mode="eager").events()


def same(one: Any, other: Any) -> None:
    flat = [ak.to_numpy(ak.flatten(array, axis=None)) for array in (one, other)]
    np.testing.assert_allclose(*flat, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::coffea_mljec.StandardJetsWarning")
def test_one_tree_with_jets_and_met_varied(mljec, sample, sample_jec, sources, tmp_path):
    """The bundled sample, its network with closure and resolution by name; against the same in Python."""
    jec = sample_jec[0].parent
    status, _, said = mljec(
        "apply", sample, "-o", tmp_path / "f", "--model", "pfn-r-lite", "--jec", jec, "--chunk-size", 1500,
        "--uncertainties", sources, "--sources", "Total,Absolute", "--standard-jets", "--resolution", "pfn-r-lite",
        "--closure", "pfn-r-lite", "--met", "--no-met-low-pt", "--variations",
    )  # fmt: skip
    assert status == 0, said
    friend = read(tmp_path / "f" / f"{sample.stem}_mljec.root")

    corrector = package.MLJEC(
        "pfn-r-lite",
        fallback=package.FactorizedJEC.from_txt(sample_jec),
        closure=package.closure("pfn-r-lite"),
        resolution=package.resolution("pfn-r-lite"),
        scale_factor=package.scale_factor("pfn-r-lite"),
        uncertainties=package.read_uncertainties_text(sources),
        standard_jets=True,
    )
    with open_nano(sample) as nano:
        events = nano.events(0, 500)
        jets = corrector.apply(events)
        met = package.Type1MET(corrector, low_pt=False).apply(events, jets=jets)
        friend = friend[:500]
        assert ak.all(friend.event == events.event)
        for name in ("pt", "mass"):
            same(friend.Jet[name], jets[name])
            same(friend.Jet[f"{name}_nom"], jets[name])
            same(friend.Jet[f"{name}_jerUp"], jets.JER.up[name])
            same(friend.Jet[f"{name}_jesTotalDown"], jets.JES_Total.down[name])
            same(friend.Jet[f"{name}_jesAbsoluteUp"], jets.JES_Absolute.up[name])
        for name in ("pt", "phi"):
            same(friend.MET[name], met[name])
            same(friend.MET[f"{name}_jesTotalUp"], met.JES_Total.up[name])
            same(friend.MET[f"{name}_jerDown"], met.JER.down[name])
    assert ak.any(friend.Jet.pt_jesTotalUp > 1.01 * friend.Jet.pt)
    assert ak.any(friend.MET.pt_jesTotalUp != friend.MET.pt)


def test_data_have_no_jer(mljec, jec_text, tmp_path):
    nano = write(two_jets(simulation=False), tmp_path / "nano.root")
    sources = tmp_path / "Toy1_V1_MC_Uncertainty_AK4PFchs.junc.txt"
    sources.write_text(SOURCES.partition("\n")[2].partition("[")[0])
    command = ("apply", nano, "-o", tmp_path / "f", "--jec", jec_text, "--uncertainties", sources, "--variations")
    status, _, said = mljec(*command)
    assert status == 0, said
    with uproot.open(tmp_path / "f" / "nano_mljec.root") as file:
        tree = file["Events"]
        assert {name for name in tree if "jer" in name} == set()
        pt, up, down = (tree[f"Jet_{name}"].array() for name in ("pt", "pt_jesTotalUp", "pt_jesTotalDown"))
    assert ak.all((up > pt) & (pt > down))
    # The same command goes on; another one is told what differs.
    assert mljec(*command, "--resume")[1].strip() == "nothing to do: every friend file exists."
    status, _, said = mljec(*command[:-1], "--resume")
    assert "was written with another configuration" in said
    assert "variations was True and is False" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variations"], "there are none without --uncertainties, --resolution, --era or --met"),
        (["--sources", "all"], "--sources chooses from --uncertainties"),
        (["--jer-tag", "x"], "--scale-factor, --jer-tag, --unsmeared-eta and --jet-resolution belong to --resolution"),
        (["--resolution", "pfn-r-lit"], "no resolution of 'pfn-r-lit' comes with the package. Did you mean"),
        (["--closure", "standard"], "no closure of 'standard' comes with the package"),
        (["--uncertainties", "x.json.gz"], "x.json.gz holds many algorithms: say which one with --algo"),
        (["--met"], "type-1 MET of CHS jets needs MET_pt"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together(mljec, nano, jec_text, tmp_path, options, message):
    status, _, said = mljec("apply", nano, "-o", tmp_path / "f", "--jec", jec_text, *options)
    assert status == 2
    assert message in said
    assert "Traceback" not in said


JSON = "2022_Summer22_jet_jerc_PNet.json.gz"
MC, DATA = "Summer22_22Sep2023_V2_MC", "Summer22_22Sep2023_RunCD_V2_DATA"
OWN = "AK4PFPuppiPNetRegression"


@pytest.mark.parametrize("text", ["PNet", "PNet+neutrino", "PNet+neutrino@btagPNetB=0.245"])
def test_a_regression_with_its_own_jec(mljec, real_data, tmp_path, text):
    source, payload = real_data / "nano" / "nanoaod_v12_tt_mc.root", real_data / "jec" / JSON
    options = ["--jec-json", payload, "--tag", MC, "--algo", OWN if text == "PNet" else "AK4PFPuppi"]
    status, _, said = mljec("apply", source, "-o", tmp_path / "f", "--regression", text, *options)
    assert status == 0, said
    own = [package.read_json(payload, MC, f"{OWN}{ending}") for ending in ("", "PlusNeutrino")]
    by_text: dict[str, Any] = {
        "PNet": {"payload": own[0]},
        "PNet+neutrino": {"payload": own[1], "neutrino": True},
        "PNet+neutrino@btagPNetB=0.245": {"payload": tuple(own), "selection": ("btagPNetB", 0.245)},
    }
    plain = package.FactorizedJEC.from_json(payload, MC, "AK4PFPuppi")
    with open_nano(source) as nano:
        jets = package.NanoRegression("PNet", fallback=plain, **by_text[text]).apply(nano.events())
        same(read(tmp_path / "f" / "nanoaod_v12_tt_mc_mljec.root").Jet.pt, jets.pt)


def test_a_regression_with_variations_and_met(mljec, real_data, tmp_path):
    source, payload = real_data / "nano" / "nanoaod_v12_tt_mc.root", real_data / "jec" / JSON
    options = ["--jec-json", payload, "--tag", MC, "--algo", "AK4PFPuppi", "--uncertainties", payload]
    command = ["apply", source, "-o", tmp_path / "f", "--regression", "PNet", *options, "--resolution", payload]
    status, _, said = mljec(*command, "--unsmeared-eta", 2.5, 3.0, "--variations", "--met")
    assert status == 0, said
    friend = read(tmp_path / "f" / "nanoaod_v12_tt_mc_mljec.root")
    wanted = {"pt_nom", "mass_nom", "pt_jerUp", "mass_jerDown", "pt_jesTotalUp", "mass_jesTotalDown"}
    assert wanted <= set(friend.Jet.fields)
    assert {"pt_nom", "pt_jerUp", "phi_jesTotalUp", "pt_unclustEnUp"} <= set(friend.PuppiMET.fields)
    central = friend.Jet[(friend.Jet.pt > 30) & (abs(friend.Jet.eta) < 2.5)]
    shift = ak.to_numpy(ak.flatten(central.pt_jesTotalUp / central.pt))
    assert 1.003 < np.median(shift) < 1.05
    assert 0 < ak.mean(abs(friend.PuppiMET.pt_jesTotalUp - friend.PuppiMET.pt)) < 10


def test_a_regression_of_data(mljec, real_data, tmp_path):
    """Made-up events of a run that the payload covers: those of the real file are of another period."""
    tables = two_jets(simulation=False, regression=True)
    tables.events["run"][:] = 356446
    nano, payload = write(tables, tmp_path / "nano.root"), real_data / "jec" / JSON
    options = ["--jec-json", payload, "--tag", DATA, "--algo", "AK4PFPuppi", "--uncertainties", payload, "--variations"]
    status, _, said = mljec("apply", nano, "-o", tmp_path / "f", "--regression", "PNet", *options)
    assert status == 0, said
    with open_nano(nano) as file:
        own = package.read_json(payload, DATA, OWN)
        jets = package.NanoRegression("PNet", payload=own).apply(file.events())
        friend = read(tmp_path / "f" / "nano_mljec.root")
        same(friend.Jet.pt, jets.pt)
        assert ak.all(friend.Jet.pt_jesTotalUp > friend.Jet.pt)


def test_the_jec_of_a_regression_is_not_the_standard_path(mljec, real_data, tmp_path):
    source, payload = real_data / "nano" / "nanoaod_v12_tt_mc.root", real_data / "jec" / JSON
    status, _, said = mljec("apply", source, "-o", tmp_path / "f", "--jec-json", payload, "--tag", MC, "--algo", OWN)
    assert status == 2
    assert "is for regressed jets, not for those of the file: NanoRegression('PNet'" in said
