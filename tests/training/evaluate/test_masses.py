"""Large jets judged by energy and mass, by the standard path and a bundled network."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coffea_mljec.errors import InputError
from training import defaults
from training.__main__ import app
from training.evaluate.masses import judge_masses, with_soft_drop
from training.evaluate.providers import STANDARD, open_providers

SAMPLE = defaults.JEC.with_name("mljec_large_jets.root")


def test_the_standard_path_has_its_soft_drop_correction() -> None:
    plain = open_providers([], defaults.JEC_AK8, defaults.LARGE)
    names = {"before": plain[STANDARD]} | with_soft_drop(plain, defaults.JEC_AK8)
    summary = judge_masses([SAMPLE], names, replicas=3, progress=False)
    where = {
        name: next(p for p in summary.peaks if (p.provider, p.kind, p.origin) == (name, "soft drop", "W"))
        for name in names
    }
    assert where["before"].location.value < 0.97 < where[STANDARD].location.value < 1.06
    energies = [s.median.value for s in summary.scales if s.quantity == "energy" and s.median.value is not None]
    assert all(0.95 < value < 1.05 for value in energies)


def test_the_command(tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        app,
        ["evaluate-masses", str(SAMPLE), "-o", str(tmp_path / "report"), "--models", "ak8-bdt", "--replicas", "3",
         "--quiet"],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    table = (tmp_path / "report" / "table.md").read_text()
    assert "| soft drop | W | standard |" in table
    numbers = json.loads((tmp_path / "report" / "numbers.json").read_text())
    assert numbers["mass"]["providers"] == [STANDARD, "ak8-bdt"]
    assert (tmp_path / "report" / "plots" / "mass_soft_drop.png").is_file()


def test_jets_of_the_usual_radius(tmp_path: Path) -> None:
    sample, folder = SAMPLE.with_name("mljec_sample.root"), tmp_path / "report"
    given = ["--collection", "Jet", "--models", "jet-bdt", "--replicas", "3", "--quiet"]
    ran = CliRunner().invoke(app, ["evaluate-masses", str(sample), "-o", str(folder), *given])
    assert ran.exit_code == 0, ran.output
    assert "|  | 50-100 | standard |" in (folder / "table.md").read_text()
    scales = json.loads((folder / "numbers.json").read_text())["mass"]["scales"]
    energies = [one for one in scales if one["quantity"] == "energy" and one["median"]["value"] is not None]
    assert {one["provider"] for one in energies} == {STANDARD, "jet-bdt"}
    assert all(0.8 < one[where]["value"] < 1.2 for one in energies for where in ("median", "mode"))


def test_a_folder_without_the_correction(tmp_path: Path) -> None:
    for path in defaults.JEC_AK8.glob("*L2Relative*"):
        shutil.copy(path, tmp_path)
    with pytest.raises(InputError, match="has 0 corrections of the soft-drop mass"):
        with_soft_drop({}, tmp_path)
