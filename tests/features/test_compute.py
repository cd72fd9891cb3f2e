"""The features of real jets against the plain twin, and what must not change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import MissingBranchError
from coffea_mljec.features import CATALOGUE, JETS, PFNANO, FeatureSet, compute
from coffea_mljec.nano import flatten
from tests.factories import in_memory
from tests.features import twins
from tests.nano.generated import nanox, read_sample


def features_of(events: Any) -> dict[str, np.ndarray]:
    flat = flatten(events, jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)
    return compute(flat, PFNANO)


@pytest.fixture(scope="module", params=["sample", "real"])
def open_events(request: pytest.FixtureRequest, open_nano: Any) -> Any:
    """Opens ten events of the bundled sample, or the ten of a real PFNano file, as often as asked."""
    if request.param == "sample":
        path = request.getfixturevalue("sample")
    else:
        path = request.getfixturevalue("real_data") / "nano" / "pfnano_ul17_mc.root"

    def open_them(start: int = 0, stop: int = 10) -> Any:
        return open_nano(path, entry_start=start, entry_stop=stop)

    return open_them


@pytest.fixture(scope="module")
def events(open_events: Any) -> Any:
    return open_events()


@pytest.fixture(scope="module")
def arrays(events: Any) -> dict[str, np.ndarray]:
    return features_of(events)


def test_jets_equal_the_twin(events: Any, arrays: dict[str, np.ndarray]) -> None:
    entries = twins.jets_of(events)
    assert len(entries) > 50
    jets = np.array([twins.jet_row(entry, PFNANO.jet) for entry in entries])
    np.testing.assert_allclose(arrays["jet_features"], jets, rtol=1e-5, atol=1e-6)
    for collection in ("charged", "neutral", "sv"):
        names = getattr(PFNANO, collection)
        rows = [twins.constituent_rows(entry, collection, names) for entry in entries]
        np.testing.assert_array_equal(np.diff(arrays[f"{collection}_offsets"]), [len(r) for r in rows])
        expected = np.array([row for jet in rows for row in jet])
        np.testing.assert_allclose(arrays[f"{collection}_features"], expected, rtol=1e-5, atol=1e-6)


def test_order_of_the_links_does_not_matter(open_events: Any, arrays: dict[str, np.ndarray]) -> None:
    shuffled = open_events()
    rng = np.random.default_rng(3)
    for links in ("JetPFCands", "JetSVs"):
        counts = ak.num(shuffled[links])
        order = ak.unflatten(np.concatenate([rng.permutation(n) for n in counts]), counts)
        shuffled[links] = shuffled[links][order]
    got = features_of(shuffled)
    np.testing.assert_allclose(got["jet_features"], arrays["jet_features"], rtol=1e-5, atol=1e-6)
    for collection in ("charged", "neutral", "sv"):
        np.testing.assert_array_equal(got[f"{collection}_offsets"], arrays[f"{collection}_offsets"])
        for first, last in zip(arrays[f"{collection}_offsets"], arrays[f"{collection}_offsets"][1:], strict=False):
            ours, theirs = got[f"{collection}_features"][first:last], arrays[f"{collection}_features"][first:last]
            np.testing.assert_array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_rotation_in_phi_changes_only_phi(open_events: Any, arrays: dict[str, np.ndarray]) -> None:
    rotated = open_events()
    for table in ("Jet", "PFCands", "SV"):
        phi = twins.wrapped(ak.flatten(rotated[table].phi).to_numpy() + 2.5).astype(np.float32)
        rotated[table] = ak.with_field(rotated[table], ak.unflatten(phi, ak.num(rotated[table])), "phi")
    got = features_of(rotated)
    for collection in ("jet", "charged", "neutral", "sv"):
        names = getattr(PFNANO, collection)
        others = [i for i, name in enumerate(names) if name != "phi"]
        ours, theirs = got[f"{collection}_features"], arrays[f"{collection}_features"]
        np.testing.assert_allclose(ours[:, others], theirs[:, others], rtol=1e-4, atol=2e-6)
        assert not np.allclose(ours[:, names.index("phi")], theirs[:, names.index("phi")])


def test_chunks_give_the_same_as_the_whole(open_events: Any, arrays: dict[str, np.ndarray]) -> None:
    parts = [features_of(open_events(a, b)) for a, b in ((0, 1), (1, 7), (7, 10))]
    for name, whole in arrays.items():
        if name.endswith("_features"):
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), whole)
        else:
            np.testing.assert_array_equal(np.concatenate([np.diff(part[name]) for part in parts]), np.diff(whole))


def test_a_range_of_jets_is_a_slice_of_all(events: Any, arrays: dict[str, np.ndarray]) -> None:
    flat = flatten(events, jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)
    part = compute(flat, PFNANO, 10, 30)
    np.testing.assert_array_equal(part["jet_features"], arrays["jet_features"][10:30])
    first, last = arrays["charged_offsets"][[10, 30]]
    np.testing.assert_array_equal(part["charged_features"], arrays["charged_features"][first:last])
    assert part["charged_offsets"][0] == 0
    none = compute(flat, PFNANO, 5, 5)
    assert none["jet_features"].shape == (0, len(PFNANO.jet))
    assert none["sv_offsets"].tolist() == [0]


@pytest.mark.parametrize("candidates", [True, False])
def test_tables_of_their_own_give_the_same_shapes(sample: Path, candidates: bool) -> None:
    """NanoX: charged and neutral candidates in two tables, each with an index of its own; with or without features."""
    own = {"charged": ("pt", "rel_phi"), "neutral": ("rel_pt",)} if candidates else {}
    features = FeatureSet(jet=("pt", "multiplicity", "ptD", "axis2"), **own)
    tables = read_sample(sample)
    one, two = (
        compute(flatten(in_memory(t), jet=("pt_raw",), constituents=features.constituent_quantities), features)
        for t in (tables, nanox(tables))
    )
    assert set(one) == {"jet_features", *(f"{c}_{what}" for c in own for what in ("features", "offsets"))}
    for arrays in (one, two):  # rows of a jet's own come by falling pT, links in the file's order
        for c in own:
            jet = np.repeat(np.arange(len(arrays["jet_features"])), np.diff(arrays[f"{c}_offsets"]))
            keys = [[float(f"{value:.5g}") for value in column] for column in arrays[f"{c}_features"].T[::-1]]
            order = np.lexsort((*keys, jet))
            arrays[f"{c}_features"] = arrays[f"{c}_features"][order]
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=1e-4, atol=1e-6)
    assert (one["jet_features"][:, 1] > 1).any()


def test_jets_alone_equal_the_columns_of_the_file(open_events: Any) -> None:
    """What needs no constituents is what any NanoAOD stores of a jet: compared name by name."""
    events = open_events()
    jets = events.Jet
    stored = {
        "pt": jets.pt * (1 - jets.rawFactor), "abs_eta": abs(jets.eta), "mass": jets.mass * (1 - jets.rawFactor),
        "charged_hadron_fraction": jets.chHEF, "neutral_hadron_fraction": jets.neHEF,
        "charged_em_fraction": jets.chEmEF, "neutral_em_fraction": jets.neEmEF, "muon_fraction": jets.muEF,
        "n_constituents": jets.nConstituents,
    }  # fmt: skip
    got = compute(flatten(events, jet=JETS.jet_quantities), JETS)
    assert list(got) == ["jet_features"]
    for name, values in stored.items():
        expected = ak.flatten(values).to_numpy()
        np.testing.assert_allclose(got["jet_features"][:, JETS.jet.index(name)], expected, rtol=1e-6, err_msg=name)
    assert got["jet_features"][:, JETS.jet.index("abs_eta")].min() >= 0


def test_a_file_without_the_jets_composition_is_refused(open_events: Any) -> None:
    events = open_events()
    events["Jet"] = ak.without_field(events.Jet, ["chHEF"])
    with pytest.raises(MissingBranchError, match=r"needs charged_hadron_fraction: looked for Jet_chHEF"):
        flatten(events, jet=JETS.jet_quantities)


VERTICES = ("n_sv", "sv_pt_ratio", "sv_mass", "sv_flight_significance", "sv_n_tracks")


def test_the_hardest_vertex_equals_a_loop_over_the_jets(open_events: Any) -> None:
    events = open_events()
    features = FeatureSet(jet=("pt", *VERTICES))
    assert features.constituent_quantities == {"sv": ("pt", "mass", "flight_significance", "n_tracks")}
    flat = flatten(events, jet=features.jet_quantities, constituents=features.constituent_quantities)
    got = compute(flat, features)
    assert list(got) == ["jet_features"]
    expected = []
    for jet in twins.jets_of(events):
        vertices = sorted(jet["sv"], key=lambda one: -one.pt)
        own = [len(vertices), 0.0, 0.0, 0.0, 0.0]
        if vertices:
            first = vertices[0]
            raw = jet["jet"].pt * (1.0 - jet["jet"].rawFactor)
            own[1:] = [first.pt / raw, first.mass, first.dlenSig, first.ntracks]
        expected.append(own)
    np.testing.assert_allclose(got["jet_features"][:, 1:], expected, rtol=1e-5)
    assert (got["jet_features"][:, 1] > 1).any()
    assert compute(flat, features, 3, 9)["jet_features"].tolist() == got["jet_features"][3:9].tolist()
    assert [features.feature_of("sv", name) for name in ("pt", "mass", "eta")] == ["jet.n_sv", "jet.sv_mass", None]
    lacking = ak.with_field(events, ak.without_field(events.SV, ["dlenSig"]), "SV")
    with pytest.raises(MissingBranchError, match="SV_dlenSig"):
        flatten(lacking, constituents=features.constituent_quantities)


def test_a_place_of_the_detector_is_a_bell_in_eta(open_events: Any) -> None:
    events = open_events()
    features = FeatureSet(jet=tuple(name for name in CATALOGUE["jet"] if name.startswith("near_eta_")))
    got = compute(flatten(events, jet=features.jet_quantities), features)["jet_features"]
    eta = np.abs(ak.flatten(events.Jet.eta).to_numpy()).astype(np.float64)
    for name, column in zip(features.jet, got.T, strict=True):
        centre = float(name.removeprefix("near_eta_").replace("p", "."))
        np.testing.assert_allclose(column, np.exp(-((eta - centre) ** 2) / 0.08), atol=1e-6)
    # Every jet of the tracker's region is near to one of them.
    assert got[eta < 2.5].max(axis=1).min() > 0.5
