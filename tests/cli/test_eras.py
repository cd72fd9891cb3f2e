"""``mljec eras``, and what ``mljec inspect`` says of eras."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import coffea_mljec as package
from coffea_mljec.nano import open_nano
from tests.eras.repository import era_2022ee
from tests.factories import two_jets, write


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return era_2022ee(tmp_path_factory.mktemp("jsonpog"))


def test_the_list(mljec, root):
    status, printed, _ = mljec("eras", "--directory", root)
    assert status == 0
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= 80
    rows = {line.split()[0]: line for line in printed.splitlines()}
    assert rows["2022_Summer22EE"].split()[1:3] == ["2022EE", "AK4PFPuppi"]
    assert rows["2022_Summer22EE"].split()[-4:] == ["359022", "to", "362760", "yes"]
    assert rows["2018_UL"].split()[-1] == "no"
    status, printed, _ = mljec("eras", "--json")
    assert {"2018_UL", "2024_Summer24"} <= {row["era"] for row in json.loads(printed)}


def test_one_era(mljec, root):
    status, printed, said = mljec("eras", "2022EE", "--directory", root, "--json")
    assert status == 0, said
    found = json.loads(printed)
    assert found["data"]["Summer22EE_22Sep2023_RunE_V3_DATA"] == "359022 to 360331"
    assert found["command"] == f"--era 2022_Summer22EE --era-directory {root}"
    status, printed, _ = mljec("eras", "2022EE", "--directory", root)
    assert 'mljec.era("2022_Summer22EE"), with data=True' in " ".join(printed.split())
    status, _, said = mljec("eras", "2022E")
    assert (status, "Did you mean '2022EE'?" in said) == (2, True)


def test_inspect_names_the_era_and_its_command_line(mljec, root, tmp_path, monkeypatch):
    monkeypatch.setenv("MLJEC_JSONPOG", str(root))
    nano = write(two_jets(regression=True), tmp_path / "nano.root")
    assert json.loads(mljec("inspect", nano, "--json")[1])["eras"] == []
    named = tmp_path / "Run3Summer22EENanoAODv12" / "nano.root"
    named.parent.mkdir()
    shutil.copy(nano, named)
    (era,) = json.loads(mljec("inspect", named, "--json")[1])["eras"]
    assert (era["era"], era["python"]) == ("2022_Summer22EE", "mljec.era('2022_Summer22EE')")
    printed = " ".join(mljec("inspect", named)[1].split())
    assert "mljec.era('2022_Summer22EE'); --era 2022_Summer22EE" in printed
    tables = two_jets(simulation=False, regression=True)
    tables.events["run"][:] = 360400
    (era,) = json.loads(mljec("inspect", write(tables, tmp_path / "data.root"), "--json")[1])["eras"]
    assert era["python"] == "mljec.era('2022_Summer22EE', data=True)"
    assert era["command"] == "--era 2022_Summer22EE"
    tables.events["run"][:] = 356000
    (era,) = json.loads(mljec("inspect", write(tables, tmp_path / "early.root"), "--json")[1])["eras"]
    assert (era["era"], era["command"]) == ("2022_Summer22", None)
    assert "no payloads of it here (mljec eras 2022_Summer22 says" in " ".join(
        mljec("inspect", tmp_path / "early.root")[1].split()
    )


def by_python(file: Path, provider: package.Provider) -> ak.Array:
    with open_nano(file) as nano:
        return provider.apply(nano.events())


def same(one: ak.Array, other: ak.Array) -> None:
    np.testing.assert_allclose(*(ak.to_numpy(ak.flatten(array)) for array in (one, other)), rtol=1e-6)


@pytest.mark.parametrize("directory", [True, False])
def test_apply_takes_all_of_an_era_by_its_name(mljec, root, tmp_path, monkeypatch, directory):
    where = ("--era-directory", root) if directory else ()
    if not directory:
        monkeypatch.setenv("MLJEC_JSONPOG", str(root))
    nano = write(two_jets(regression=True), tmp_path / "nano.root")
    command = ("apply", nano, "-o", tmp_path / "f", "--era", "2022EE", *where)
    status, _, said = mljec(*command, "--variations")
    assert status == 0, said
    jets = by_python(nano, package.era("2022EE", directory=root).standard())
    with uproot.open(tmp_path / "f" / "nano_mljec.root") as file:
        columns = file["Events"].arrays(filter_name="Jet_*")
    same(columns["Jet_pt"], jets.pt)
    same(columns["Jet_pt_jerUp"], jets.JER.up.pt)
    same(columns["Jet_mass_jesHFDown"], jets.JES_Regrouped_HF.down.mass)
    status, _, said = mljec(*command, "--sources", "total", "--no-smearing", "--variations", "--force")
    assert status == 0, said
    with uproot.open(tmp_path / "f" / "nano_mljec.root") as file:
        columns = file["Events"].arrays(filter_name="Jet_*")
    varied = {name for name in columns.fields if name.endswith("Up")}
    assert varied == {f"Jet_{name}_jesTotalUp" for name in ("pt", "mass")}
    same(columns["Jet_pt"], by_python(nano, package.era("2022EE", directory=root).standard(smearing=False)).pt)


def test_an_era_on_data_takes_the_tag_of_each_run(mljec, root, tmp_path):
    tables = two_jets(simulation=False, regression=True)
    tables.events["run"][:30], tables.events["run"][30:] = 360400, 362000
    nano = write(tables, tmp_path / "data.root")
    command = ("apply", nano, "-o", tmp_path / "f", "--era", "2022EE", "--era-directory", root, "--variations")
    status, _, said = mljec(*command)
    assert status == 0, said
    with uproot.open(tmp_path / "f" / "data_mljec.root") as file:
        names = file["Events"].keys()
        found = file["Events/Jet_pt"].array()
    assert not [name for name in names if name.endswith("Up")]
    same(found, by_python(nano, package.era("2022EE", data=True, directory=root).standard()).pt)
    assert ak.all(found[:30, 0] != found[30:, 0])
    tables.events["run"][:] = 356000
    status, _, said = mljec("apply", write(tables, tmp_path / "early.root"), *command[2:])
    assert (status, "run 356000 is of the era 2022_Summer22" in said) == (2, True)


@pytest.mark.filterwarnings("ignore::coffea_mljec.MismatchWarning")
def test_validate_and_regressions_by_era(mljec, root, model_folder, tmp_path):
    nano = write(two_jets(regression=True), tmp_path / "nano.root")
    path = ("--era", "2022EE", "--era-directory", root)
    command = ("validate", nano, "-o", tmp_path / "v", *path, "--no-plots", "--replicas", 0)
    status, _, said = mljec(*command, "--regression", "PNet", "--model", model_folder)
    assert status == 0, said
    numbers = json.loads((tmp_path / "v" / "numbers.json").read_text())
    assert (numbers["standard"], numbers["providers"]) == ("standard", ["as stored", "standard", "toy", "PNet"])
    # What was derived for the standard path's jets is not taken for others, unless that is said.
    command = ("apply", nano, "-o", tmp_path / "f", *path, "--model", model_folder)
    status, _, said = mljec(*command)
    assert status == 0, said
    status, _, said = mljec(*command, "--variations", "--force")
    assert (status, "allow them for these jets with --standard-jets" in said) == (2, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--era", "2022E"], "Did you mean '2022EE'?"),
        (["--era", "2018"], "no payloads of 2018_UL"),
        (["--era", "2022EE", "--tag", "T", "--algo", "A"], "leave out --tag, --algo"),
        (["--era", "2022EE", "--collection", "CorrT1METJet"], "eras have payloads for Jet and FatJet"),
        ([], "--era-directory says where the payloads of --era are, and none is given"),
    ],
)
def test_eras_that_are_refused(mljec, root, nano, tmp_path, options, message):
    status, _, said = mljec("apply", nano, "-o", tmp_path / "f", "--era-directory", root, *options)
    assert (status, message in said, (tmp_path / "f").exists()) == (2, True, False), said
    assert "Traceback" not in said
