"""The catalogue and the feature sets."""

from __future__ import annotations

import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.features import CATALOGUE, JETS, PFNANO, THESIS, FeatureSet


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
