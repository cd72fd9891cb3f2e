"""The command on the bundled sample, and what the report says about constants, manifests and missing files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet, compute
from coffea_mljec.nano import flatten
from coffea_mljec.payloads import read_text
from tests.training.simulate.fakes import random_batch
from training import defaults
from training.realism import features
from training.realism.constants import adjusted_constants, commented_constants
from training.realism.features import find_reference, input_features
from training.realism.jets import read_simulated_jets
from training.realism.productions import differences, finished, summary, table
from training.realism.workflow import report_realism
from training.simulate.detector import DETECTOR
from training.simulate.nanoaod import write
from training.simulate.tables import JetSelection, assemble


def test_the_bundled_sample_is_read_as_nanoevents_have_it(sample: Path, sample_jec: list[Path], open_nano) -> None:
    payload = read_text(sample_jec)
    jets = read_simulated_jets([sample], payload)
    events = open_nano(sample, mode="eager")
    assert jets.events == len(events)
    # The plain way: loops over events, nearest generator jet first.
    shapes = compute(
        flatten(events, "Jet", jet=("eta",), constituents=dict.fromkeys(("charged", "neutral"), ("pt", "eta", "phi")),
                asker="test"),
        FeatureSet(jet=("multiplicity", "ptD", "axis2")),
    )["jet_features"]  # fmt: skip
    row, found, jet_number = 0, 0, 0
    for event in events[:6]:
        pairs = sorted(
            (math.hypot(j.eta - g.eta, (j.phi - g.phi + math.pi) % (2 * math.pi) - math.pi), a, b)
            for a, j in enumerate(event.Jet) for b, g in enumerate(event.GenJet)
        )  # fmt: skip
        partner: dict[int, int] = {}
        for distance, a, b in pairs:
            if distance < 0.2 and a not in partner and b not in partner.values():
                partner[a] = b
        for a in sorted(partner):
            jet, gen = event.Jet[a], event.GenJet[partner[a]]
            if abs(gen.eta) >= 5.0:
                continue
            raw = jet.pt * (1 - jet.rawFactor)
            columns = {"pt_raw": [raw], "eta": [jet.eta], "area": [jet.area], "rho": [event.fixedGridRhoFastjetAll]}
            factor, _ = payload.evaluate(columns)
            assert jets["response"][row] == pytest.approx(raw * factor[0] / gen.pt, rel=1e-5)
            assert jets["chHEF"][row] == pytest.approx(jet.chHEF)
            assert jets["ptD"][row] == pytest.approx(shapes[jet_number + a, 1])
            assert jets.flavour[row] == (jet.hadronFlavour or abs(jet.partonFlavour))
            row, found = row + 1, found + 1
        jet_number += len(event.Jet)
    assert found > 15


def test_two_processes_read_what_one_reads(sample: Path, sample_jec: list[Path]) -> None:
    payload = read_text(sample_jec)
    told: list[tuple[int, int]] = []
    one = read_simulated_jets([sample], payload, lambda done, of: told.append((done, of)))
    two = read_simulated_jets([sample], payload, workers=2)
    assert told == [(1, 1)]
    for name, values in one.columns.items():
        np.testing.assert_array_equal(values, two.columns[name])


@pytest.mark.slow
def test_the_command_on_the_bundled_sample(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.realism.workflow.find_reference", lambda given: None)
    output = tmp_path / "report"
    report_realism([sample], [], defaults.JEC, None, output)
    text = (output / "realism.md").read_text()
    content = json.loads((output / "realism.json").read_text())
    assert "No test sample was given" in text
    assert "Not compared: no real file here" in text
    figures = sorted(path.name for path in output.glob("*.png"))
    assert len(figures) == 11
    assert all(f"]({name})" in text for name in figures)
    assert sum(path.stat().st_size for path in output.glob("*")) < 1_500_000
    assert not list(output.glob("*.part"))
    rows = [row for part in content["parts"] for row in part["rows"]]
    rho = next(row for row in rows if row["what"] == "rho an interaction (GeV)")
    assert 0.55 < rho["measured"] < 0.75
    assert rho["verdict"] == ("pass" if 0.63 <= rho["measured"] <= 0.70 else "MISS")
    for row in rows:
        assert row["where"].replace("|", "\\|") in text
    judged = [row["verdict"] for row in rows if row["verdict"] != "shown"]
    assert f"**{judged.count('pass')} of {len(judged)} judged rows pass, {judged.count('MISS')} miss" in text
    assert f"`python -m training realism {sample} -o {output}`" in text


def test_comments_tell_which_constants_were_adjusted() -> None:
    source = """
        # Sources: card.
        radius: float = 129.0
        # Card: 1.5. Adjusted upwards,
        # until it fitted.
        stochastic: float = 1.7
        constant: float = 0.1  # with the other

        endcap: float = 0.93  # adjusted: factor
        plain: float = 1.0
    """
    assert commented_constants(source) == [
        ("radius", "Sources: card."),
        ("stochastic", "Card: 1.5. Adjusted upwards, until it fitted."),
        ("constant", "with the other; Card: 1.5. Adjusted upwards, until it fitted."),
        ("endcap", "adjusted: factor"),
        ("plain", ""),
    ]
    found = {one.name: one for one in adjusted_constants()}
    assert len(found) >= 3
    for name, one in found.items():
        assert one.value == getattr(DETECTOR, name)
    assert "radius" not in found


def test_a_manifest_is_summed_up_and_differences_are_told(tmp_path: Path) -> None:
    def folder(name: str, seed: int, pileup: list[float], **constants: float) -> Path:
        path = tmp_path / name
        path.mkdir()
        shards = {
            f"{number}.root": {"process": process, "events": 400, "seconds": 1800.0, "jets": 10}
            for number, process in enumerate(("qcd", "qcd-b", "qcd"))
        }
        settings = {"pileup_mean": pileup, "energy": 13000.0, "tune": 14, "hadron_response_scale": 1.0}
        identity = {"seed": seed, "settings": {"qcd": settings, "qcd-b": settings}}
        identity["detector"] = {k: float(v) for k, v in DETECTOR._asdict().items()} | constants
        (path / "manifest.json").write_text(json.dumps({"identity": identity, "shards": shards}))
        return path

    first, same = summary(folder("a", 1, [10.0, 70.0])), summary(folder("b", 2, [10.0, 70.0]))
    other = summary(folder("c", 3, [15.0, 15.0], radius=100.0))
    assert first["processes"] == {"qcd": 800, "qcd-b": 400}
    assert first["core_hours"] == 1.5
    assert "qcd 800, qcd-b 400" in table([first])[0]
    assert differences([first, same]) == []
    told = differences([first, other])
    assert any("pileup_mean" in warning and "[15.0, 15.0]" in warning for warning in told)
    assert any("radius 100.0 (now 129)" in warning for warning in told)
    (tmp_path / "a" / "0.root").write_bytes(b"")
    (tmp_path / "a" / "7.root").write_bytes(b"still being written")
    assert finished([tmp_path / "a"]) == [tmp_path / "a" / f"{number}.root" for number in range(3)]
    assert finished([tmp_path / "a" / "7.root"]) == [tmp_path / "a" / "7.root"]
    assert table([summary(tmp_path / "a" / "bare.root")])[0][3] == "no manifest"


def test_the_reference_is_looked_for_and_its_absence_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLJEC_REAL_DATA", str(tmp_path))
    assert find_reference(None) is None
    assert find_reference(tmp_path / "given.root") == tmp_path / "given.root"
    (tmp_path / "nano").mkdir()
    (tmp_path / "nano" / features.REFERENCE).write_bytes(b"")
    assert find_reference(None) == tmp_path / "nano" / features.REFERENCE
    part = input_features(None, [])
    assert "--reference" in part.text
    assert part.rows == []


def test_inputs_become_rows_and_a_table(real_data: Path, sample: Path) -> None:
    part = input_features(real_data / "nano" / features.REFERENCE, [sample], 400)
    whats = [row.what for row in part.rows]
    assert whats[0] == "jet features: distance beyond chance"
    assert all(np.isfinite(row.measured) and row.high == features.GROSS for row in part.rows)
    ((_, header, lines),) = part.tables
    assert {len(line) for line in lines} == {len(header)}
    assert any(line[0] == "charged.pt" for line in lines)


def test_errors_name_the_file_and_the_remedy(sample: Path, sample_jec: list[Path], tmp_path: Path) -> None:
    payload = read_text(sample_jec)
    with pytest.raises(InputError, match=r"no ROOT file at .*nothing"):
        read_simulated_jets([tmp_path / "nothing"], payload)
    with pytest.raises(InputError, match="first level is L2Relative, expected L1FastJet"):
        read_simulated_jets([sample], read_text([path for path in sample_jec if "L2Relative" in path.name]))
    (tmp_path / "cut.root").write_bytes(sample.read_bytes()[:20_000])
    with pytest.raises(InputError, match=r"cut\.root cannot be read as a ROOT file"):
        read_simulated_jets([tmp_path / "cut.root"], payload)


def test_a_foreign_sample_is_refused(real_data: Path, sample_jec: list[Path]) -> None:
    with pytest.raises(InputError, match="no simulated sample of this project: it has no branch MLJEC_process"):
        read_simulated_jets([real_data / "nano" / features.REFERENCE], read_text(sample_jec))


def test_jets_of_puppi_are_refused(sample_jec: list[Path], tmp_path: Path) -> None:
    write(tmp_path / "puppi.root", assemble(random_batch(3), JetSelection(jets="puppi", ak8=False), 1, 0, 1))
    with pytest.raises(InputError, match=r"puppi\.root holds PUPPI jets, and the targets are CMS's CHS jets of Run 2"):
        read_simulated_jets([tmp_path / "puppi.root"], read_text(sample_jec))


def test_a_folder_that_cannot_be_written_is_told(sample: Path, tmp_path: Path) -> None:
    from training.realism.report import write_report

    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot make the folder .*Give another"):
        write_report(tmp_path / "file", [], [sample], [], "command")
