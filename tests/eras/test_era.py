"""Eras: tags by simulation, data and run, in both layouts, on CMS's payloads and on made-up ones."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec.eras import CAMPAIGNS
from coffea_mljec.eras.places import CVMFS
from coffea_mljec.eras.tags import newest
from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads.run_periods import PERIODS
from tests.eras.repository import era_2022ee, jerc
from tests.factories import in_memory
from tests.library import library_file
from tests.validation.mass.toy import large_jets

EE = "Summer22EE_22Sep2023"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return era_2022ee(tmp_path_factory.mktemp("jsonpog"))


@pytest.fixture(scope="module")
def cms(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CMS's payloads, linked into the layout of its repository."""
    folder = tmp_path_factory.mktemp("cms")
    for file in sorted((real_data / "jec").glob("*et_jerc.json.gz")):
        era, kind = re.fullmatch(r"(.*)_((?:j|fatJ)et_jerc\.json\.gz)", file.name).groups()  # type: ignore[union-attr]
        place = folder / "POG" / "JME" / era
        place.mkdir(parents=True, exist_ok=True)
        (place / kind).symlink_to(file)
    return folder


def jets(run: Any, pt: Any = 50.0) -> dict[str, np.ndarray]:
    run = np.atleast_1d(run)
    pt = np.broadcast_to(pt, run.shape).astype(float)
    ones = np.ones(run.size)
    return {"pt_raw": pt, "eta": 2.2 * ones, "phi": ones, "area": 0.5 * ones, "rho": 20 * ones, "run": run}


def test_simulation(root: Path) -> None:
    era = mljec.era("2022EE", directory=root)
    assert (era.name, era.tag, era.jer_tag) == ("2022_Summer22EE", f"{EE}_V3_MC", f"{EE}_JRV2_MC")
    assert mljec.era("2022_Summer22EE", directory=root) == era
    assert (era.algorithm, era.met_collection) == ("AK4PFPuppi", "PuppiMET")
    assert f"Era('2022_Summer22EE', simulation: {EE}_V3_MC; " in repr(era)
    standard = era.standard()
    assert standard.algorithm == "AK4PFPuppi"
    assert standard.systematics.uncertainties.sources == ("Regrouped_Absolute", "Regrouped_HF")  # type: ignore[union-attr]
    assert standard.systematics.unsmeared_eta == (2.5, 3.0)
    assert era.standard(uncertainties="total").systematics.uncertainties.sources == ("Total",)  # type: ignore[union-attr]
    bare = era.standard(uncertainties=None, smearing=False, name="bare")
    assert (bare.name, bare.systematics.payloads) == ("bare", {})


def test_masses_of_large_jets_are_an_option(tmp_path: Path) -> None:
    tags = {f"{EE}_V3_MC": 1.1, f"{EE}_RunE_V3_DATA": 1.2}
    jerc(tmp_path / "POG" / "JME" / "2022_Summer22EE" / "fatJet_jerc.json.gz", "AK8PFPuppi", tags, [f"{EE}_JRV2_MC"])
    masses = mljec.JetMass(scale=(1.02, 1.03, 1.01), resolution=(1.1, 1.2, 1.0))
    found = large_jets(20)
    tables = replace(found, events=found.events | {"Rho_fixedGridRhoFastjetAll": np.full(20, 20.0, np.float32)})
    jets = (
        mljec.era("2022EE", directory=tmp_path).standard("FatJet", jet_mass=masses).apply(in_memory(tables), "FatJet")
    )
    assert {"JMS", "JMR", "JER", "JES_Regrouped_HF"} <= set(jets.fields)
    ratio = ak.flatten(jets.JMS.up.msoftdrop / jets.JMS.down.msoftdrop).to_numpy()
    np.testing.assert_allclose(ratio, 1.03 / 1.01, rtol=1e-5)
    np.testing.assert_array_equal(ak.flatten(jets.JMS.up.pt), ak.flatten(jets.pt))
    truth = ("GenJetAK8", "SubGenJetAK8", "GenPart", "genWeight")
    data = tables.without(*truth)
    data.events["run"][:] = 359022
    of_data = mljec.era("2022EE", data=True, directory=tmp_path)
    jets = of_data.standard("FatJet", jet_mass=masses).apply(in_memory(data), "FatJet")
    assert not {"JMS", "JMR", "JER"} & set(jets.fields)
    np.testing.assert_array_equal(ak.flatten(jets.msoftdrop), ak.flatten(jets.msoftdrop_orig))


def test_data_take_the_tag_of_each_run(root: Path) -> None:
    era = mljec.era("2022EE", data=True, directory=root)
    assert era.tags == tuple(f"{EE}_Run{run}_V3_DATA" for run in "EFG")
    payload = pickle.loads(pickle.dumps(era.payload()))
    assert (payload.tag, payload.is_data) == (f"{EE}_V3_DATA", True)
    factor, valid = payload.evaluate(jets([359022, 362760, 360390, 360331]))
    scales = np.array([1.2, 1.4, 1.3, 1.2])
    assert valid.all()
    np.testing.assert_allclose(factor, scales * (1 + 1 / (50 * scales)), rtol=1e-12)
    assert era.standard().systematics.payloads == {}


def test_a_run_chooses_one_tag(root: Path) -> None:
    era = mljec.era("2022EE", data=True, run=361000, directory=root)
    assert (era.tags, era.tag) == ((f"{EE}_RunF_V3_DATA",), f"{EE}_RunF_V3_DATA")
    with pytest.raises(
        PayloadError,
        match=r"L1FastJet is for runs 360332 to 362349, and the events are of runs 359571: run 359571 is of the era "
        r"2022_Summer22EE\.",
    ):
        era.payload().evaluate(jets(359571))
    with pytest.raises(InputError, match=r"run 356000 is in no tag of 2022_Summer22EE: .*RunE_V3_DATA \(359022 to "):
        mljec.era("2022EE", data=True, run=356000, directory=root)
    with pytest.raises(InputError, match="It is of the era 2022_Summer22"):
        mljec.era("2022EE", data=True, run=356000, directory=root)
    with pytest.raises(InputError, match=r"run=361000 chooses among tags of data: era\('2022EE', data=True, run="):
        mljec.era("2022EE", run=361000, directory=root)


def test_events_outside_every_tag_are_refused(root: Path) -> None:
    payload = mljec.era("2022EE", data=True, directory=root).payload()
    with pytest.raises(
        PayloadError, match=r"runs 359022 to 360331, 360332 to 362349, 362350 to 362760, and the events "
    ):
        payload.evaluate(jets([361000, 356000]))
    with pytest.raises(PayloadError, match="no era that is known has run 5"):
        payload.evaluate(jets(5))


def test_the_newer_layout_and_a_tag_for_the_whole_era(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dated = tmp_path / "JME" / "Run3-22EFGSep23-Summer22EE-NanoAODv12" / "2026-06-05"
    tags = {f"{EE}_V4_MC": 1.1, f"{EE}_V4_DATA": 1.5, f"{EE}_RunE_V4_DATA": 2.0}
    jerc(dated / "jet_jerc.json.gz", "AK4PFPuppi", tags, [f"{EE}_JRV2_MC"])
    (dated.parent / "latest").symlink_to(dated)
    monkeypatch.setenv("MLJEC_JSONPOG", str(tmp_path))
    era = mljec.era("Run3-22EFGSep23-Summer22EE-NanoAODv12", data=True)
    assert (era.folder, era.tags) == (dated, (f"{EE}_V4_DATA",))
    factor, _ = era.payload().evaluate(jets([359022, 362760]))
    np.testing.assert_allclose(factor, 1.5 * (1 + 1 / 75), rtol=1e-12)
    with pytest.raises(PayloadError, match="is for runs 359022 to 362760, and the events are of runs 370000"):
        era.payload().evaluate(jets(370000))


def test_the_residual_of_2024_is_frozen_below_30_gev(tmp_path: Path) -> None:
    path = tmp_path / "POG" / "JME" / "2024_Summer24" / "jet_jerc.json.gz"
    jerc(
        path,
        "AK4PFPuppi",
        {"Summer24Prompt24_V5_MC": 1.0, "Summer24Prompt24_V5_DATA": 1.0},
        ["Summer24Prompt24_JRV2_MC"],
    )
    payload = mljec.era("2024", data=True, directory=tmp_path).payload()
    columns = jets(np.full(6, 380000), [15, 29, 31, 15, 15, 15]) | {"eta": np.array([2.2, -2.2, 2.2, 1.9, 2.6, -2.4])}
    at = np.array([30.001, 30.001, 31, 15, 15, 30.001])
    np.testing.assert_allclose(payload.evaluate(columns)[0], 1 + 1 / at, rtol=1e-12)
    assert pickle.loads(pickle.dumps(payload)).levels == payload.levels


def test_an_earlier_campaign_of_resolutions_will_do(tmp_path: Path) -> None:
    path = tmp_path / "POG" / "JME" / "2024_Summer24" / "jet_jerc.json.gz"
    jerc(path, "AK4PFPuppi", {"Summer24Prompt24_V2_MC": 1.0}, ["Summer23BPixPrompt23_RunD_JRV1_MC"])
    assert mljec.era("2024", directory=tmp_path).jer_tag == "Summer23BPixPrompt23_RunD_JRV1_MC"


def test_unknown_eras_and_directories_say_what_there_is(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no era '2022E'\. Did you mean '2022EE'\? Eras: 2016preVFP_UL, "):
        mljec.era("2022E")
    with pytest.raises(InputError, match="no era 2022"):
        mljec.era(2022)  # type: ignore[arg-type]
    with pytest.raises(
        PayloadError,
        match=r"no payloads of 2018_UL: looked for .*/POG/JME/2018_UL/jet_jerc\.json\.gz or .*; of eras, it has: "
        r"2022_Summer22EE\. Say where CMS's JSON repository is",
    ):
        mljec.era("2018", directory=root)
    with pytest.raises(PayloadError, match="it has no era that is known"):
        mljec.era("2018", directory=tmp_path)
    with pytest.raises(PayloadError, match=r"2022_Summer22EE has no fatJet_jerc\.json\.gz; it has: jet_jerc\.json\.gz"):
        mljec.era("2022EE", directory=root).standard("FatJet")
    with pytest.raises(InputError, match="eras have payloads for Jet and FatJet, got the collection 'CorrT1METJet'"):
        mljec.era("2022EE", directory=root).standard("CorrT1METJet")
    other = tmp_path / "POG" / "JME" / "2022_Summer22" / "jet_jerc.json.gz"
    jerc(other, "AK4PFPuppi", {f"{EE}_V3_MC": 1.0}, [])
    with pytest.raises(
        PayloadError, match=f"no correction of 2022_Summer22 for simulation .*the file has: {EE}_V3_MC AK4PFPuppi"
    ):
        mljec.era("2022", directory=tmp_path)
    jerc(other, "AK4PFPuppi", {"Summer22_22Sep2023_V3_MC": 1.0}, [f"{EE}_JRV1_MC"])
    with pytest.raises(PayloadError, match="no resolution of 2022_Summer22 for AK4PFPuppi: looked for Summer22_22Sep"):
        mljec.era("2022", directory=tmp_path).standard()


@pytest.mark.skipif(any(Path(place).is_dir() for place in CVMFS), reason="cvmfs is here")
def test_without_a_directory_cvmfs_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLJEC_JSONPOG", raising=False)
    with pytest.raises(
        PayloadError,
        match=r"looked for /cvmfs/cms-griddata.*/JME/Run2-2018-UL-NanoAODv9/latest/jet_jerc\.json\.gz or "
        r"/cvmfs/cms\.cern\.ch.*/POG/JME/2018_UL/jet_jerc\.json\.gz",
    ):
        mljec.era("2018")


def test_the_table_is_consistent() -> None:
    keys = [key for one in CAMPAIGNS for key in (one.name, one.metadata, *one.aliases)]
    assert len(keys) == len(set(keys))
    for one in CAMPAIGNS:
        assert one.runs
        assert one.run3 == (one.year >= 2022)
    ends = sorted(run for periods in PERIODS.values() for runs in periods.values() for pair in runs for run in pair)
    assert 270000 < ends[0] < ends[-1] < 373000
    assert newest(["A_V2_MC_L2Relative_X"], ["A"], r"_V(?P<version>\d+)_MC(?P<end>_L2Relative_X)") == {"": "A_V2_MC"}


TAGS = [
    ("2022", False, ["Summer22_22Sep2023_V3_MC"], "Summer22_22Sep2023_JRV1_MC"),
    ("2022", True, ["Summer22_22Sep2023_RunCD_V3_DATA"], "Summer22_22Sep2023_JRV1_MC"),
    ("2023BPix", True, ["Summer23BPixPrompt23_V3_DATA"], "Summer23BPixPrompt23_RunD_JRV1_MC"),
    ("2017", True, [f"Summer19UL17_Run{run}_V5_DATA" for run in "BCDEF"], "Summer19UL17_JRV2_MC"),
]


@pytest.mark.parametrize(("name", "data", "tags", "jer"), TAGS)
def test_tags_of_cms(cms: Path, name: str, data: bool, tags: list[str], jer: str) -> None:
    era = mljec.era(name, data=data, directory=cms)
    assert (list(era.tags), era.jer_tag) == (tags, jer)


def test_2017_by_run_is_correctionlib_of_each_period(cms: Path) -> None:
    payload = mljec.era("2017", data=True, directory=cms).payload()
    runs = {"B": 297050, "C": 300000, "D": 302100, "E": 304000, "F": 306000}
    columns = {name: np.repeat(column, 5) for name, column in jets(0, 60.0).items()} | {
        "run": np.array([*runs.values()])
    }
    factor, valid = payload.evaluate(columns)
    assert valid.all()
    content = library_file(cms / "POG" / "JME" / "2017_UL" / "jet_jerc.json.gz")
    theirs = [
        content.compound[f"Summer19UL17_Run{run}_V5_DATA_L1L2L3Res_AK4PFchs"].evaluate(0.5, 2.2, 60.0, 20.0)
        for run in runs
    ]
    np.testing.assert_allclose(factor, theirs, rtol=1e-12)
    assert len(set(theirs)) == 5


def test_data_of_another_period_are_refused(cms: Path, real_data: Path, open_nano: Any) -> None:
    events = open_nano(real_data / "nano" / "nanoaod_v13_egamma2022e_data.root")
    standard = mljec.era("2022", data=True, directory=cms).standard()
    with pytest.raises(
        PayloadError,
        match=r"is for runs 355794 to 359021, and the events are of runs 359571: .* of the era 2022_Summer22EE",
    ):
        standard.apply(events)


def test_the_standard_path_of_simulation(cms: Path, real_data: Path, open_nano: Any) -> None:
    events = open_nano(real_data / "nano" / "nanoaod_v15_tt_mc.root")
    jets = mljec.era("2023BPix", directory=cms).standard(smearing=False).apply(events)
    ratio = np.abs(ak.to_numpy(ak.flatten(jets.pt / jets.pt_orig)) - 1)
    assert (ratio < 2e-3).mean() > 0.88  # 90 % by the notes on these files
    assert "JES_Regrouped_Absolute_2023BPix" in jets.fields
