"""``mljec import-weaver``, and what the other commands do with the folders that it writes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import uproot

from coffea_mljec import MLJEC, Network
from coffea_mljec.nano import open_nano
from tests.models import weaver_toy as toy
from tests.nano.conftest import generated

__all__ = ["generated"]


@pytest.fixture
def files(tmp_path):
    return toy.write(tmp_path / "toy")


@pytest.fixture
def folder(mljec, files, tmp_path):
    (graph,), preprocess = files
    status, _, said = mljec("import-weaver", graph, preprocess, "-o", tmp_path / "network")
    assert (status, said) == (0, "")
    return tmp_path / "network"


def test_both_spellings_write_the_same(mljec, files, folder, tmp_path):
    (graph,), preprocess = files
    status, printed, _ = mljec("import-weaver", graph, "--preprocess", preprocess, "-o", tmp_path / "other")
    assert status == 0
    assert (folder / "card.json").read_text() == (tmp_path / "other" / "card.json").read_text()
    lines = [line.split() for line in printed.splitlines()]
    assert ["b", "probability:b", "softmax,", "column", "0"] in lines
    assert f"AK8PFPuppi: FatJet; written to {tmp_path / 'other'}" in printed
    assert Network(folder).model == Network.from_weaver(graph, preprocess, collection="FatJet").model


def test_ensembles_and_what_is_said_of_them(mljec, tmp_path):
    content = toy.preprocess(["target"])
    content = json.loads(json.dumps(content).replace('"pfcand_charge"', '"part_charge"'))
    graphs, preprocess = toy.write(tmp_path / "toy", ["target"], softmax=False, seeds=(0, 1, 2), content=content)
    status, _, said = mljec(
        "import-weaver", *graphs, preprocess, "-o", tmp_path / "m", "--collection", "Jet", "--algorithm", "AK4PFPuppi",
        "--name", "mine", "--output", "target=mass,times_raw", "--variable", "part_charge=candidates.charge",
    )  # fmt: skip
    assert (status, said) == (0, "")
    card = Network(tmp_path / "m").card
    assert (card.name, card.algorithm, card.collections, len(card.members)) == ("mine", "AK4PFPuppi", ("Jet",), 2)
    assert [(o.name, o.quantity, o.transform) for o in card.outputs] == [("target", "mass", "times_raw")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "label_b"], "--output label_b: expected NAME=QUANTITY"),
        (["--output", "=pt"], "--output =pt: expected NAME=QUANTITY"),
        (["--variable", "x="], "--variable x=: expected NAME=COLLECTION.FEATURE"),
        (["--output", "label_b=pt", "--output", "label_b=mass"], "--output says what label_b is more than once"),
        (["--output", "label_b=momentum"], "unknown quantity 'momentum'"),
        (["--output", "nothing=pt"], "has no output 'nothing'"),
    ],
)
def test_options_that_are_wrong(mljec, files, tmp_path, options, message):
    (graph,), preprocess = files
    status, printed, said = mljec("import-weaver", graph, preprocess, "-o", tmp_path / "m", *options)
    assert (status, printed) == (2, "")
    assert message in said
    assert not (tmp_path / "m").exists()


def test_files_that_are_not_there(mljec, files, folder, tmp_path):
    (graph,), preprocess = files
    for given in ([graph], [graph, graph]):
        status, _, said = mljec("import-weaver", *given, "-o", tmp_path / "m")
        assert status == 2
        assert "needs a graph and its preprocess.json; got" in said
    assert mljec("import-weaver", "absent.onnx", preprocess, "-o", tmp_path / "m")[0] == 2
    status, _, said = mljec("import-weaver", graph, preprocess, "-o", folder)
    assert status == 2
    assert "holds a model already; give --force to replace it" in said
    assert mljec("import-weaver", graph, preprocess, "-o", folder, "--name", "new", "--force")[0] == 0
    assert Network(folder).card.name == "new"


def test_the_card_is_printed(mljec, folder):
    status, printed, _ = mljec("models", folder)
    assert status == 0
    assert json.loads(printed)["engine"] == "padded"


def test_inspect_asks_of_the_folder(mljec, folder, generated):
    status, printed, said = mljec("inspect", generated("pfnano"), "--collection", "FatJet", "--model", folder)
    assert status == 0, said
    assert "toy-0" in printed
    assert "None" not in printed
    line = next(line for line in printed.splitlines() if line.startswith("toy-0"))
    assert "yes, " in line
    assert "reading" in line
    status, printed, _ = mljec("inspect", generated("nanoaod_v15"), "--model", folder, "--json")
    assert status == 0
    jet, fat = json.loads(printed)["collections"]
    assert "is for AK8PFPuppi jets, collection FatJet; got 'Jet'" in jet["models"]["toy-0"]["why"]
    assert {one["quantity"] for one in fat["models"]["toy-0"]["missing"]} >= {"charge", "dxy", "dxy_err", "norm_chi2"}


def test_apply_writes_the_outputs_of_a_tagger(mljec, folder, generated, tmp_path):
    source = generated("pfnano")
    options = ("--model", folder, "--collection", "FatJet")
    status, printed, said = mljec("apply", source, "-o", tmp_path / "friends", *options)
    assert (status, said.strip()) == (0, "")
    assert "applied: " in printed
    with open_nano(source) as nano:
        expected = Network(folder).outputs(nano.events())
        pt = nano.events().FatJet.pt
    with uproot.open(tmp_path / "friends" / f"{source.stem}_mljec.root") as file:
        tree = file["Events"]
        names = {name.removeprefix("FatJet_") for name in tree.keys(filter_name="FatJet_*")}
        assert names == {"pt", "eta", "phi", "mass", "mljec_b", "mljec_c", "mljec_g", "mljec_status"}
        for name in ("b", "c", "g"):
            got = np.concatenate(tree[f"FatJet_mljec_{name}"].array().tolist())
            np.testing.assert_array_equal(got, np.concatenate(expected[name].to_list()))
        np.testing.assert_array_equal(np.concatenate(tree["FatJet_pt"].array().tolist()), np.concatenate(pt.to_list()))
        assert json.loads(file["mljec"])["provider"] == "toy-0"
    # As it is: kept by --resume.
    assert "every friend file exists" in mljec("apply", source, "-o", tmp_path / "friends", *options, "--resume")[1]


def test_a_tagger_has_no_standard_path(mljec, folder, nano, jec_text, tmp_path):
    status, _, said = mljec("apply", nano, "-o", tmp_path / "f", "--model", folder, "--jec", jec_text)
    assert status == 2
    assert "gives neither pT nor mass: it corrects no jets, so the standard path cannot stand in for it" in said


def test_apply_writes_what_a_regression_gives_beside_pt(mljec, generated, tmp_path):
    graphs, preprocess = toy.write(tmp_path / "toy", ["m", "s"], softmax=False)
    outputs = ("--output", "m=mass,times_raw", "--output", "s=resolution,exp")
    assert mljec("import-weaver", *graphs, preprocess, "-o", tmp_path / "m", *outputs)[0] == 0
    source = generated("pfnano")
    options = ("--model", tmp_path / "m", "--collection", "FatJet")
    assert mljec("apply", source, "-o", tmp_path / "friends", *options)[0] == 0
    with open_nano(source) as nano:
        jets = MLJEC(tmp_path / "m").apply(nano.events(), "FatJet")
        expected = {name: np.concatenate(jets[name].to_list()) for name in ("mass", "pt_resolution")}
    with uproot.open(tmp_path / "friends" / f"{source.stem}_mljec.root") as file:
        for name, values in expected.items():
            np.testing.assert_array_equal(np.concatenate(file["Events"][f"FatJet_{name}"].array().tolist()), values)
