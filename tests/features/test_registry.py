"""A user's own features: computed like ours, known by their import path, refused with a reason."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import Network, register_feature
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.features import CATALOGUE, FeatureSet, compute
from coffea_mljec.nano import flatten
from tests.features import own_features
from tests.features.own_features import Owner, compiled, plain, scaled_pt
from tests.models import weaver_toy

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def catalogue() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    before = {collection: dict(rows) for collection, rows in CATALOGUE.items()}
    yield
    for collection, rows in before.items():
        CATALOGUE[collection].clear()
        CATALOGUE[collection].update(rows)


def features_of(events: Any, **names: tuple[str, ...]) -> dict[str, Any]:
    features = FeatureSet(**names)
    return compute(flatten(events, jet=features.jet_quantities, constituents=features.constituent_quantities), features)


def test_computed_like_ours(sample: Path, open_nano: Any) -> None:
    register_feature("sqrt_rel_pt", "charged", ["pt"], scaled_pt, jet_quantities=["pt_raw"], formula="sqrt(pt/pt_jet)")
    register_feature("central_pt", "neutral", ["pt", "eta"], compiled, unit="GeV")
    register_feature("twice", "jet", ["area"], Owner.doubled)
    register_feature("vertex_chi2", "candidates", ["field:vtxChi2"], plain)
    events = open_nano(sample, entry_stop=20)
    names: dict[str, Any] = {
        "jet": ("twice", "area"), "charged": ("rel_pt", "sqrt_rel_pt"), "neutral": ("central_pt", "pt", "eta"),
        "candidates": ("vertex_chi2", "pt"),
    }  # fmt: skip
    got = features_of(events, **names)
    np.testing.assert_array_equal(got["jet_features"][:, 0], 2 * got["jet_features"][:, 1])
    np.testing.assert_allclose(got["charged_features"][:, 1], np.sqrt(got["charged_features"][:, 0]), rtol=1e-6)
    central, pt, eta = got["neutral_features"].T
    np.testing.assert_array_equal(central, np.where(np.abs(eta) < 1.5, pt, -1))
    # A field of the table that no vocabulary has, for the same candidates as pT.
    table, links = events.PFCands, events.JetPFCands
    expected = ak.flatten(table.vtxChi2[links.pFCandsIdx[ak.argsort(links.jetIdx, stable=True)]])
    np.testing.assert_array_equal(got["candidates_features"][:, 0], expected)
    assert len(np.unique(expected)) > 1


def test_a_field_that_the_file_lacks(sample: Path, open_nano: Any) -> None:
    register_feature("vertex_chi2", "candidates", ["field:vtxChi"], plain)
    with pytest.raises(MissingBranchError, match=r"looked for PFCands_vtxChi, .* \(nearest: PFCands_vtxChi2\)"):
        features_of(open_nano(sample, entry_stop=2), candidates=("vertex_chi2",))


def test_the_same_again_changes_nothing() -> None:
    for _ in range(2):
        register_feature("mine", "sv", ["pt"], plain)
    assert CATALOGUE["sv"]["mine"].function == "tests.features.own_features:plain"


def outer() -> Any:
    def inner(pt: Any) -> Any:
        return pt

    return inner


@pytest.mark.parametrize("function", [lambda pt: pt, outer(), np.vectorize(abs)], ids=["lambda", "inner", "object"])
def test_functions_without_an_import_path(function: Any) -> None:
    with pytest.raises(
        InputError, match=r"reaches workers by its import path, and .* has none: write it into a module"
    ):
        register_feature("mine", "sv", ["pt"], function)
    assert "mine" not in CATALOGUE["sv"]


def test_functions_of_a_script_or_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_main(pt: Any) -> Any:
        return pt

    of_main.__module__, of_main.__qualname__ = "__main__", "of_main"
    with pytest.raises(InputError, match="reaches workers by its import path"):
        register_feature("mine", "sv", ["pt"], of_main)
    of_main.__module__ = "no_such_module"
    with pytest.raises(InputError, match=r"no_such_module:of_main, which cannot be imported here .*No module named"):
        register_feature("mine", "sv", ["pt"], of_main)


@pytest.mark.parametrize(
    ("name", "collection", "quantities", "jet", "message"),
    [
        ("pt", "sv", ["pt"], [], r"there is a feature 'pt' of collection 'sv' already \(pt\): choose another name"),
        ("mine", "svs", ["pt"], [], "unknown collection 'svs'. Did you mean 'sv'. There are jet, charged, neutral"),
        ("mine", "sv", ["ptt"], [], "feature 'mine': unknown quantity 'ptt' of sv. Did you mean 'pt'"),
        ("mine", "sv", ["pt"], ["pt_rwa"], "unknown quantity 'pt_rwa' of jet or event. Did you mean 'pt_raw'"),
        ("mine", "sv", [], [], "feature 'mine' needs at least one quantity"),
    ],
)
def test_what_is_refused(name: str, collection: str, quantities: list[str], jet: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        register_feature(name, collection, quantities, plain, jet_quantities=jet)


ELSEWHERE = """
import pickle, sys
network = pickle.loads(sys.stdin.buffer.read())
from coffea_mljec.features import CATALOGUE
assert CATALOGUE["candidates"]["mine"].function == "tests.features.own_features:Owner.doubled"
print(network.output_names)
"""


def test_it_travels_to_another_process_by_its_import_path(tmp_path: Path) -> None:
    """A worker that never heard of the feature gets it with the network."""
    register_feature("mine", "candidates", ["pt"], own_features.Owner.doubled)
    files = weaver_toy.write(tmp_path)
    network = Network.from_weaver(*files, collection="Jet", variables={"pfcand_charge": "candidates.mine"})
    assert "mine" in network.card.features.candidates
    content = pickle.dumps(network)

    def elsewhere(folder: Path) -> subprocess.CompletedProcess[bytes]:
        paths = {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
        return subprocess.run(
            [sys.executable, "-c", ELSEWHERE], input=content, capture_output=True, check=False, cwd=folder,
            env=os.environ | paths,
        )  # fmt: skip

    done = elsewhere(ROOT)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == "('b', 'c', 'g')"
    # A worker without the user's module says which one it lacks.
    del CATALOGUE["candidates"]["mine"]
    blocked = pytest.MonkeyPatch()
    with blocked.context() as patch:
        patch.setitem(sys.modules, "tests.features.own_features", None)
        with pytest.raises(
            InputError, match=r"own_features:Owner.doubled, which cannot be imported here .*: put its mod"
        ):
            pickle.loads(content)
