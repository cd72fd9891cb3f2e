"""Reading jets: files, productions, providers, the cache; the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import coffea_mljec as mljec
from coffea_mljec.errors import InputError
from coffea_mljec.nano.opening import open_nano
from coffea_mljec.payloads import level_files
from tests.training.simulate.fakes import random_batch
from training.derive import jets as jets_module
from training.derive.jets import files_of, read_jets
from training.derive.provider import corrected_jets, digest_of, open_provider, slug, tag_of
from training.derive.workflow import derive_from_files
from training.simulate.nanoaod import algorithm_of, write
from training.simulate.tables import JetSelection, assemble

DATA = Path(mljec.__file__).parent / "data"
EVENTS = DATA / "mljec_sample.root"
JEC = DATA / "jec"


def test_jets_of_the_bundled_sample() -> None:
    jets = read_jets([EVENTS])
    assert len(jets) > 5_000
    assert np.all(jets["pt_raw"] > 0)
    assert np.all(jets["pt_gen"] > 0)
    assert set(np.unique(jets["flavour"])) <= {0, 1, 2, 3, 4, 5, 21}
    assert len(jets.event_rho) == len(jets.event_n_pu) == 2_000
    assert "pt" not in jets.columns


@pytest.mark.parametrize("text", ["pfn-r-lite", str(JEC)])
def test_a_providers_jets_are_those_of_apply(text: str, tmp_path: Path) -> None:
    provider = open_provider(text, "AK4PFchs")
    jets = read_jets([EVENTS], provider, tmp_path)
    with open_nano(EVENTS) as file:
        corrected = provider.apply(file.events())
    whole = ak.to_numpy(ak.flatten(corrected.pt)).astype(np.float64)
    rows = np.flatnonzero(np.arange(len(whole)) % 7 < 3)
    pt, status = corrected_jets(EVENTS, provider, rows)
    assert pt == pytest.approx(whole[rows], rel=1e-6)
    assert np.array_equal(status, ak.to_numpy(ak.flatten(corrected.mljec_status))[rows])
    # Jets beside each other in other batches: a network's last digit may differ.
    assert np.isin(jets["pt"], whole).mean() > 0.99
    assert len(jets) + jets.uncorrected == len(read_jets([EVENTS]))
    again = read_jets([EVENTS], provider, tmp_path)
    assert all(np.array_equal(again[name], jets[name]) for name in jets.columns)
    assert again.uncorrected == jets.uncorrected


def test_jets_say_their_algorithm(tmp_path: Path) -> None:
    for kind in ("chs", "puppi"):
        made = assemble(random_batch(5, 12), JetSelection(jets=kind, ak8=False), 1, 0, 1)
        write(tmp_path / f"{kind}.root", made)
    chs, puppi = (tmp_path / f"{kind}.root" for kind in ("chs", "puppi"))
    assert [read_jets([path]).algorithm for path in (chs, puppi)] == ["AK4PFchs", "AK4PFPuppi"]
    assert [algorithm_of(path) for path in (chs, puppi)] == ["AK4PFchs", "AK4PFPuppi"]
    again = read_jets([puppi], cache=tmp_path / "cache")
    assert read_jets([puppi], cache=tmp_path / "cache").algorithm == again.algorithm == "AK4PFPuppi"
    with pytest.raises(InputError, match="some of these files hold CHS jets and others PUPPI jets"):
        read_jets([chs, puppi])
    with pytest.raises(InputError, match="cannot be read"):
        algorithm_of(tmp_path / "nothing.root")


def test_a_folder_of_two_algorithms_needs_one_to_be_named(tmp_path: Path) -> None:
    for path in level_files(JEC, "AK4PFchs"):
        shutil.copy(path, tmp_path)
        shutil.copy(path, tmp_path / path.name.replace("AK4PFchs", "AK4PFPuppi"))
    with pytest.raises(InputError, match="has corrections for AK4PFPuppi and AK4PFchs jets: say which algorithm"):
        open_provider(str(tmp_path))
    chosen = open_provider(str(tmp_path), "AK4PFPuppi")
    assert chosen.algorithm == "AK4PFPuppi"


def test_the_cache_spares_reading_and_mends_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_jets([EVENTS], None, tmp_path)
    (entry,) = tmp_path.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(jets_module, "_read", None)
        assert np.array_equal(read_jets([EVENTS], None, tmp_path)["pt_raw"], first["pt_raw"])
    entry.write_bytes(entry.read_bytes()[:1000])
    assert np.array_equal(read_jets([EVENTS], None, tmp_path)["pt_raw"], first["pt_raw"])


def test_names_and_digests() -> None:
    network, standard = open_provider("pfn-r-lite"), open_provider(str(JEC), "AK4PFchs")
    assert slug(network) == "pfn-r-lite"
    network = mljec.MLJEC("pfn-r-lite", name="my net_2.0")
    assert slug(network) == "my-net-2-0"
    assert (tag_of(network), tag_of(None)) == ("MLJECSim-my-net-2-0_V1_MC", "MLJECSim_V1_MC")
    assert len({digest_of(network), digest_of(standard)}) == 2
    assert digest_of(standard) == digest_of(open_provider(str(JEC), "AK4PFchs"))


def test_files_of_a_production(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no ROOT file at .*: give files of"):
        files_of([tmp_path])
    for name in ("00001_qcd.root", "00000_qcd.root"):
        shutil.copy(EVENTS, tmp_path / name)
    assert [path.name for path in files_of([tmp_path])] == ["00000_qcd.root", "00001_qcd.root"]
    with pytest.raises(InputError, match="is named twice"):
        files_of([tmp_path, tmp_path / "00000_qcd.root"])
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"format": 1, "shards": {"00001_qcd.root": {}}}))
    assert [path.name for path in files_of([tmp_path])] == ["00001_qcd.root"]
    manifest.write_text(json.dumps({"format": 1, "shards": {}}))
    with pytest.raises(InputError, match="is empty so far: its manifest lists no file"):
        files_of([tmp_path])
    manifest.write_text("{")
    with pytest.raises(InputError, match="is no manifest of a production"):
        files_of([tmp_path])
    with pytest.raises(InputError, match="no ROOT file at"):
        files_of([tmp_path / "absent.root"])


def test_bad_files(tmp_path: Path) -> None:
    broken = tmp_path / "broken.root"
    broken.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be used to derive a correction"):
        read_jets([broken])
    foreign = tmp_path / "foreign.root"
    with uproot.recreate(foreign) as file:
        file["Events"] = {"event": np.arange(3), "genWeight": np.ones(3)}
    with pytest.raises(
        InputError, match=r"it has no branch Jet_pt, .*MLJEC_process, fixedGridRhoFastjetAll; give files of"
    ):
        read_jets([foreign])


def test_bad_providers_and_samples(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no provider 'nonsense': give 'standard', a bundled model \(.*pfn-r-lite"):
        derive_from_files([EVENTS], tmp_path, None, "AK4PFchs", provider="nonsense")
    with pytest.raises(InputError, match="is among the files to derive from and those to measure the closure on"):
        derive_from_files([EVENTS], tmp_path, None, "AK4PFchs", [EVENTS])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        read_jets([EVENTS], None, tmp_path / "file" / "cache")
    with pytest.raises(InputError, match="expected a network or a factorized correction"):
        digest_of(mljec.NanoRegression("PNet"))
