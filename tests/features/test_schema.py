"""The catalogue and the feature sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.features import CATALOGUE, FEATURE_SETS, JETS, KINEMATICS, KINEMATICS_PV, PFNANO, THESIS, FeatureSet
from coffea_mljec.nano import detect, open_nano
from coffea_mljec.nano.requirements import missing_branches
from tests.nano.generated import write_layout


def test_thesis_set_has_the_reference_sizes() -> None:
    # reference/architecture.json: features
    assert {c: len(n) for c, n in THESIS.names().items()} == {"jet": 11, "charged": 25, "neutral": 11, "sv": 10}


def test_pfnano_set_leaves_out_what_plain_pfnano_lacks() -> None:
    missing = {c: set(getattr(THESIS, c)) - set(getattr(PFNANO, c)) for c in CATALOGUE}
    assert missing == {
        "jet": {"area"},
        "charged": {"n_hits", "n_pixel_hits"},
        "neutral": {"hcal_frac"},
        "candidates": set(),
        "sv": set(),
    }


def test_the_set_of_jets_needs_no_constituents() -> None:
    assert JETS.constituents == ()
    assert JETS.constituent_quantities == {}
    assert {"pt_raw", "eta", "charged_hadron_fraction", "n_constituents"} <= set(JETS.jet_quantities)


def test_kinematics_need_momenta_and_types_of_candidates_alone() -> None:
    needed = {"pt", "eta", "phi", "pdg_id"}
    assert {c: set(names) for c, names in KINEMATICS.constituent_quantities.items()} == {
        "charged": needed, "neutral": needed,
    }  # fmt: skip
    assert set(KINEMATICS_PV.constituent_quantities["charged"]) - needed == {"pv_assoc"}
    assert KINEMATICS.jet == KINEMATICS_PV.jet == PFNANO.jet


@pytest.mark.parametrize(
    ("layout", "poorest"),
    [("pfnano", "pfnano"), ("rows_per_jet", "pfnano"), ("nanoaod_v15", "kinematics"), ("nanox", "jets")],
)
def test_the_set_that_a_layout_can_feed(layout: str, poorest: str, sample: Path, tmp_path: Path) -> None:
    with open_nano(write_layout(layout, sample, tmp_path)) as nano:
        found = detect(nano.events(0, 0))
    fed = [
        name
        for name in ("pfnano", "kinematics-pv", "kinematics", "jets")
        if not missing_branches(found, FEATURE_SETS[name].jet_quantities, FEATURE_SETS[name].constituent_quantities)
    ]
    assert fed[0] == poorest


def test_unknown_feature_names_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"unknown feature 'multiplicty' of collection 'jet'. Did you mean 'multiplicity'"
    ):
        FeatureSet(jet=("pt", "multiplicty"))


def test_feature_listed_twice() -> None:
    with pytest.raises(InputError, match=r"'pt' of collection 'charged' is listed 2 times"):
        FeatureSet(jet=("pt",), charged=("pt", "pt"))


def test_unknown_collection() -> None:
    with pytest.raises(InputError, match=r"unknown collection 'muons'.*expected jet, charged, neutral, candidates, sv"):
        FeatureSet.from_names({"jet": ["pt"], "muons": ["pt"]})


def test_shapes_alone_still_ask_for_both_kinds_of_candidates() -> None:
    assert set(FeatureSet(jet=("ptD",)).constituent_quantities) == {"charged", "neutral"}


def test_every_feature_says_where_it_comes_from() -> None:
    assert all(f.source and f.formula and f.unit for features in CATALOGUE.values() for f in features.values())
