"""The evaluation: one row a jet equals the validation's processor; closures, losses, weights; the whole command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec import FactorizedJEC
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.models import open_folder
from coffea_mljec.validation.common.binning import FLAVOURS
from coffea_mljec.validation.response.processor import ResponseProcessor
from coffea_mljec.validation.response.summary import Measured
from training.derive.jets import read_jets
from training.derive.provider import digest_of
from training.evaluate import thesis
from training.evaluate.figures import redraw
from training.evaluate.histograms import fill, summary_of
from training.evaluate.jets import EvaluatedJets, files_evenly, read_evaluated_jets
from training.evaluate.losses import losses
from training.evaluate.providers import closed, closures, open_providers
from training.evaluate.seeds import open_seeds, seed_spread, split_seeds
from training.evaluate.weights import closure_weights, effective_entries, replicas_of, spectrum_weights
from training.evaluate.workflow import evaluate
from training.learning.sampling import SamplingSettings
from training.learning.target_density import target_density
from training.simulate.nanoaod import read, write

BUNDLED = Path(str(resources.files("coffea_mljec.models") / "bundled"))


@pytest.fixture(scope="module")
def jec(sample_jec: list[Path]) -> Path:
    return sample_jec[0].parent


def write_closure(folder: Path, name: str, factor: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{{1 JetEta 1 JetPt [0] Correction MLClosure}}\n-5.191 5.191 3 1 14000 {factor}\n"
    (folder / f"MLJECSim-{name}_V1_MC_MLClosure_AK4PFchs.jec.txt").write_text(text)


def toy(n: int = 4000, seed: int = 4, process: int | None = None) -> EvaluatedJets:
    """Jets in events of several scatters: a standard path of 10 % resolution and a model of 8 %."""
    rng = np.random.default_rng(seed)
    pt_gen = np.exp(rng.uniform(np.log(20), np.log(1500), n))
    core = rng.normal(size=n)
    columns: dict[str, Any] = {
        "run": np.ones(n, "i8"), "event": np.arange(n) // 2, "scatter": np.arange(n) // 4 * 4,
        "process": rng.choice([0, 1], n) if process is None else np.full(n, process), "weight": pt_gen**-4.0,
        "flavour": rng.integers(0, len(FLAVOURS), n), "pt_gen": pt_gen, "abs_eta_gen": rng.uniform(0, 4.9, n),
        "pt_raw": (0.8 * pt_gen).astype("f4"), "eta": rng.uniform(-4.9, 4.9, n).astype("f4"),
    }  # fmt: skip
    pt = {"standard": pt_gen * (1 + 0.1 * core), "model": pt_gen * (1 + 0.08 * core)}
    counts = {
        "events": n // 2,
        "jets": 2 * n,
        "gen_jets": n,
        "matched": n,
        "unmatched": n,
        "judged": n,
        "unknown_flavour": 0,
    }
    return EvaluatedJets(columns, pt, counts, {name: {1: n} for name in pt})


def test_one_row_a_jet_gives_what_the_processor_gives(
    sample: Path, jec: Path, open_nano: Callable[..., Any], tmp_path: Path
) -> None:
    standard = FactorizedJEC.from_txt([str(p) for p in sorted(jec.glob("*AK4PFchs.jec.txt"))], name="standard")
    jets = read_evaluated_jets([sample], {"standard": standard}, progress=False)
    ours = fill(jets, jets.pt, replicas_of(jets, 2))
    theirs = ResponseProcessor({"standard": standard}, replicas=0).process(open_nano(sample))["events"]
    np.testing.assert_array_equal(ours["jets"].view(flow=True), theirs["jets"].view(flow=True))
    np.testing.assert_array_equal(ours["response"].view(flow=True)[0], theirs["response"].view(flow=True)[0])
    for name in ("events", "jets", "matched", "unmatched", "judged", "unknown_flavour"):
        assert ours["counts"][name] == theirs["counts"][name], name
    assert ours["counts"]["unknown_flavour"] > 0


def test_what_was_computed_is_kept(sample: Path, jec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    providers = open_providers([], jec)
    first = read_evaluated_jets([sample], providers, tmp_path / "cache", progress=False)
    monkeypatch.setattr("training.evaluate.jets._provided", lambda *a: pytest.fail("computed again"))
    again = read_evaluated_jets([sample], providers, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(first.pt["standard"], again.pt["standard"])
    assert first.counts == again.counts
    assert not list((tmp_path / "cache").glob("*.part"))


def test_files_are_taken_evenly(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.root").touch()
    assert [path.stem for path in files_evenly([tmp_path], 3)] == ["0", "4", "9"]
    assert len(files_evenly([tmp_path], None)) == len(files_evenly([tmp_path], 99)) == 10
    assert files_evenly([], 3) == []


def test_events_of_a_scatter_are_resampled_together() -> None:
    jets = toy(400)
    weights = replicas_of(jets, 5)
    assert (weights.reshape(100, 4, 5) == weights.reshape(100, 4, 5)[:, :1]).all()
    assert weights.std() > 0.5


def test_better_resolution_is_a_beta_with_a_paired_error() -> None:
    jets = toy(20_000)
    cell = summary_of(fill(jets, jets.pt, replicas_of(jets, 20)), "standard").cell("model", "central", ">30", "all")
    assert cell.beta is not None
    assert cell.beta.value == pytest.approx(0.2, abs=0.01)
    assert cell.beta.error is not None
    # Paired: the same fluctuation in both; unpaired it would be about 0.8 * sqrt(2) / sqrt(10000).
    assert cell.beta.error < 0.005


def test_a_closure_multiplies_the_providers_pt(tmp_path: Path, jec: Path) -> None:
    providers = open_providers([], jec)
    with pytest.raises(InputError, match=r"no closure payload of standard \(\*-standard_\*_MLClosure_\*\.jec\.txt\)"):
        closures(providers, tmp_path)
    write_closure(tmp_path, "standard", 1.02)
    jets = toy(100)
    jets = EvaluatedJets(jets.columns, {"standard": jets.pt["standard"]}, jets.counts, jets.status)
    after = closed(jets, closures(providers, tmp_path))
    np.testing.assert_allclose(after["standard"], 1.02 * jets.pt["standard"], rtol=1e-6)
    (tmp_path / "X-standard_V2_MC_MLClosure_AK4PFchs.jec.txt").write_text("{}")
    with pytest.raises(InputError, match="2 closure payloads of standard"):
        closures(providers, tmp_path)


def test_a_closure_of_another_model_of_the_same_name_is_refused(tmp_path: Path, jec: Path) -> None:
    providers = open_providers(["pfn-r-lite"], jec)
    model = {"pfn-r-lite": providers["pfn-r-lite"]}
    write_closure(tmp_path, "pfn-r-lite", 1.02)
    (payload,) = tmp_path.glob("*.jec.txt")
    owner = tmp_path / "closures.json"
    owner.write_text(json.dumps({payload.name: open_folder(BUNDLED / "pfn-r-lite").card.sha256}))
    assert list(closures(model, tmp_path)) == ["pfn-r-lite"]
    owner.write_text(json.dumps({payload.name: "0" * 64}))
    with pytest.raises(InputError, match="derived for another model that is called 'pfn-r-lite' too: remove it, or"):
        closures(model, tmp_path)


def test_the_generator_pt_may_include_neutrinos(tmp_path: Path, sample: Path, jec: Path) -> None:
    file = tmp_path / "with.root"
    events = read(sample)
    columns = events.tables["GenJet"].columns
    columns |= {f"{name}WithNeutrinos": columns[name] for name in ("eta", "phi", "mass")}
    columns["ptWithNeutrinos"] = columns["pt"] * np.where(np.arange(len(columns["pt"])) % 2, 1.1, 1.0).astype("f4")
    write(file, events)
    standard = open_providers([], jec)
    cache = tmp_path / "cache"
    plain, full = (read_evaluated_jets([file], standard, cache, None, False, 1, with_) for with_ in (False, True))
    here, there = {}, {}
    for jets, table in ((plain, here), (full, there)):
        table |= dict(zip(zip(jets["event"], jets["eta"], strict=True), jets["pt_gen"], strict=True))
    both = sorted(set(here) & set(there))
    ratio = np.array([there[jet] / here[jet] for jet in both])
    assert len(both) > 100
    assert np.unique(ratio.round(4)).tolist() == [1.0, 1.1]
    # The closure that follows is of the same pT, and says so.
    closed_to = [read_jets([file], standard["standard"], neutrinos=with_)["pt_gen"] for with_ in (False, True)]
    assert closed_to[1].sum() > closed_to[0].sum()
    write_closure(tmp_path / "closures", "standard", 1.0)
    (payload,) = (tmp_path / "closures").glob("*.jec.txt")
    identity = digest_of(standard["standard"])
    (tmp_path / "closures" / "closures.json").write_text(json.dumps({payload.name: identity + " with neutrinos"}))
    assert list(closures(standard, tmp_path / "closures", neutrinos=True)) == ["standard"]
    with pytest.raises(InputError, match="closes the generator pT with neutrinos, and that without is judged: give"):
        closures(standard, tmp_path / "closures")
    # Most samples do not know them.
    with pytest.raises(MissingBranchError, match=r"needs GenJet_ptWithNeutrinos.*simulate --neutrinos"):
        read_evaluated_jets([sample], standard, None, None, False, 1, True)
    with pytest.raises(InputError, match=r"no branch GenJet_ptWithNeutrinos; give files of .*simulate --neutrinos"):
        read_jets([sample], neutrinos=True)


def test_the_loss_is_the_formula_in_the_sampling_density() -> None:
    jets = toy(60_000)
    found = losses(jets, jets.pt, replicas_of(jets, 10), SamplingSettings(largest_weight=1e6))
    # The twin: flat jets of one flavour, weighted by the density over what is there (flat in log(pt) and eta).
    weight = target_density(jets["pt_gen"], jets["abs_eta_gen"]) * jets["pt_gen"]
    for name, pt in jets.pt.items():
        miss = np.abs(np.log(jets["pt_gen"] / pt))
        assert found.of[name].value == pytest.approx(np.average(miss, weights=weight), rel=0.03)
    less = found.less["model", "standard"]
    assert less.value == pytest.approx(found.of["model"].value - found.of["standard"].value)
    assert less.error < 0.5 * found.of["standard"].error


def test_the_spectrum_is_that_of_the_inclusive_process() -> None:
    jets = toy(20_000)
    weight = spectrum_weights(jets)
    inclusive = jets["process"] == 0
    plain = jets["weight"]
    # Every flavour keeps the inclusive sum, over all pt, and more jets carry it.
    for flavour in range(len(FLAVOURS)):
        mine = jets["flavour"] == flavour
        assert weight[mine].sum() == pytest.approx(plain[mine & inclusive].sum(), rel=0.02)
    assert (weight > 0).sum() > 1.5 * inclusive.sum()
    np.testing.assert_array_equal(spectrum_weights(toy(50, process=7)), toy(50, process=7)["weight"])


def test_closure_is_looked_at_in_the_mix_that_it_was_derived_in() -> None:
    jets = toy(30_000)
    weight = closure_weights(jets)
    inclusive = jets["process"] == 0
    here = (jets["pt_gen"] > 100) & (jets["pt_gen"] < 130) & (jets["abs_eta_gen"] < 1.3)
    for flavour in (1, 5):
        mine = jets["flavour"] == flavour
        share = weight[here & mine].sum() / weight[here].sum()
        wanted = (here & mine & inclusive).sum() / (here & inclusive).sum()
        assert share == pytest.approx(wanted, abs=0.05)


def test_effective_entries() -> None:
    jets = toy(3000)
    found = effective_entries(jets, np.ones(3000))
    above = (jets["pt_gen"] > 30) & (jets["abs_eta_gen"] < 2.5)
    assert found["central"][">30"] == pytest.approx(above.sum())
    assert effective_entries(jets, jets["weight"])["central"][">30"] < 0.5 * above.sum()


def test_the_thesis_stands_beside() -> None:
    # /work/shared/reference/thesis_reference.json, as the issue quotes it.
    assert [thesis.beta("pfn-r", "central", f, ">30") for f in ("uds", "c", "b", "g")] == pytest.approx(
        [11.4, 9.7, 9.9, 8.0], abs=0.05
    )
    assert thesis.beta("particlenet-r", "forward", "uds", ">30") == pytest.approx(14.6, abs=0.05)
    assert thesis.alpha("particlenet-r", "central", ">30") == pytest.approx(68.1, abs=0.05)
    assert thesis.test_loss("jet-bdt") is None
    assert "jec-gnn" in thesis.source()


def test_the_whole_evaluation(tmp_path: Path, sample: Path, jec: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, factor in (("standard", 1.0), ("pfn-r-lite", 1.01)):
        write_closure(tmp_path / "closures", name, factor)
    folder = evaluate(
        [sample], tmp_path / "out", ["pfn-r-lite"], jec, tmp_path / "closures", variants={"again": sample},
        cache=tmp_path / "cache", replicas=4,
        progress=False,
    )  # fmt: skip
    text = (folder / "report.md").read_text()
    for piece in (
        "## Resolution: beta",
        "physical spectrum",
        "## Flavour dependence: alpha",
        "## Closure",
        "(10.3)",
        "## Robustness",
        "have no generator jet",
        "no known flavour",
        "Effective entries",
    ):
        assert piece in text, piece
    assert "nan" not in text
    content = json.loads((folder / "evaluation.json").read_text())
    assert content["providers"]["pfn-r-lite"]["parameters"] > 1000
    assert content["providers"]["pfn-r-lite"]["us_per_jet"] > 0
    assert set(content["summaries"]) == {"after", "before", "spectrum", "mix", "mix before"}
    assert "curves" in content["summaries"]["after"]
    card = json.loads((folder / "card.json").read_text())
    assert list(card) == ["pfn-r-lite"]
    figures = card["pfn-r-lite"]
    # The variant is the sample itself, but for jets of unknown flavour.
    assert figures["again_beta_central"] == pytest.approx(figures["beta_central_all"], abs=0.01)
    assert figures["again_median_central_standard"] == pytest.approx(1.0, abs=0.05)
    # Of model and standard path beside each other: closure where bins are filled well enough, spread of flavours.
    for what in ("sae", "closure"):
        assert (f"again_{what}_central" in figures) == (f"again_{what}_central_standard" in figures)
    assert figures["again_sae_central_standard"] > 0
    medians = {
        when: next(
            c["median"][0]
            for c in content["summaries"][when]["cells"]
            if (c["provider"], c["region"], c["interval"], c["flavour"]) == ("pfn-r-lite", "central", ">30", "all")
        )
        for when in ("before", "after")
    }
    assert medians["after"] / medians["before"] == pytest.approx(1.01, abs=0.003)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1.5e6
    drawn = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert {"flavours_central.png", "resolution_central.png", "response_central.png"} <= set(drawn)
    # The numbers are enough to draw all figures again.
    for name in drawn:
        (folder / name).unlink()
    assert {path.name for path in redraw(folder)} == set(drawn)
    assert {path.name for path in folder.glob("*.png")} == set(drawn)
    with pytest.raises(InputError, match=r"evaluation.json does not exist: give a folder"):
        redraw(tmp_path)


def test_jets_of_leptons_are_left_out() -> None:
    columns = {"flavour": np.array([1, 6, 5, 6]), "pt_gen": np.array([50.0, 40.0, 30.0, 20.0])}
    pt = {"standard": np.array([51.0, 99.0, 31.0, 99.0])}
    jets = EvaluatedJets(
        columns, pt, {"judged": 4, "unknown_flavour": 2}, {"standard": {1: 4}}, (), {"m": np.eye(4)[:, :2]}
    )
    hadronic = jets.of_known_flavour()
    assert hadronic["pt_gen"].tolist() == [50.0, 30.0]
    assert hadronic.pt["standard"].tolist() == [51.0, 31.0]
    assert hadronic.intervals["m"].tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert hadronic.counts == {"judged": 2, "unknown_flavour": 0}
    assert hadronic.status == {"standard": {1: 4}}


def test_seeds_are_judged_for_their_loss_alone(tmp_path: Path, jec: Path) -> None:
    bundled = BUNDLED / "pfn-r-lite"
    again = tmp_path / "again"
    shutil.copytree(bundled, again)
    card = json.loads((again / "card.json").read_text())
    card["training"]["seed"] = 7
    (again / "card.json").write_text(json.dumps(card))
    assert open_folder(again).card.training.seed == 7
    providers = open_providers(["pfn-r-lite"], jec)
    found = open_seeds({"pfn-r-lite": [str(again)]}, providers)
    assert list(found) == ["pfn-r-lite seed 7"]
    assert found["pfn-r-lite seed 7"].fallback is providers["standard"]
    with pytest.raises(InputError, match="as another training of pfn-r-lite has: train with --seed"):
        open_seeds({"pfn-r-lite": [str(bundled)]}, providers)
    with pytest.raises(InputError, match="'pfn-r', which is no model of this evaluation: standard, pfn-r-lite"):
        open_seeds({"pfn-r": [str(again)]}, providers)
    jets = toy(500)
    label = "model seed 7"
    both = EvaluatedJets(
        jets.columns, jets.pt | {label: 1.01 * jets.pt["model"]}, jets.counts, jets.status | {label: {}}
    )
    kept, others = split_seeds(both, {label: providers["standard"]})
    assert set(kept.pt) == set(kept.status) == {"standard", "model"}
    assert list(others) == [label]
    spread = seed_spread({"model": Measured(0.066, 0.001)}, {label: Measured(0.068, 0.001)})["model"]
    assert (spread["mean"], spread["trainings"]) == (pytest.approx(0.067), 2)
    assert spread["deviation"] == pytest.approx(0.002 / 2**0.5)


def test_bad_input_is_refused(tmp_path: Path, sample: Path, jec: Path) -> None:
    with pytest.raises(InputError, match="is tested on and derived from"):
        evaluate([sample], tmp_path, [], jec, tmp_path, closure_from=[sample])
    with pytest.raises(InputError, match=r"no text payloads .*give the folder of the standard correction"):
        open_providers([], tmp_path)
    with pytest.raises(InputError, match="two models are called 'pfn-r-lite'"):
        open_providers(["pfn-r-lite", "pfn-r-lite"], jec)
    with pytest.raises(InputError, match="no ROOT file at"):
        read_evaluated_jets([tmp_path], open_providers([], jec), progress=False)
