"""``mljec eras``, and what ``mljec inspect`` says of eras."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

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
    path = root / "POG" / "JME" / "2022_Summer22EE" / "jet_jerc.json.gz"
    assert found["command"] == f"--jec-json {path} --tag Summer22EE_22Sep2023_V3_MC --algo AK4PFPuppi"
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
    assert "--tag Summer22EE_22Sep2023_V3_MC --algo AK4PFPuppi" in printed
    tables = two_jets(simulation=False, regression=True)
    tables.events["run"][:] = 360400
    (era,) = json.loads(mljec("inspect", write(tables, tmp_path / "data.root"), "--json")[1])["eras"]
    assert era["python"] == "mljec.era('2022_Summer22EE', data=True)"
    assert "RunF_V3_DATA" in era["command"]
    tables.events["run"][:] = 356000
    (era,) = json.loads(mljec("inspect", write(tables, tmp_path / "early.root"), "--json")[1])["eras"]
    assert (era["era"], era["command"]) == ("2022_Summer22", None)
    assert "no payloads of it here (mljec eras 2022_Summer22 says" in " ".join(
        mljec("inspect", tmp_path / "early.root")[1].split()
    )
