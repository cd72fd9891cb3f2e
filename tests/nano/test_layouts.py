"""Every layout leads to the same jets and constituents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import MissingBranchError
from coffea_mljec.nano import FlatJets, detect, flatten, open_nano
from coffea_mljec.nano.algorithm import pileup_scheme
from coffea_mljec.nano.layout import Linkage
from tests.nano.generated import LAYOUTS

ALL = {"charged": ("pt", "eta", "phi"), "neutral": ("pt", "eta", "phi"), "sv": ("pt", "mass", "eta", "phi", "n_tracks")}

# layout -> collection -> (candidates, links, index, vertices' links, PUPPI weights)
EXPECTED = {
    ("pfnano", "Jet"): ("PFCands", "JetPFCands", "pFCandsIdx", "JetSVs", "none"),
    ("pfnano", "FatJet"): ("PFCands", "FatJetPFCands", "pFCandsIdx", None, "weight"),
    ("pfnano_data", "Jet"): ("PFCands", "JetPFCands", "pFCandsIdx", "JetSVs", "none"),
    ("pfnano_106x", "Jet"): ("JetPFCands", "JetPFCandsAK4", "candIdx", "JetSVsAK4", "none"),
    ("pfnano_106x", "FatJet"): ("JetPFCands", "JetPFCandsAK8", "candIdx", None, "weight"),
    ("rows_per_jet", "Jet"): ("JetPFCands", "JetPFCands", None, None, "none"),
    ("rows_per_jet", "FatJet"): ("FatJetPFCands", "FatJetPFCands", None, None, "weight"),
    ("pfnano_no_sv_links", "Jet"): ("PFCands", "JetPFCands", "pFCandsIdx", None, "none"),
    ("cmssw_defaults", "Jet"): ("PFCands", "JetPFCands", "candIdx", "JetSV", "none"),
    ("nanox", "Jet"): ("cpf", "cpf", None, None, "none"),
    ("nano", "Jet"): (None, None, None, None, "none"),
    ("pfnano_run3", "Jet"): ("PFCands", "JetPFCands", "pFCandsIdx", None, "weight"),
    ("btvnano_12_4_8", "Jet"): ("PFCands", "JetPFCands", "pFCandsIdx", None, "weight"),
    ("jmepfnano", "Jet"): ("PFCand", "JetPFCand", "PFCandIdx", None, "weight"),
    ("jmepfnano", "FatJet"): ("PFCand", "FatJetPFCand", "PFCandIdx", None, "weight"),
    ("jmepfnano_v15", "Jet"): ("PFCandV2", "JetPFCandV2", "PFCandV2Idx", None, "weight"),
    ("nanoaod_v15", "Jet"): ("PFCand", "JetPFCand", "pfCandIdx", None, "stored"),
    ("nanoaod_v15", "FatJet"): ("PFCand", "FatJetPFCand", "pfCandIdx", None, "stored"),
}


def read(path: Path, collection: str) -> FlatJets:
    with open_nano(path) as nano:
        return flatten(nano.events(), collection, jet=("rho", "n_pv", "mass_raw"), constituents=ALL)


def assert_equal(first: FlatJets, second: FlatJets, rtol: float, any_order: bool = False) -> None:
    """The same jets; with `any_order` each quantity, and its product with pT, is sorted within each jet."""
    np.testing.assert_array_equal(first.jet_offsets, second.jet_offsets)
    for name, values in second.jet.items():
        np.testing.assert_array_equal(first.jet[name], values, err_msg=name)
    np.testing.assert_array_equal(first.flags, second.flags)
    for collection, quantities in ALL.items():
        one, other = first.collections[collection], second.collections[collection]
        np.testing.assert_array_equal(one.offsets, other.offsets)
        jet = np.repeat(np.arange(len(first)), np.diff(one.offsets))
        for name in quantities:
            got, expected = one.columns[name][one.index], other.columns[name][other.index]
            if any_order:
                got, expected = (
                    np.concatenate([v[np.lexsort((v, jet))] for v in (values, values * part.columns["pt"][part.index])])
                    for values, part in ((got, one), (expected, other))
                )
            np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol, err_msg=f"{collection} {name}")


def test_all_are_expected() -> None:
    assert {layout for layout, _ in EXPECTED} == set(LAYOUTS)


@pytest.mark.parametrize(("layout", "collection"), EXPECTED)
def test_what_is_found(layout: str, collection: str, layout_events: Callable[..., Any]) -> None:
    events = layout_events(layout)
    assert ("FatJet" in events.fields) == ((layout, "FatJet") in EXPECTED)
    found = detect(events, collection)
    charged = found.charged
    seen = (charged.table, charged.links, charged.index, found.sv.links, found.puppi_weighting)
    assert found.neutral == (Linkage("npf", "npf") if layout == "nanox" else charged)
    assert seen == EXPECTED[layout, collection]
    assert pileup_scheme(found) == ("chs" if found.puppi_weighting == "none" else "Puppi")


@pytest.mark.parametrize(("layout", "collection"), [key for key in EXPECTED if key[0] != "nano"])
def test_the_same_jets_and_constituents(layout: str, collection: str, generated: Callable[..., Path]) -> None:
    """Complete, and equal to those of PFNano: exactly but for the rounding of stored products and components."""
    chs = EXPECTED[layout, collection][-1] == "none"
    reference = read(generated("pfnano" if chs or collection == "FatJet" else "pfnano_run3"), collection)
    flat = read(generated(layout), collection)
    assert not flat.flags.any()
    assert len(flat) > 20
    rtol = 2e-5 if layout == "nanox" else 3e-7 if layout == "nanoaod_v15" else 0.0
    assert_equal(flat, reference, rtol, any_order=EXPECTED[layout, collection][2] is None)


@pytest.mark.parametrize("kind", ["RNTuple", "Parquet"])
@pytest.mark.parametrize("layout", ["pfnano", "nanoaod_v15"])
def test_formats_are_equal(layout: str, kind: str, generated: Callable[..., Path]) -> None:
    for collection in ("Jet", "FatJet"):
        assert_equal(read(generated(layout, kind), collection), read(generated(layout), collection), rtol=0.0)


@pytest.mark.parametrize("layout", ["jmepfnano", "btvnano_12_4_8"])
def test_hits_under_their_other_names(layout: str, layout_events: Callable[..., Any]) -> None:
    found = detect(layout_events(layout))
    assert found.find("charged", "n_hits") is not None
    assert found.find("neutral", "n_pixel_hits") is not None


def test_what_nanox_lacks_is_said(layout_events: Callable[..., Any]) -> None:
    with pytest.raises(MissingBranchError, match=r"needs dxy: looked for cpf_d0, and the file has none of them"):
        flatten(layout_events("nanox"), constituents={"charged": ("dxy",)})


def test_a_puppi_jet_without_weights_is_said(layout_events: Callable[..., Any]) -> None:
    events = layout_events("pfnano_run3")
    kept = [name for name in events.PFCands.fields if name != "puppiWeight"]
    events["PFCands"] = events.PFCands[kept]
    with pytest.raises(MissingBranchError, match=r"needs puppi_weight: looked for PFCands_puppiWeight"):
        flatten(events, constituents={"charged": ()})
