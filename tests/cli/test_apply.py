"""``mljec apply``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import uproot

from tests.factories import two_jets, write


def columns(path, *names):
    with uproot.open(path) as file:
        return [np.concatenate(file["Events"][f"Jet_{name}"].array().tolist()) for name in names]


@pytest.mark.parametrize("as_folder", [False, True])
def test_the_standard_path_from_text(mljec, nano, jec_text, tmp_path, as_folder):
    if as_folder:
        (tmp_path / "jec").mkdir()
        jec_text = jec_text.rename(tmp_path / "jec" / jec_text.name).parent
    status, printed, said = mljec("apply", nano, "-o", tmp_path / "friends", "--jec", jec_text)
    assert (status, said.strip()) == (0, "")
    assert "120" in printed
    assert "applied: 120" in printed
    pt, raw, orig = columns(tmp_path / "friends" / "nano_mljec.root", "pt", "pt_raw", "pt_orig")
    np.testing.assert_allclose(pt, 1.25 * raw, rtol=1e-6)
    np.testing.assert_allclose(raw, 0.8 * orig, rtol=1e-6)


def test_a_folder_without_payloads(mljec, nano, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, said = mljec("apply", nano, "-o", tmp_path / "friends", "--jec", tmp_path / "empty")
    assert status == 2
    assert "no text payloads in" in said


def test_a_model_folder_with_the_standard_path_as_its_fallback(mljec, nano, jec_text, model_folder, tmp_path):
    status, printed, _ = mljec("apply", nano, "-o", tmp_path / "friends", "--model", model_folder, "--jec", jec_text)
    assert status == 0
    assert "fallback + out_of_domain" in printed
    pt, raw = columns(tmp_path / "friends" / "nano_mljec.root", "pt", "pt_raw")
    np.testing.assert_allclose(pt, np.where(raw >= 80, np.exp(0.5), 1.25) * raw, rtol=1e-6)
    assert np.any(raw < 80)
    assert np.any(raw >= 80)
    with uproot.open(tmp_path / "friends" / "nano_mljec.root") as file:
        written_by = json.loads(file["mljec"])
    card = json.loads((model_folder / "card.json").read_text())
    assert (written_by["provider"], written_by["digest"]) == ("toy", card["sha256"])


@pytest.mark.parametrize("kind", ["futures", "dask"])
def test_processes_write_what_one_process_writes(mljec, jec_text, tmp_path, kind):
    if kind == "dask":
        pytest.importorskip("distributed")
        pytest.importorskip("cryptography")
    inputs = [write(two_jets(n_events=10 * n), tmp_path / f"nano_{n}.root") for n in (1, 2)]
    options = ("--jec", jec_text, "--chunk-size", 7)
    assert mljec("apply", *inputs, "-o", tmp_path / "one", *options)[0] == 0
    status, printed, said = mljec(
        "apply", *inputs, "-o", tmp_path / "two", *options, "--executor", kind, "--workers", 2
    )
    assert status == 0, said
    assert "applied: 40" in printed
    for number in (1, 2):
        name = f"nano_{number}_mljec.root"
        with uproot.open(tmp_path / "one" / name) as one, uproot.open(tmp_path / "two" / name) as two:
            assert one["Events"].keys() == two["Events"].keys()
            for branch in list(one["Events"].keys()):
                assert one["Events"][branch].array().tolist() == two["Events"][branch].array().tolist()


def test_existing_friends_are_refused_kept_or_overwritten(mljec, nano, jec_text, tmp_path):
    friends = tmp_path / "friends"
    friends.mkdir()
    (friends / "nano_mljec.root").write_text("mine")
    other = write(two_jets(n_events=3), tmp_path / "other.root")
    command = ("apply", nano, other, "-o", friends, "--jec", jec_text)

    status, _, said = mljec(*command)
    assert status == 2
    assert "nano_mljec.root exist already; give --force" in said
    assert not (friends / "other_mljec.root").exists()

    status, _, said = mljec(*command, "--resume")
    assert status == 2
    assert "nano_mljec.root is no friend file of ours" in said
    assert (friends / "nano_mljec.root").read_text() == "mine"

    assert mljec(*command, "--force")[0] == 0
    assert uproot.open(friends / "nano_mljec.root")["Events"].num_entries == 60
    (friends / "other_mljec.root").unlink()
    kept = (friends / "nano_mljec.root").stat().st_mtime_ns
    assert mljec(*command, "--resume")[0] == 0
    assert uproot.open(friends / "other_mljec.root")["Events"].num_entries == 3
    assert (friends / "nano_mljec.root").stat().st_mtime_ns == kept
    assert mljec(*command, "--resume")[1].strip() == "nothing to do: every friend file exists."


def test_friends_of_another_configuration_are_not_kept(mljec, nano, jec_text, model_folder, tmp_path):
    command = ("apply", nano, "-o", tmp_path / "friends")
    assert mljec(*command, "--jec", jec_text)[0] == 0
    status, _, said = mljec(*command, "--jec", jec_text, "--model", model_folder, "--resume")
    assert status == 2
    assert "was written with another configuration: provider was standard and is toy" in said
    changed = jec_text.with_name("Toy2_V1_MC_L2Relative_AK4PFchs.jec.txt")
    changed.write_text(jec_text.read_text().replace("1.25", "1.26"))
    status, _, said = mljec(*command, "--jec", changed, "--resume")
    assert status == 2
    assert "nano_mljec.root was written with another configuration: fingerprint was" in said


@pytest.mark.parametrize("executor", [(), ("--executor", "futures")], ids=["here", "futures"])
def test_a_bad_file_does_not_stop_the_others(mljec, nano, jec_text, tmp_path, executor):
    (tmp_path / "empty.root").write_bytes(b"")
    command = ("apply", tmp_path / "empty.root", nano, "-o", tmp_path / "friends", "--jec", jec_text, *executor)
    status, printed, said = mljec(*command)
    assert status == 2
    assert "empty.root cannot be read as a ROOT file" in said
    assert "Traceback" not in said
    assert "nano_mljec.root" in printed
    assert [path.name for path in (tmp_path / "friends").iterdir()] == ["nano_mljec.root"]

    status, printed, said = mljec(*command, "--skip-bad", "--force")
    assert status == 0
    assert "left out: 1 file(s), whole or in part" in said
    assert "empty.root" in said
    (skipped,) = json.loads((tmp_path / "friends" / "skipped.json").read_text())
    assert skipped["file"].endswith("empty.root")
    assert skipped["entries"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "pfn-of-mine"], "no model 'pfn-of-mine'"),
        (["--jec-json", "x.json"], "say which one with --tag and --algo"),
        (["--jec-json", "x.json", "--jec", "y.txt"], "both name a standard path"),
        (["--algo", "AK4PFchs"], "--algo chooses from a --jec-json file or a folder --jec"),
        (["--jec", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_options_that_make_no_correction(mljec, nano, tmp_path, options, message):
    status, _, said = mljec("apply", nano, "-o", tmp_path / "friends", *options)
    assert status == 2
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "friends").exists()


def test_what_is_asked_of_one_process(mljec, nano, jec_text, tmp_path):
    command = ("apply", nano, "-o", tmp_path, "--jec", jec_text, "--executor", "iterative", "--workers", 2)
    assert "--executor iterative is one process, and --workers is 2" in mljec(*command)[2]


def test_the_output_is_no_folder(mljec, nano, jec_text, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot make the folder" in mljec("apply", nano, "-o", tmp_path / "file", "--jec", jec_text)[2]


def test_a_collection_that_is_not_there(mljec, nano, jec_text, tmp_path):
    status, _, said = mljec("apply", nano, "-o", tmp_path, "--jec", jec_text, "--collection", "FatJet")
    assert status == 2
    assert "no collection 'FatJet'" in said


REAL = {
    "pfnano_ul17_mc": ("2017_UL", "Summer19UL17_V5_MC", "AK4PFchs", 10, 64),
    "pfnano_ul18_partial_mc": ("2017_UL", "Summer19UL17_V5_MC", "AK4PFchs", 100, 808),
    "nanoaod_v12_tt_mc": ("2022_Summer22", "Summer22_22Sep2023_V3_MC", "AK4PFPuppi", 200, 1504),
    "nanoaod_v13_egamma2022e_data": ("2022_Summer22", "Summer22_22Sep2023_RunCD_V3_DATA", "AK4PFPuppi", 100, 325),
    "nanoaod_v15_tt_mc": ("2023_Summer23BPix", "Summer23BPixPrompt23_V3_MC", "AK4PFPuppi", 200, 1636),
}


@pytest.mark.filterwarnings("ignore:Summer22_22Sep2023_RunCD")  # the payload of the period before is at hand
@pytest.mark.parametrize("name", REAL)
def test_real_files(mljec, real_data, open_nano, tmp_path, name):
    payload, tag, algorithm, events, jets = REAL[name]
    json_file = real_data / "jec" / f"{payload}_jet_jerc.json.gz"
    source = real_data / "nano" / f"{name}.root"
    command = ("apply", source, "-o", tmp_path, "--jec-json", json_file, "--tag", tag, "--algo", algorithm)
    status, printed, said = mljec(*command)
    assert status == 0, said
    assert f"applied: {jets}" in printed
    with uproot.open(source) as file, uproot.open(tmp_path / f"{name}_mljec.root") as friend:
        for branch in ("run", "luminosityBlock", "event", "nJet"):
            assert friend["Events"][branch].array().tolist() == file["Events"][branch].array().tolist()
        eta = (friend["Events"]["Jet_eta"].array(), file["Events"]["Jet_eta"].array())
        assert eta[0].tolist() == eta[1].tolist()
    corrected = open_nano(tmp_path / f"{name}_mljec.root")
    assert len(corrected) == events
    assert np.all(np.isfinite(np.concatenate(corrected.Jet.pt.tolist())))


def test_the_stored_regression(mljec, tmp_path, model_folder):
    nano = write(two_jets(regression=True), tmp_path / "nano.root")
    status, printed, said = mljec("apply", nano, "-o", tmp_path / "f", "--regression", "PNet+neutrino")
    assert status == 0, said
    assert "applied: 120" in printed
    command = ("apply", nano, "-o", tmp_path / "g", "--regression", "PNet", "--model", model_folder)
    assert "--model and --regression both correct" in mljec(*command)[2]


@pytest.mark.filterwarnings("always::coffea_mljec.MissingBranchWarning")
def test_without_a_model_the_first_file_chooses_the_network(mljec, model_folder, nano, tmp_path, monkeypatch):
    """For all files: one that could feed a better one gets it too, one that cannot feed it is refused."""
    from coffea_mljec import defaults
    from tests.models import toy

    monkeypatch.setattr(defaults, "NETWORKS", (str(toy.write(tmp_path / "rich", name="rich")), str(model_folder)))
    folder, poor = tmp_path / "friends", write(two_jets().without("Jet_area"), tmp_path / "poor.root")
    status, _, said = mljec("apply", nano, poor, "-o", folder)
    assert status == 0, said
    assert "MLJEC() takes 'toy' for Jet: 'rich' needs charged constituents of Jet, " in said
    assert f"note: network 'toy', the best that the first file can feed: {nano}" in said
    for name in ("nano", "poor"):
        with uproot.open(folder / f"{name}_mljec.root") as file:
            assert json.loads(file["mljec"])["provider"] == "toy"
    assert "nothing to do" in mljec("apply", nano, poor, "-o", folder, "--resume")[1]
    lacking = write(two_jets().without("Jet_eta"), tmp_path / "lacking.root")
    status, _, said = mljec("apply", nano, lacking, "-o", tmp_path / "others")
    assert status == 2
    assert f"'toy' was chosen by the first file, {nano}, and all files get the same" in said
    status, _, said = mljec("apply", lacking, nano, "-o", tmp_path / "others")
    assert status == 2
    assert (
        f"{lacking}: no bundled network can be fed by the Jet of this file. What lacks least: feature jet.eta" in said
    )
