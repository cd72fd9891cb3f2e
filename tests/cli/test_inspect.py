"""``mljec inspect``."""

from __future__ import annotations

import re

import pytest

REAL = {
    "pfnano_ul17_mc": (
        "constituents: complete for 64 of 64 jets (100.0 %)",
        "JetPFCands.jetIdx, .pFCandsIdx -> PFCands",
        "stored regressions: bRegCorr, cRegCorr",
        "n_hits, n_pixel_hits, hcal_frac",
    ),
    "pfnano_ul18_partial_mc": ("of 808 jets", "774 have none", "constituents: complete for 20 of 20 jets"),
    "nanoaod_v12_tt_mc": ("constituents: none in this file", "PNetRegPtRawCorr"),
    "nanoaod_v13_egamma2022e_data": ("constituents: none in this file",),
    "nanoaod_v15_tt_mc": ("FatJetPFCand.jetIdx, .pfCandIdx -> PFCand", "UParTAK4V1RegPtRawCorr"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(mljec, real_data, name):
    status, printed, said = mljec("inspect", real_data / "nano" / f"{name}.root")
    assert status == 0, said
    text = " ".join(printed.split())
    for expected in REAL[name]:
        assert expected in text


def test_jets_that_a_model_was_not_made_for_are_part_of_the_answer(mljec, real_data, monkeypatch):
    monkeypatch.setattr("coffea_mljec.corrections.suitability._warned", set())
    status, printed, said = mljec("inspect", real_data / "nano" / "nanoaod_v12_tt_mc.root", "--collection", "Jet")
    assert status == 0, said
    text = " ".join(printed.split())
    assert re.search(r"jet-bdt yes, reading \d+ branches; but model 'jet-bdt' is for chs jets", text)


def test_a_file_without_constituents(mljec, nano):
    status, printed, said = mljec("inspect", nano)
    assert status == 0, said
    assert "60 events" in printed
    assert "constituents: none in this file for these jets" in printed
    assert "stored regressions: none" in printed


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
