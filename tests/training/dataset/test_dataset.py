"""Prepared jets: selection, cache, splits, gathering and batches."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import training.dataset.cache as cache_module
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.features import PFNANO, FeatureSet
from tests.training.simulate.fakes import random_batch
from training.dataset import SPLITS, Selection, prepare, select_jets, split_of
from training.dataset.gather import gather_jagged
from training.dataset.selection import NO_MASS
from training.dataset.stream import Stream
from training.simulate.nanoaod import write
from training.simulate.tables import JetSelection, assemble

SMALL = FeatureSet(
    jet=("pt", "eta", "multiplicity"), charged=("pt", "rel_pt", "dxy"), neutral=("pt", "rel_eta"), sv=("mass", "rel_pt")
)


def write_nano(
    path: Path, seed: int, n_events: int = 6, change: Callable[[dict[str, Any]], None] | None = None
) -> Path:
    """A tiny file in the PFNano layout: every jet has a generator jet 0.05 away and constituents that add up to it."""
    rng = np.random.default_rng(seed)
    n_jets = rng.integers(1, 4, n_events)
    total = int(n_jets.sum())
    n_constituents = rng.integers(2, 6, total)
    jet_of = np.repeat(np.arange(total), n_constituents)
    pt = rng.uniform(20, 100, total).astype("f4")
    eta, phi = rng.uniform(-4, 4, total).astype("f4"), rng.uniform(-3, 3, total).astype("f4")
    share = rng.uniform(0.5, 1.5, len(jet_of))
    share /= np.bincount(jet_of, share)[jet_of]
    per_event = np.add.reduceat(n_constituents, np.concatenate([[0], np.cumsum(n_jets)[:-1]]))

    def by_jet(values: np.ndarray, kind: str = "f4") -> ak.Array:
        return ak.unflatten(values.astype(kind), n_jets)

    def by_constituent(values: np.ndarray, kind: str = "f4") -> ak.Array:
        return ak.unflatten(values.astype(kind), per_event)

    local = np.concatenate([np.arange(k) for k in n_jets])
    m = len(jet_of)
    pdg = rng.choice([211, -211, 22, 130], m)
    tree: dict[str, Any] = {
        "run": np.ones(n_events, "u4"),
        "luminosityBlock": np.full(n_events, 2, "u4"),
        "event": (1000 * seed + np.arange(n_events)).astype("u8"),
        "fixedGridRhoFastjetAll": rng.uniform(5, 30, n_events).astype("f4"),
        "PV_npvsGood": rng.integers(1, 40, n_events).astype("i4"),
        # coffea's vertex behaviours refuse a PV or SV without a position.
        **{f"PV_{axis}": np.zeros(n_events, "f4") for axis in "xyz"},
        "Jet": ak.zip(
            {
                "pt": by_jet(pt / 0.8), "eta": by_jet(eta), "phi": by_jet(phi), "mass": by_jet(0.1 * pt),
                "rawFactor": by_jet(np.full(total, 0.2)), "area": by_jet(np.full(total, 0.5)),
                "hadronFlavour": by_jet(rng.choice([0, 4, 5], total), "i4"),
                "partonFlavour": by_jet(rng.choice([1, -2, 3, 21], total), "i4"),
            }
        ),
        "GenJet": ak.zip(
            {
                "pt": by_jet(1.2 * pt), "eta": by_jet(eta + 0.05), "phi": by_jet(phi), "mass": by_jet(0.1 * pt),
                "hadronFlavour": by_jet(np.zeros(total), "u1"), "partonFlavour": by_jet(np.zeros(total), "i2"),
            }
        ),
        "PFCands": ak.zip(
            {
                "pt": by_constituent(share * pt[jet_of]),
                "eta": by_constituent(eta[jet_of] + rng.normal(0, 0.01, m)),
                "phi": by_constituent(phi[jet_of] + rng.normal(0, 0.01, m)),
                "mass": by_constituent(np.zeros(m)), "pdgId": by_constituent(pdg, "i4"),
                "d0": by_constituent(rng.normal(0, 0.01, m)), "d0Err": by_constituent(np.full(m, 0.01)),
                "dz": by_constituent(rng.normal(0, 0.01, m)), "trkChi2": by_constituent(np.ones(m)),
                "lostInnerHits": by_constituent(np.zeros(m), "i4"),
                "pvAssocQuality": by_constituent(np.full(m, 7), "i4"),
            }
        ),
        "JetPFCands": ak.zip(
            {
                "jetIdx": by_constituent(local[jet_of], "i4"),
                "pFCandsIdx": by_constituent(np.concatenate([np.arange(k) for k in per_event]), "i4"),
            }
        ),
        "SV": ak.zip({
            name: by_jet(values)
            for name, values in (
                ("pt", 0.2 * pt), ("eta", eta), ("phi", phi), ("mass", np.full(total, 2.0)),
                ("dlen", np.full(total, 0.5)), ("dlenSig", np.full(total, 9.0)), ("ntracks", np.full(total, 3.0)),
                ("x", eta), ("y", eta), ("z", eta),
            )
        }),
        "JetSVs": ak.zip({"jetIdx": by_jet(local, "i4"), "sVIdx": by_jet(local, "i4")}),
    }  # fmt: skip
    if change is not None:
        change(tree)
    with uproot.recreate(path) as file:
        file["Events"] = tree
    return path


def changed(collection: str, field: str, place: tuple[int, int], value: float) -> Callable[[dict[str, Any]], None]:
    def change(tree: dict[str, Any]) -> None:
        values = ak.to_list(tree[collection][field])
        values[place[0]][place[1]] = value
        tree[collection] = ak.with_field(tree[collection], ak.values_astype(ak.Array(values), "float32"), field)

    return change


def test_every_jet_of_a_clean_file_is_kept_with_its_target(tmp_path: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(write_nano(tmp_path / "a.root", 1))
    table = select_jets(events, SMALL, Selection())
    n = int(ak.sum(ak.num(events.Jet)))
    assert len(table) == n
    assert set(table.counts.values()) == {n}
    np.testing.assert_allclose(table.columns["target"], np.log(1.2), rtol=1e-5)
    np.testing.assert_allclose(table.columns["pt_raw"], ak.flatten(events.Jet.pt * 0.8), rtol=1e-6)
    expected = np.repeat(np.asarray(events.event), ak.num(events.Jet))
    np.testing.assert_array_equal(table.columns["event"], expected)
    np.testing.assert_array_equal(table.columns["jet"], ak.flatten(ak.local_index(events.Jet.pt)))
    hadron, parton = (abs(ak.to_numpy(ak.flatten(events.Jet[name]))) for name in ("hadronFlavour", "partonFlavour"))
    np.testing.assert_array_equal(table.columns["flavour"], np.where(hadron != 0, hadron, parton))
    assert table.features["charged_offsets"][-1] == len(table.features["charged_features"])


@pytest.mark.parametrize(
    ("collection", "field", "value", "step"),
    [
        ("GenJet", "eta", 9.0, "matched"),
        ("GenJet", "pt", 7.9, "pt_gen"),
        ("PFCands", "pt", 900.0, "usable constituents"),
        ("Jet", "hadronFlavour", 15.0, "known flavour"),
    ],
)
def test_each_step_of_the_selection_takes_its_jet(
    tmp_path: Path, open_nano: Callable[..., Any], collection: str, field: str, value: float, step: str
) -> None:
    """One jet is spoilt; it alone goes, in the step meant for it, and the features of the others stay."""
    clean = select_jets(open_nano(write_nano(tmp_path / "a.root", 1)), SMALL, Selection())
    spoilt_file = write_nano(tmp_path / "b.root", 1, change=changed(collection, field, (2, 0), value))
    spoilt = select_jets(open_nano(spoilt_file), SMALL, Selection())
    assert len(spoilt) == len(clean) - 1
    steps = list(clean.counts)
    assert spoilt.counts[step] == clean.counts[step] - 1
    assert spoilt.counts[steps[steps.index(step) - 1]] == clean.counts[step]
    gone = int(np.flatnonzero((clean.columns["event"] == 1002) & (clean.columns["jet"] == 0))[0])
    kept = np.delete(np.arange(len(clean)), gone)
    np.testing.assert_array_equal(spoilt.features["jet_features"], clean.features["jet_features"][kept])
    rows, offsets, _ = gather_jagged(clean.features["charged_features"], clean.features["charged_offsets"], kept)
    np.testing.assert_array_equal(spoilt.features["charged_features"], rows)
    np.testing.assert_array_equal(spoilt.features["charged_offsets"], offsets)


def test_passes_of_a_hard_scatter_stay_together(tmp_path: Path, open_nano: Callable[..., Any]) -> None:
    """coffea makes a record of MLJEC_process and MLJEC_scatter; without them each event is its own."""
    scatter = np.array([7, 7, 7, 9, 9, 9], "u8")

    def of_simulation(tree: dict[str, Any]) -> None:
        tree |= {"MLJEC_scatter": scatter, "MLJEC_process": np.zeros(6, "i4")}

    path = write_nano(tmp_path / "passes.root", 1, change=of_simulation)
    columns = select_jets(open_nano(path), SMALL, Selection()).columns
    assert columns["scatter"].tolist() == scatter[columns["event"] - 1000].tolist()
    assert set(columns["scatter"].tolist()) == {7, 9}
    alone = select_jets(open_nano(write_nano(tmp_path / "alone.root", 1)), SMALL, Selection()).columns
    assert alone["scatter"].tolist() == alone["event"].tolist()


def test_cuts_are_those_asked_for(tmp_path: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(write_nano(tmp_path / "a.root", 1))
    everything = select_jets(events, SMALL, Selection()).columns
    cut = select_jets(events, SMALL, Selection(min_pt_gen=60.0, min_pt_raw=55.0, max_eta_gen=2.0)).columns
    wanted = (everything["pt_gen"] > 60) & (everything["pt_raw"] > 55) & (abs(everything["eta_gen"]) < 2)
    assert 0 < wanted.sum() < len(wanted)
    np.testing.assert_array_equal(cut["pt_gen"], everything["pt_gen"][wanted])
    assert len(select_jets(events, SMALL, Selection(max_delta_r=0.04)).columns["target"]) == 0


def test_a_nan_is_refused_by_name(tmp_path: Path, open_nano: Callable[..., Any]) -> None:
    path = write_nano(tmp_path / "a.root", 1, change=changed("SV", "mass", (3, 0), np.nan))
    with pytest.raises(InputError, match=r"a\.root: 1 NaN or infinite values .* 1:2:1003 jet 0 \(sv\.mass\)"):
        select_jets(open_nano(path), SMALL, Selection(), source="a.root")


def test_files_without_generator_jets_are_refused(tmp_path: Path, open_nano: Callable[..., Any]) -> None:
    path = write_nano(tmp_path / "a.root", 1, change=lambda tree: tree.pop("GenJet"))
    with pytest.raises(MissingBranchError, match="training needs GenJet_pt, which the file lacks"):
        select_jets(open_nano(path), SMALL, Selection())


def test_real_pfnano_file_gives_finite_jets(real_data: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(real_data / "nano" / "pfnano_ul17_mc.root")
    table = select_jets(events, PFNANO, Selection())
    assert table.counts["all"] == 64
    assert 30 < len(table) <= 64
    assert np.abs(table.columns["target"]).max() < 1.5
    assert np.diff(table.features["charged_offsets"]).sum() + np.diff(
        table.features["neutral_offsets"]
    ).sum() > 20 * len(table)


def test_prepare_writes_once_and_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production = tmp_path / "production"
    production.mkdir()
    for seed in (1, 2, 3):
        write_nano(production / f"shard{seed}.root", seed)
    jets = prepare([production], SMALL, Selection(), tmp_path / "cache", progress=False)
    assert len(jets) == jets.description["counts"]["known flavour"] > 6
    assert set(jets.columns["event"] // 1000) == {1, 2, 3}
    for c in ("charged", "neutral", "sv"):
        assert jets.features[f"{c}_offsets"][0] == 0
        assert len(jets.features[f"{c}_offsets"]) == len(jets) + 1
        assert jets.features[f"{c}_offsets"][-1] == len(jets.features[f"{c}_features"])
    assert not list((tmp_path / "cache").rglob("*.part"))
    monkeypatch.setattr(cache_module, "select_jets", lambda *a, **k: pytest.fail("prepared twice"))
    again = prepare([production], SMALL, Selection(), tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(again.features["charged_features"], jets.features["charged_features"])
    assert again.feature_set == SMALL


def test_prepared_jets_equal_those_of_the_files(tmp_path: Path, open_nano: Callable[..., Any]) -> None:
    """Joined parts keep every jet with its own constituents."""
    paths = [write_nano(tmp_path / f"shard{seed}.root", seed) for seed in (1, 2)]
    jets = prepare(paths, SMALL, Selection(), tmp_path / "cache", progress=False)
    for seed, path in enumerate(paths, start=1):
        table = select_jets(open_nano(path), SMALL, Selection())
        mine = np.flatnonzero(jets.columns["event"] // 1000 == seed)
        np.testing.assert_array_equal(jets.features["jet_features"][mine], table.features["jet_features"])
        rows, offsets, _ = gather_jagged(jets.features["neutral_features"], jets.features["neutral_offsets"], mine)
        np.testing.assert_array_equal(rows, table.features["neutral_features"])
        np.testing.assert_array_equal(offsets, table.features["neutral_offsets"])


def test_an_interrupted_preparation_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production = tmp_path / "production"
    production.mkdir()
    for seed in (1, 2, 3):
        write_nano(production / f"shard{seed}.root", seed)
    whole = prepare([production], SMALL, Selection(), tmp_path / "whole", progress=False)
    seen: list[str] = []
    select = cache_module.select_jets

    def third_time_stops(*args: Any, source: str, **options: Any) -> Any:
        seen.append(source)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return select(*args, source=source, **options)

    monkeypatch.setattr(cache_module, "select_jets", third_time_stops)
    with pytest.raises(KeyboardInterrupt):
        prepare([production], SMALL, Selection(), tmp_path / "cache", progress=False)
    assert not list((tmp_path / "cache").rglob("description.json"))
    resumed = prepare([production], SMALL, Selection(), tmp_path / "cache", progress=False)
    assert len(seen) == 4
    np.testing.assert_array_equal(resumed.features["charged_features"], whole.features["charged_features"])
    np.testing.assert_array_equal(resumed.columns["event"], whole.columns["event"])


def test_the_cache_knows_files_features_and_selection(tmp_path: Path) -> None:
    path = write_nano(tmp_path / "a.root", 1)

    def digest(shard: Path, features: FeatureSet = SMALL, selection: Selection | None = None) -> str:
        jets = prepare([shard], features, selection or Selection(), tmp_path / "cache", progress=False)
        return str(jets.description["digest"])

    first = digest(path)
    fewer = FeatureSet(jet=("pt", "eta"), neutral=("pt",))
    others = {
        digest(write_nano(tmp_path / "b.root", 2)),
        digest(path, fewer),
        digest(path, selection=Selection(min_pt_gen=9)),
    }
    assert len(others | {first}) == 4
    shutil.copy(path, tmp_path / "moved.root")
    assert digest(tmp_path / "moved.root") == first


def test_missing_double_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    path = write_nano(tmp_path / "a.root", 1)
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "none.root"):
        with pytest.raises(InputError, match="no ROOT file at"):
            prepare([wrong], SMALL, Selection(), tmp_path / "cache", progress=False)
    with pytest.raises(InputError, match="stands twice"):
        prepare([path, path], SMALL, Selection(), tmp_path / "cache", progress=False)
    shutil.copy(path, tmp_path / "copy.root")
    with pytest.raises(InputError, match="two files of the productions are identical"):
        prepare([path, tmp_path / "copy.root"], SMALL, Selection(), tmp_path / "cache", progress=False)
    (tmp_path / "broken.root").write_bytes(b"root" + bytes(300))
    with pytest.raises(InputError, match=r"broken\.root cannot be opened as NanoAOD"):
        prepare([tmp_path / "broken.root"], SMALL, Selection(), tmp_path / "cache", progress=False)
    with pytest.raises(InputError, match="no jet is left after the selection"):
        prepare([path], SMALL, Selection(min_pt_gen=1e6), tmp_path / "cache", progress=False)


def test_splits_go_by_event_alone() -> None:
    event = np.random.default_rng(1).integers(0, 2**62, 50_000)
    split = split_of(event)
    shares = np.bincount(split, minlength=3) / len(event)
    np.testing.assert_allclose(shares, (0.6, 0.2, 0.2), atol=0.01)
    np.testing.assert_array_equal(split_of(event[::-1])[::-1], split)
    # Consecutive numbers, as productions have them, are as good.
    np.testing.assert_allclose(np.bincount(split_of(np.arange(50_000))) / 50_000, (0.6, 0.2, 0.2), atol=0.01)
    assert split_of(event, (0.0, 0.0, 1.0)).min() == SPLITS.index("test")
    # Golden values of this splitting: a model card's test jets stay its test jets.
    assert split_of(np.arange(12)).tolist() == GOLDEN_SPLITS
    with pytest.raises(InputError, match="add up to 1"):
        split_of(event, (0.6, 0.2, 0.3))


def _mix(z: int) -> int:
    """splitmix64's finaliser in Python's integers."""
    mask = 2**64 - 1
    z = (z + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


GOLDEN_SPLITS = [0 if u < 0.6 else 1 if u < 0.8 else 2 for u in (_mix(i) / 2**64 for i in range(12))]


def test_gather_equals_its_plain_twin() -> None:
    rng = np.random.default_rng(4)
    counts = np.array([0, 3, 1, 0, 5, 2, 0])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    content = rng.normal(size=(11, 4)).astype(np.float32)
    for jets in ([], [0], [4], [6, 5, 4, 3, 2, 1, 0], [1, 1, 0, 6], [3, 0]):
        chosen = np.array(jets, np.int64)
        rows, new_offsets, jet_of_row = gather_jagged(content, offsets, chosen)
        pieces = [content[offsets[j] : offsets[j + 1]] for j in jets]
        np.testing.assert_array_equal(rows, np.concatenate([np.zeros((0, 4), np.float32), *pieces]))
        np.testing.assert_array_equal(np.diff(new_offsets), counts[chosen])
        np.testing.assert_array_equal(jet_of_row, np.repeat(np.arange(len(jets)), counts[chosen]))
    strided = np.asfortranarray(content)[:, ::2]
    np.testing.assert_array_equal(gather_jagged(strided, offsets, np.array([4]))[0], content[4:9, ::2])


def test_stream_gives_every_jet_once(toy_jets: Callable[..., Any]) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    jets = toy_jets(53)
    rows = np.arange(3, 53)
    weight = np.arange(53, dtype=np.float32)
    shuffled = np.random.default_rng(1).permutation(rows)
    for order in (rows, shuffled):
        stream = Stream(jets, order, weight, 16)
        batches = list(stream)
        assert [len(batch["target"]) for batch in batches] == [16, 16, 16, 2]
        seen = np.concatenate([batch["weight"].numpy() for batch in batches])
        assert list(seen) == list(order)
        for batch in batches:
            chosen = batch["weight"].numpy().astype(int)
            np.testing.assert_array_equal(batch["target"].numpy(), jets.columns["target"][chosen])
            content, offsets, _ = gather_jagged(jets.features["sv_features"], jets.features["sv_offsets"], chosen)
            np.testing.assert_array_equal(batch["sv_features"].numpy(), content)
            np.testing.assert_array_equal(batch["sv_offsets"].numpy(), offsets)
    assert stream.waited > 0
    whole = Stream(jets, shuffled, weight, 16, whole_batches=True)
    assert [len(batch["target"]) for batch in whole] == [16, 16, 16]
    assert len(whole) == 3
    assert len(Stream(jets, rows[:5], weight, 16, whole_batches=True)) == 1


def test_turned_jets_keep_what_is_relative(toy_jets: Callable[..., Any]) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    jets = toy_jets(200)
    weight = np.ones(200, np.float32)

    def of(turned: tuple[int, ...] | None) -> dict[str, np.ndarray]:
        (batch,) = Stream(jets, np.arange(200), weight, 200, turned=turned)
        return {name: values.numpy() for name, values in batch.items()}

    # Some tracks without details, whose impact parameters are -1 whichever way a jet is turned.
    names = jets.feature_set.names()
    impact = [i for i, name in enumerate(names["charged"]) if name in ("dz", "dxy", "dxy_sig")]
    jets.features["charged_features"] = np.array(jets.features["charged_features"])
    jets.features["charged_features"][::7, impact] = -1.0
    plain, turned = of(None), of((3, 1))
    phi, eta = names["jet"].index("phi"), names["jet"].index("eta")
    side = turned["jet_features"][:, eta] / plain["jet_features"][:, eta]
    azimuth = np.ones(200)
    for c in jets.feature_set.constituents:
        at = names[c].index("rel_phi")
        jet = np.repeat(np.arange(200), np.diff(plain[f"{c}_offsets"]))
        azimuth[jet] = turned[f"{c}_features"][:, at] / plain[f"{c}_features"][:, at]
    angle = turned["jet_features"][:, phi] - azimuth * plain["jet_features"][:, phi]
    assert 60 < (side < 0).sum() < 140
    assert 60 < (azimuth < 0).sum() < 140
    assert abs(np.corrcoef(side, azimuth)[0, 1]) < 0.3
    for collection, columns in names.items():
        row = np.arange(200)
        if collection != "jet":
            row = np.repeat(row, np.diff(plain[f"{collection}_offsets"]))
        for i, name in enumerate(columns):
            before, after = plain[f"{collection}_features"][:, i], turned[f"{collection}_features"][:, i]
            if name == "phi":
                step = (after - azimuth[row] * before - angle[row] + np.pi) % (2 * np.pi) - np.pi
                np.testing.assert_allclose(step, 0.0, atol=2e-5)
                assert np.abs(after).max() <= np.float32(np.pi)
            elif name in ("eta", "dz", "dxy", "dxy_sig", "rel_phi"):
                sign = side[row] if name in ("eta", "dz") else azimuth[row]
                stays = (before == -1.0) & (name not in ("eta", "rel_phi"))
                assert stays.any() == (name in ("dz", "dxy", "dxy_sig"))
                np.testing.assert_array_equal(after, np.where(stays, before, before * sign))
            elif name.startswith("id_") and collection == "charged":
                other = columns.index(name.replace("id_-", "id_") if "-" in name else name.replace("id_", "id_-"))
                swapped = plain[f"{collection}_features"][:, other]
                np.testing.assert_array_equal(after, np.where(azimuth[row] < 0, swapped, before))
            else:
                np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(turned["target"], plain["target"])
    # The same seed turns them alike, another one does not; what is on disk stays.
    np.testing.assert_array_equal(of((3, 1))["charged_features"], turned["charged_features"])
    assert not np.array_equal(of((3, 2))["charged_features"], turned["charged_features"])
    np.testing.assert_array_equal(of(None)["charged_features"], plain["charged_features"])


def test_stream_can_be_left_early_and_tells_errors(toy_jets: Callable[..., Any]) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    jets = toy_jets(64)
    stream = Stream(jets, np.arange(64), np.ones(64, np.float32), 2)
    for _ in stream:
        break
    wrong = Stream(jets, np.arange(60, 70), np.ones(64, np.float32), 4)
    with pytest.raises(IndexError, match="out of bounds"):
        list(wrong)


def test_jets_of_another_algorithm_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / "puppi.root", assemble(random_batch(3, 8), JetSelection(jets="puppi", ak8=False), 1, 0, 1))
    arguments = ([tmp_path / "in"], SMALL, Selection(), tmp_path / "cache", False)
    with pytest.raises(InputError, match=r"in holds AK4PFPuppi jets, and AK4PFchs jets are to be trained on"):
        prepare(*arguments, algorithm="AK4PFchs")
    assert len(prepare(*arguments, algorithm="AK4PFPuppi")) > 3


def test_neutrinos_are_in_the_target_on_request(tmp_path: Path, open_nano: Callable[..., Any]) -> None:
    def with_them(tree: dict[str, Any]) -> None:
        tree["GenJet"] = ak.with_field(tree["GenJet"], tree["GenJet"].pt * np.float32(1.25), "ptWithNeutrinos")

    path = write_nano(tmp_path / "nu.root", 3, change=with_them)
    plain, more = (select_jets(open_nano(path), SMALL, Selection(neutrinos=neutrinos)) for neutrinos in (False, True))
    assert len(plain) > 5
    assert more.columns["target"] == pytest.approx(plain.columns["target"] + np.log(1.25), abs=1e-5)
    assert more.columns["pt_gen"] == pytest.approx(1.25 * plain.columns["pt_gen"], rel=1e-6)
    with pytest.raises(MissingBranchError, match="training needs GenJet_ptWithNeutrinos, which the file lacks"):
        select_jets(open_nano(write_nano(tmp_path / "without.root", 3)), SMALL, Selection(neutrinos=True))
    # Jets prepared before there was a choice are found again.
    assert "neutrinos" not in Selection().identity
    assert Selection(neutrinos=True).identity["neutrinos"]


def test_masses_have_targets_of_their_own(tmp_path: Path, open_nano: Callable[..., Any]) -> None:
    """Generator jets of 12 GeV; two subjets a jet, measured at four fifths, but for one jet without."""

    def with_masses(tree: dict[str, Any]) -> None:
        gen = tree["GenJet"]
        tree["GenJet"] = ak.with_field(gen, ak.values_astype(12.0 * ak.ones_like(gen.pt), "f4"), "mass")
        aside = [
            ak.zip({"pt": gen.pt, "eta": gen.eta + d, "phi": gen.phi, "mass": 0 * gen.pt, "rawFactor": 0 * gen.pt})
            for d in (-0.1, 0.1)
        ]
        subjets = ak.concatenate(aside, axis=1)
        first = ak.local_index(subjets.pt) % ak.num(gen.pt) == 0
        subjets = ak.values_astype(subjets[~(first & (ak.local_index(subjets.pt, axis=0) == 0))], "f4")
        tree["SubGenJetAK8"] = subjets
        tree["SubJet"] = ak.with_field(subjets, ak.values_astype(0.8 * subjets.pt, "f4"), "pt")

    path = write_nano(tmp_path / "a.root", 1, change=with_masses)
    jets = prepare([path], SMALL, Selection(masses=("mass", "msoftdrop")), tmp_path / "cache", progress=False)
    raw = ak.to_numpy(ak.flatten(open_nano(path).Jet.mass * 0.8))
    np.testing.assert_allclose(jets.columns["target_mass"], np.log(12.0 / raw), rtol=1e-4)
    groomed = jets.columns["target_msoftdrop"]
    assert groomed[0] == NO_MASS
    np.testing.assert_allclose(groomed[1:], np.log(1.25), rtol=1e-3)
    assert "masses" not in Selection().identity
    plain = open_nano(write_nano(tmp_path / "b.root", 3))
    with pytest.raises(MissingBranchError, match=r"b\.root needs soft_drop_mass"):
        select_jets(plain, SMALL, Selection(masses=("msoftdrop",)), source="b.root")

    def without_truth(tree: dict[str, Any]) -> None:
        with_masses(tree)
        del tree["SubGenJetAK8"]

    events = open_nano(write_nano(tmp_path / "c.root", 3, change=without_truth))
    with pytest.raises(MissingBranchError, match="training needs SubGenJetAK8_pt, which the file lacks"):
        select_jets(events, SMALL, Selection(masses=("msoftdrop",)))
