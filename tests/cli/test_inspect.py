"""``mljec inspect``."""

from __future__ import annotations

import json
import re

import pytest

from tests.nano.conftest import generated  # noqa: F401 - a fixture

REAL = {
    "pfnano_ul17_mc": (
        "TTree, 10 events, 1802 branches; simulation; NanoAOD v9 or older; rho: fixedGridRhoFastjetAll",
        "Jet CHS, radius 0.4",
        "FatJet PUPPI, radius 0.8",
        "weighting: plain pT sum of constituent pT / raw pT: median 0.999",
        "weighting: pT times puppiWeight, applied here once sum of constituent pT / raw pT: median 0.99",
        "for comparison, without PUPPI weights: median 1.",
        "constituents: complete for 64 of 64 jets (100.0 %)",
        "JetPFCands.jetIdx, .pFCandsIdx -> PFCands",
        "stored regressions: bRegCorr, cRegCorr",
        "n_hits, n_pixel_hits, hcal_frac",
        "without a name, MLJEC() takes: pfn-c-lite",
        "without a name, MLJEC() takes: ak8-pfn",
    ),
    "pfnano_ul18_partial_mc": (
        "of 808 jets",
        "774 have none",
        "constituents: complete for 20 of 20 jets",
        "pfn-r-lite no: it corrects 0 of 808 jets, reading",
        "jet-bdt yes, 808 of 808 jets",
    ),
    "nanoaod_v12_tt_mc": (
        "simulation; NanoAOD v12 or v13; rho: Rho_fixedGridRhoFastjetAll",
        "Jet PUPPI, radius 0.4",
        "constituents: none in this file",
        "PNetRegPtRawCorr",
        "NanoRegression('PNet') yes, 1326 of 1504 jets, reading",
        "FactorizedJEC yes",
    ),
    "nanoaod_v13_egamma2022e_data": ("data; NanoAOD v12 or v13", "constituents: none in this file"),
    "nanoaod_v15_tt_mc": (
        "NanoAOD v15",
        "weighting: pT as stored, PUPPI-weighted already",
        "FatJetPFCand.jetIdx, .pfCandIdx -> PFCand",
        "UParTAK4V1RegPtRawCorr",
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(mljec, real_data, name):
    status, printed, said = mljec("inspect", real_data / "nano" / f"{name}.root")
    assert status == 0, said
    text = " ".join(printed.split())
    for expected in REAL[name]:
        assert expected in text


def test_jets_that_a_model_was_not_made_for_are_part_of_the_answer(mljec, real_data, monkeypatch):
    monkeypatch.setattr("coffea_mljec.payloads.suitability._warned", set())
    status, printed, said = mljec("inspect", real_data / "nano" / "nanoaod_v12_tt_mc.root", "--collection", "Jet")
    assert status == 0, said
    text = " ".join(printed.split())
    assert re.search(r"jet-bdt yes, \d+ of \d+ jets, reading \d+ branches; but model 'jet-bdt' is for chs jets", text)


def test_a_file_without_constituents(mljec, nano):
    status, printed, said = mljec("inspect", nano)
    assert status == 0, said
    assert "60 events" in printed
    assert "constituents: none in this file for these jets" in printed
    assert "stored regressions: none" in printed


def test_all_that_a_model_lacks_is_named_with_what_is_nearest(mljec, generated):  # noqa: F811
    status, printed, said = mljec("inspect", generated("nanoaod_v15"), "--collection", "Jet")
    assert status == 0, said
    text = " ".join(printed.split())
    assert "feature charged.dxy of model 'pfn-r-lite' needs dxy: looked for PFCand_d0" in text
    assert re.search(r"All that is missing: .*PFCand_d0.*PFCand_d0Err.*PFCand_dz,.*PFCand_pvAssocQuality", text)


@pytest.mark.parametrize("kind", ["TTree", "RNTuple", "Parquet"])
def test_json_has_all_of_it(mljec, generated, kind):  # noqa: F811
    status, printed, said = mljec("inspect", generated("pfnano", kind), "--json")
    assert status == 0, said
    found = json.loads(printed)
    assert (found["events"], found["format"].removeprefix("ROOT::"), found["kind"]) == (12, kind, "simulation")
    jet, fat = found["collections"]
    assert (jet["collection"], jet["pileup"], fat["collection"], fat["pileup"]) == ("Jet", "chs", "FatJet", "Puppi")
    assert jet["constituents"]["complete"] == jet["constituents"]["jets"] > 20
    assert jet["constituents"]["ratio"][1] == pytest.approx(1, abs=2e-3)
    # CHS jets with weights would lose their pileup; PUPPI jets without them would have it.
    assert jet["constituents"]["other_ratio"][1] < 1 < fat["constituents"]["other_ratio"][1]
    assert jet["models"]["pfn-r-lite"]["runs"]
    assert jet["models"]["pfn-r-lite"]["missing"] == []
    assert jet["models"]["pfn-r-lite"]["corrected"] == jet["jets"]
    assert "JetPFCands_pFCandsIdx" in jet["models"]["pfn-r-lite"]["branches"]
    assert not fat["models"]["pfn-r-lite"]["runs"]
    assert jet["other_providers"]["FactorizedJEC"]["runs"]
    assert set(jet["other_providers"]) == {"FactorizedJEC", "NanoRegression('bReg')"}


def test_nanox_has_its_two_tables(mljec, generated):  # noqa: F811
    status, printed, said = mljec("inspect", generated("nanox"))
    assert status == 0, said
    text = " ".join(printed.split())
    assert "charged rows of cpf, .jetIdx" in text
    assert "neutral rows of npf, .jetIdx" in text
    assert "SV within the jet's radius" in text
    assert re.search(r"complete for (\d+) of \1 jets \(100.0 %\)", text)


def test_a_collection_that_is_not_there(mljec, nano):
    status, _, said = mljec("inspect", nano, "--collection", "FatJet")
    assert status == 2
    assert "no collection 'FatJet'" in said


def test_no_jets_at_all(mljec, tmp_path):
    import numpy as np
    import uproot

    with uproot.recreate(tmp_path / "nano.root") as file:
        kinds = {"run": "uint32", "luminosityBlock": "uint32", "event": "uint64"}
        file.mktree("Events", kinds).extend({name: np.ones(2, kind) for name, kind in kinds.items()})
    status, _, said = mljec("inspect", tmp_path / "nano.root")
    assert status == 2
    assert "has neither Jet nor FatJet; name its jet collection with --collection" in said


def test_no_nanoaod(mljec, tmp_path):
    (tmp_path / "text.root").write_text("hello " * 200)
    status, _, said = mljec("inspect", tmp_path / "text.root")
    assert status == 2
    assert "cannot be read as a ROOT file: not a ROOT file" in said


def test_a_damaged_column_is_named(mljec, generated, tmp_path):  # noqa: F811
    """The head of the file is whole; the first basket of a column is not."""
    import uproot

    copy = tmp_path / "damaged.root"
    content = bytearray(generated("pfnano").read_bytes())
    with uproot.open(generated("pfnano")) as file:
        start = int(file["Events"]["Jet_pt"].member("fBasketSeek")[0])
    content[start : start + 60] = bytes(60)
    copy.write_bytes(content)
    status, _, said = mljec("inspect", copy)
    assert status == 2
    assert "damaged.root is damaged: a column of it cannot be read" in said
