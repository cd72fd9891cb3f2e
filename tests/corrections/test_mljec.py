"""The machine-learned provider on real files, with a model that can be checked by hand."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec.corrections import network as network_module
from coffea_mljec.corrections.record import CORRECTION_FIELDS
from coffea_mljec.errors import InputError, JetsChangedError, MissingBranchError
from coffea_mljec.models import bundled
from coffea_mljec.payloads import read_text
from coffea_mljec.payloads.resolution_files import read_resolution_text, read_scale_factor_text
from coffea_mljec.status import Status
from tests.models import toy


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write(tmp_path_factory.mktemp("models") / "toy")


@pytest.fixture(scope="module")
def real_pfnano(real_data: Path) -> Path:
    return real_data / "nano" / "pfnano_ul17_mc.root"


@pytest.fixture(scope="module")
def standard(sample_jec: list[Path]) -> mljec.FactorizedJEC:
    return mljec.FactorizedJEC.from_txt(sample_jec)


@pytest.fixture
def events(sample: Path, open_nano: Any) -> Any:
    return open_nano(sample, entry_stop=300)


def flat(jets: Any, field: str) -> np.ndarray:
    return ak.to_numpy(ak.flatten(jets[field]))


@pytest.mark.parametrize("file", ["sample", "real_pfnano"])
def test_factor_and_record(model: Path, file: str, open_nano: Any, request: pytest.FixtureRequest) -> None:
    events = open_nano(request.getfixturevalue(file))
    corrector = mljec.MLJEC(model)
    jets = corrector.apply(events)
    factor = toy.expected(corrector.features(events))
    np.testing.assert_allclose(flat(jets, "jet_energy_correction"), factor, rtol=1e-5)
    np.testing.assert_allclose(flat(jets, "pt"), flat(jets, "pt_raw") * factor, rtol=1e-5)
    np.testing.assert_allclose(flat(jets, "mass"), flat(jets, "mass_raw") * factor, rtol=1e-5)
    np.testing.assert_allclose(flat(jets, "pt") * (1 - flat(jets, "rawFactor")), flat(jets, "pt_raw"), rtol=1e-6)
    np.testing.assert_allclose(
        flat(jets, "pt_raw"), flat(events.Jet, "pt") * (1 - flat(events.Jet, "rawFactor")), rtol=1e-6
    )
    np.testing.assert_array_equal(flat(jets, "pt_orig"), flat(events.Jet, "pt"))
    np.testing.assert_array_equal(flat(jets, "mljec_status"), np.uint8(Status.APPLIED))
    assert ak.all(Status.APPLIED.of(jets))
    assert not ak.any((Status.APPLIED | Status.FALLBACK).of(jets))
    assert {name: flat(jets, name).dtype for name in CORRECTION_FIELDS} == CORRECTION_FIELDS
    assert set(jets.fields) == set(events.Jet.fields) | set(CORRECTION_FIELDS)
    assert type(jets) is type(events.Jet)
    assert ak.all(ak.num(jets) == ak.num(events.Jet))
    np.testing.assert_array_equal(
        ak.to_numpy(ak.flatten(corrector.correction(events))), flat(jets, "jet_energy_correction")
    )


def test_input_is_not_mutated_and_a_second_apply_gives_the_same(model: Path, events: Any) -> None:
    before = flat(events.Jet, "pt").copy()
    corrector = mljec.MLJEC(model)
    events["Jet"] = corrector(events)
    once = events.Jet
    again = corrector(events)
    np.testing.assert_array_equal(flat(once, "pt_orig"), before)
    for field in CORRECTION_FIELDS:
        np.testing.assert_array_equal(flat(again, field), flat(once, field))


def test_after_another_provider_it_starts_from_raw(model: Path, standard: Any, events: Any) -> None:
    corrector = mljec.MLJEC(model)
    directly = flat(corrector(events), "pt")
    events["Jet"] = standard(events)
    np.testing.assert_array_equal(flat(corrector(events), "pt"), directly)


def test_attribute_assignment_and_cross_references(model: Path, real_pfnano: Path, open_nano: Any) -> None:
    events = open_nano(real_pfnano)
    events.Jet = mljec.MLJEC(model).apply(events)
    assert "mljec_status" in events.Jet.fields
    some = events[events.event > np.min(events.event)]
    assert "mljec_status" in some.Jet.fields
    assert ak.all(ak.num(some.Jet.matched_gen) == ak.num(some.Jet))
    matched = events.Muon.matched_jet
    assert "mljec_status" in matched.fields


def test_eager_and_virtual_give_the_same_and_read_what_they_declare(model: Path, sample: Path, open_nano: Any) -> None:
    corrector = mljec.MLJEC(model)
    log: list[Any] = []
    virtual_events = open_nano(sample, access_log=log)
    declared = corrector.required_branches(virtual_events)
    assert not log
    virtual = corrector(virtual_events)
    assert {entry.branch for entry in log} == set(declared)
    eager = corrector(open_nano(sample, mode="eager"))
    for field in CORRECTION_FIELDS:
        np.testing.assert_array_equal(flat(virtual, field), flat(eager, field))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_dask_gives_the_same_and_touches_what_it_declares(model: Path, sample: Path, open_nano: Any) -> None:
    dask_awkward = pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    corrector = mljec.MLJEC(model)
    concrete = corrector(open_nano(sample))
    events = open_nano(sample, mode="dask")
    declared = set(corrector.required_branches(events))
    events.Jet = corrector.apply(events)
    (touched,) = dask_awkward.necessary_columns(events.Jet.pt).values()
    assert set(touched) == declared
    computed = events[events.event > 0].Jet.compute()
    for field in CORRECTION_FIELDS:
        np.testing.assert_array_equal(flat(computed, field), flat(concrete, field))


def test_pickled_and_in_batches_and_in_threads(model: Path, events: Any, tmp_path: Path) -> None:
    corrector = mljec.MLJEC(model)
    reference = flat(corrector(events), "pt")
    np.testing.assert_array_equal(flat(pickle.loads(pickle.dumps(corrector))(events), "pt"), reference)
    for batch, threads in ((1, 1), (7, 1), (7, 3)):
        batched = toy.write(tmp_path / str(batch), batch_size=batch)
        np.testing.assert_allclose(flat(mljec.MLJEC(batched, threads=threads)(events), "pt"), reference, rtol=1e-6)


@pytest.mark.parametrize("selection", ["no events", "no jets", "first event"])
def test_chunks_with_little_in_them(model: Path, events: Any, selection: str) -> None:
    if selection == "no events":
        events = events[:0]
    elif selection == "first event":
        events = events[:1]
    else:
        for name in ("Jet", "JetPFCands", "JetSVs", "PFCands", "SV"):
            events[name] = events[name][ak.local_index(events[name], axis=1) < 0]
    jets = mljec.MLJEC(model)(events)
    assert ak.all(ak.num(jets) == ak.num(events.Jet))
    assert flat(jets, "pt").dtype == np.float32


def test_partial_constituents_keep_the_pt_of_the_file(model: Path, real_data: Path, open_nano: Any) -> None:
    # data/INDEX.md: 34 of 808 AK4 jets have any constituents, each in part.
    events = open_nano(real_data / "nano" / "pfnano_ul18_partial_mc.root")
    jets = mljec.MLJEC(model)(events)
    status = flat(jets, "mljec_status")
    assert np.sum(status == Status.INCOMPLETE_CONSTITUENTS) == 34
    assert np.sum(status == Status.NO_CONSTITUENTS) == 808 - 34
    np.testing.assert_array_equal(flat(jets, "pt"), flat(events.Jet, "pt"))
    np.testing.assert_allclose(flat(jets, "rawFactor"), flat(events.Jet, "rawFactor"), atol=2e-6)


def test_fallback_takes_what_the_network_cannot(model: Path, real_data: Path, open_nano: Any) -> None:
    standard = mljec.FactorizedJEC.from_json(
        real_data / "jec" / "2017_UL_jet_jerc.json.gz", "Summer19UL17_V5_MC", "AK4PFchs"
    )
    events = open_nano(real_data / "nano" / "pfnano_ul18_partial_mc.root")
    jets = mljec.MLJEC(model, fallback=standard)(events)
    assert np.all(flat(jets, "mljec_status") & Status.FALLBACK)
    np.testing.assert_array_equal(flat(jets, "pt"), flat(standard(events), "pt"))


def test_fallback_takes_a_file_without_constituents(model: Path, real_data: Path, open_nano: Any) -> None:
    standard = mljec.FactorizedJEC.from_json(
        real_data / "jec" / "2022_Summer22_jet_jerc.json.gz", "Summer22_22Sep2023_V3_MC", "AK4PFPuppi"
    )
    events = open_nano(real_data / "nano" / "nanoaod_v12_tt_mc.root")
    corrector = mljec.MLJEC(model, fallback=standard)
    jets = corrector(events)
    assert np.all(flat(jets, "mljec_status") == Status.NO_CONSTITUENTS | Status.FALLBACK)
    assert set(corrector.required_branches(events)) == set(standard.required_branches(events))


def test_a_missing_branch_is_said_and_is_no_lack_of_constituents(standard: mljec.FactorizedJEC, events: Any) -> None:
    vertices = events.SV
    events["SV"] = vertices[[name for name in vertices.fields if name != "ntracks"]]
    with pytest.warns(mljec.MissingBranchWarning, match=r"the fallback takes every jet: .*SV_ntracks"):
        jets = mljec.MLJEC("pfn-r-lite", fallback=standard)(events)
    kept = flat(jets, "mljec_status") & ~np.uint16(Status.FALLBACK)
    np.testing.assert_array_equal(kept, Status.MISSING_BRANCH)
    np.testing.assert_array_equal(flat(jets, "pt"), flat(standard(events), "pt"))


@pytest.mark.parametrize("offset", [-200.0, 100.0])
def test_a_factor_beyond_reason_is_never_applied(
    tmp_path: Path, standard: mljec.FactorizedJEC, events: Any, offset: float
) -> None:
    folder = toy.write(tmp_path / "toy", offset=offset)
    jets = mljec.MLJEC(folder)(events)
    np.testing.assert_array_equal(flat(jets, "mljec_status"), Status.IMPLAUSIBLE)
    np.testing.assert_array_equal(flat(jets, "pt"), flat(events.Jet, "pt"))
    rescued = mljec.MLJEC(folder, fallback=standard)(events)
    np.testing.assert_array_equal(flat(rescued, "pt"), flat(standard(events), "pt"))


def test_file_without_constituents_is_an_error_that_says_what_works(
    model: Path, real_data: Path, open_nano: Any
) -> None:
    events = open_nano(real_data / "nano" / "nanoaod_v12_tt_mc.root")
    with pytest.raises(
        MissingBranchError,
        match=r"model 'toy' needs the particle-flow candidates of Jet.*PNetRegPtRawCorr.*FactorizedJEC",
    ):
        mljec.MLJEC(model)(events)


def test_missing_branch_names_the_nearest(tmp_path: Path, real_pfnano: Path, open_nano: Any) -> None:
    events = open_nano(real_pfnano)
    features = toy.FEATURES | {"charged": ("dxy", "n_hits")}
    with pytest.raises(
        MissingBranchError,
        match=r"feature charged.n_hits of model 'toy' needs n_hits: looked for PFCands_numberOfHits.*nearest: PFCands",
    ):
        mljec.MLJEC(toy.write(tmp_path / "hits", features=features))(events)


def test_out_of_domain_and_non_finite_output(tmp_path: Path, events: Any) -> None:
    narrow = mljec.MLJEC(toy.write(tmp_path / "narrow", domain={"pt_raw": (30.0, 400.0), "abs_eta": (0.0, 2.0)}))
    jets = narrow(events)
    inside = (flat(jets, "pt_raw") >= 30) & (flat(jets, "pt_raw") <= 400) & (np.abs(flat(jets, "eta")) <= 2)
    assert 0 < inside.sum() < len(inside)
    np.testing.assert_array_equal(flat(jets, "mljec_status"), np.where(inside, Status.APPLIED, Status.OUT_OF_DOMAIN))
    np.testing.assert_array_equal(flat(jets, "pt")[~inside], flat(events.Jet, "pt")[~inside])

    broken = mljec.MLJEC(toy.write(tmp_path / "broken", nan_above=100.0))(events)
    high = flat(broken, "pt_raw") > 100
    np.testing.assert_array_equal(flat(broken, "mljec_status"), np.where(high, Status.NON_FINITE, Status.APPLIED))
    assert np.isfinite(flat(broken, "pt")).all()


def test_bad_jets_are_flagged(model: Path, events: Any) -> None:
    pt = flat(events.Jet, "pt").copy()
    pt[:3] = (np.nan, 0.0, -5.0)
    events["Jet"] = ak.with_field(events.Jet, ak.unflatten(pt, ak.num(events.Jet)), "pt")
    jets = mljec.MLJEC(model)(events)
    assert np.all(flat(jets, "mljec_status")[:3] & Status.BAD_INPUT)
    np.testing.assert_array_equal(flat(jets, "pt")[:3], pt[:3])
    assert np.all(flat(jets, "mljec_status")[3:] == Status.APPLIED)


def test_jets_cut_and_sorted_before_are_found_again(model: Path, events: Any) -> None:
    corrector = mljec.MLJEC(model)
    whole = corrector(events)
    order = ak.argsort(events.Jet.eta)
    kept = events.Jet.pt[order] > 30
    events["Jet"] = events.Jet[order][kept]
    np.testing.assert_array_equal(flat(corrector(events), "pt"), flat(whole[order][kept], "pt"))


def test_jets_cut_before_are_refused_where_the_file_is_gone(model: Path, events: Any) -> None:
    events["Jet"] = events.Jet[events.Jet.pt > 30]
    alone = ak.Array(events.layout, behavior=events.behavior)
    with pytest.raises(JetsChangedError, match=r"was cut or sorted before the correction.*Correct first, then cut"):
        mljec.MLJEC(model)(alone)


def test_masked_jets_are_refused(model: Path, events: Any) -> None:
    events["Jet"] = ak.mask(events.Jet, events.Jet.pt > 30)
    with pytest.raises(InputError, match="plain jagged array"):
        mljec.MLJEC(model)(events)


def test_events_cut_before_are_fine(model: Path, events: Any) -> None:
    corrector = mljec.MLJEC(model)
    keep = np.arange(len(events)) % 3 != 1
    np.testing.assert_array_equal(flat(corrector(events[keep]), "pt"), flat(corrector(events)[keep], "pt"))


def test_wrong_collection_and_wrong_events(model: Path, real_pfnano: Path, open_nano: Any) -> None:
    events = open_nano(real_pfnano)
    corrector = mljec.MLJEC(model)
    with pytest.raises(InputError, match=r"model 'toy' is for AK4PFchs jets, collection Jet; got 'FatJet'"):
        corrector.apply(events, "FatJet")
    with pytest.raises(InputError, match=r"no collection 'SoftJet'.*FatJet"):
        corrector.apply(events, "SoftJet")
    with pytest.raises(InputError, match=r"events must be NanoEvents .*got dict"):
        corrector.apply({"Jet": 1})
    with pytest.raises(InputError, match="fallback must be a provider"):
        mljec.MLJEC(model, fallback="standard path")  # type: ignore[arg-type]


def test_fast_simulation_model_warns_once_and_sets_its_bit(
    tmp_path: Path, events: Any, real_pfnano: Path, open_nano: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_module, "_warned", set())
    training = {"sample": "sim", "seed": 1, "n_jets": 9, "fast_simulation": True}
    corrector = mljec.MLJEC(toy.write(tmp_path / "fast", training=training))
    # At home on this project's own simulation: neither warning nor bit.
    assert not ak.any(Status.FOREIGN_SAMPLE.of(corrector(events)))
    events = open_nano(real_pfnano)
    with pytest.warns(mljec.FastSimulationWarning, match="model 'toy' was trained on parametrised simulation"):
        jets = corrector(events)
    assert np.all(flat(jets, "mljec_status") == Status.APPLIED | Status.FOREIGN_SAMPLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corrector(events)


@pytest.mark.parametrize("name", sorted(name for name, card in bundled().items() if not card.neutrinos))
def test_the_bundled_closure_follows_its_model(name: str, sample: Path, open_nano: Any) -> None:
    """It moves the jets of the sample by a few per cent at most where there are many of them, and tells of itself."""
    algorithm = bundled()[name].algorithm
    (path,) = (sample.parent / "closures").glob(f"MLJECSim-{name}_*_MLClosure_{algorithm}.jec.txt")
    closure = read_text([path])
    assert closure.levels == ("MLClosure",)
    if algorithm != "AK4PFchs":  # the sample's jets are CHS jets
        return
    events = open_nano(sample, entry_stop=200)
    alone = mljec.MLJEC(name)(events)
    closed = mljec.MLJEC(name, closure=closure)(events)
    applied = Status.APPLIED.of(alone) & (abs(alone.eta) < 1.3) & (alone.pt > 100)
    ratio = ak.flatten((closed.pt / alone.pt)[applied]).to_numpy()
    assert len(ratio) > 100
    assert np.abs(ratio - 1).max() < 0.05
    columns = {"pt_raw": ak.flatten(alone.pt[applied]).to_numpy().astype(float)}
    columns["eta"] = ak.flatten(alone.eta[applied]).to_numpy().astype(float)
    np.testing.assert_allclose(ratio, closure.evaluate(columns)[0], rtol=1e-6)


@pytest.mark.parametrize("name", ["pfn-r-lite", "jet-bdt"])
def test_a_network_is_smeared_by_its_own_resolution_only(name: str, sample: Path, open_nano: Any) -> None:
    """What ``derive --provider`` names after a model is that model's; another's, or the standard path's, is refused."""
    folder = sample.parent / "closures"

    def payloads(of: str, where: Path = folder) -> dict[str, Any]:
        return {
            "resolution": read_resolution_text(where / f"{of}_V1_MC_PtResolution_AK4PFchs.jr.txt"),
            "scale_factor": read_scale_factor_text(where / f"{of}_V1_MC_SF_AK4PFchs.jersf.txt"),
        }

    events = open_nano(sample, entry_stop=100)
    jets = mljec.MLJEC(name, **payloads(f"MLJECSim-{name}"))(events)
    assert (ak.flatten(jets.JER.up.pt) != ak.flatten(jets.pt)).to_numpy().mean() > 0.9
    other = "jet-bdt" if name == "pfn-r-lite" else "pfn-r-lite"
    for foreign in (payloads(f"MLJECSim-{other}"), payloads("MLJECSim", sample.parent / "jec")):
        with pytest.raises(InputError, match="is not that of the jets of model"):
            mljec.MLJEC(name, **foreign)
