"""Variations on the record: their numbers, their names, and that they do not depend on how the events come."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import Status
from coffea_mljec.corrections import MLJEC, FactorizedJEC, MismatchWarning, NanoRegression, StandardJetsWarning
from coffea_mljec.corrections.evaluation import Evaluation
from coffea_mljec.corrections.levels import LevelsCorrection
from coffea_mljec.errors import InputError, JetsChangedError, MissingBranchError
from coffea_mljec.payloads import (
    read_text,
)
from coffea_mljec.payloads.uncertainty_files import read_uncertainties_text
from coffea_mljec.systematics import generator_pt, smear_factor, standard_normal
from tests.models import toy
from tests.toy_payloads import SOURCES, smearing, sources, written

L2 = "{1 JetEta 1 JetPt [0] Correction L2Relative}\n-5.191 0 3 1 6500 1.1\n0 5.191 3 1 6500 1.2\n"

VECTOR = ("pt", "eta", "phi")
pytestmark = pytest.mark.usefixtures("warnings_afresh")


class Toys:
    """Payloads of 1.1 or 1.2, two sources, a resolution of 10 % and scale factors of 1.2, 1.1 and 1.3."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        return written(self.folder, name, text)

    def jec(self, algorithm: str = "AK4PFPuppi", level: str = "L2Relative", text: str = L2, kind: str = "MC") -> Path:
        return self.write(f"Toy1_V1_{kind}_{level}_{algorithm}.jec.txt", text.replace("L2Relative", level))

    def options(self, algorithm: str = "AK4PFPuppi") -> dict[str, Any]:
        return sources(self.folder, algorithm) | smearing(self.folder, algorithm)

    def standard(self, **changed: Any) -> FactorizedJEC:
        return FactorizedJEC.from_txt([self.jec()], **(self.options() | changed))


@pytest.fixture
def toys(tmp_path: Path) -> Toys:
    return Toys(tmp_path)


def flat(array: Any) -> np.ndarray:
    return ak.to_numpy(ak.flatten(array))


def all_varied(jets: Any) -> dict[str, np.ndarray]:
    """Every variation's pt, mass and rawFactor by name."""
    names = [name for name in jets.fields if name.startswith(("JES_", "JER"))]
    return {
        f"{name}_{direction}.{field}": flat(jets[name][direction][field])
        for name in names for direction in ("up", "down") for field in ("pt", "mass", "rawFactor")
    }  # fmt: skip


def test_by_hand(toys: Toys, tiny_nano: Path, open_nano: Any) -> None:
    events = open_nano(tiny_nano)
    jets = toys.standard()(events)
    assert [name for name in jets.fields if name.startswith("JE")] == ["JER", "JES_Scale", "JES_Flavour"]
    level = np.where(flat(jets.eta) < 0, 1.1, 1.2)
    corrected = flat(jets.pt_raw) * level
    np.testing.assert_allclose(flat(jets.pt_jec), corrected, rtol=1e-6)
    np.testing.assert_allclose(flat(jets.jet_energy_correction), level, rtol=1e-6)
    np.testing.assert_allclose(flat(jets.jet_energy_resolution), 0.1, rtol=1e-6)
    scales = flat(jets.jet_energy_resolution_scale_factor)
    np.testing.assert_allclose(scales, [[1.2, 1.3, 1.1]] * len(corrected), rtol=1e-6)

    def event_column(name: str) -> np.ndarray:
        return np.repeat(np.asarray(events[name]), ak.num(events.Jet))

    gen = [flat(events.GenJet[name]) for name in ("pt", "eta", "phi")]
    offsets = [np.concatenate([[0], np.cumsum(ak.num(one))]) for one in (events.Jet, events.GenJet)]
    pt_gen = generator_pt(flat(events.Jet.eta), flat(events.Jet.phi), offsets[0], *gen, offsets[1], 0.4)
    normal = standard_normal(
        event_column("run"), event_column("luminosityBlock"), event_column("event"), flat(jets.eta), flat(jets.phi)
    )
    n = len(corrected)
    for scale, varied in ((1.2, jets), (1.3, jets.JER.up), (1.1, jets.JER.down)):
        expected = smear_factor(flat(jets.pt_jec), flat(jets.eta), np.full(n, 0.1), np.full(n, scale), normal, pt_gen)
        np.testing.assert_allclose(flat(varied.pt), corrected * expected, rtol=1e-6)
        np.testing.assert_allclose(flat(varied.mass), flat(jets.mass_jec) * expected, rtol=1e-6)
    nominal = flat(jets.pt)
    np.testing.assert_array_equal(flat(jets.pt_jer), nominal)
    np.testing.assert_allclose(flat(jets.JES_Flavour.up.pt), nominal * 1.05, rtol=1e-6)
    np.testing.assert_allclose(flat(jets.JES_Flavour.down.mass), flat(jets.mass) * 0.95, rtol=1e-6)
    # At the smeared pT: 2 % at 10 GeV falling to 1 % at 100 GeV, down 4 % to 3 %.
    shift = np.interp(nominal, [10, 100], [0.02, 0.01])
    np.testing.assert_allclose(flat(jets.JES_Scale.up.pt), nominal * (1 + shift), rtol=1e-6)
    np.testing.assert_allclose(flat(jets.JES_Scale.down.pt), nominal * (1 - shift - 0.02), rtol=1e-6)
    np.testing.assert_allclose(flat(jets.jet_energy_uncertainty_Scale)[:, 0], 1 + shift, rtol=1e-6)
    assert jets.JES_Scale.layout.purelist_parameter("__record__") == "JetSystematic"
    assert type(jets.JES_Scale.up) is type(events.Jet)
    for varied in (jets, jets.JER.up, jets.JES_Scale.up, jets.JES_Flavour.down):
        raw = flat(varied.pt * (1 - varied.rawFactor))
        np.testing.assert_allclose(raw, flat(jets.pt_raw), rtol=2e-6)


def test_nothing_is_evaluated_before_it_is_read(
    toys: Toys, tiny_nano: Path, open_nano: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    corrector = toys.standard()
    uncertainties = corrector.systematics.uncertainties
    assert uncertainties is not None

    class Watched:
        tag, algorithm, sources = uncertainties.tag, uncertainties.algorithm, uncertainties.sources
        inputs = ("pt", "eta")

        def at(self, columns: Any) -> Any:
            bound = uncertainties.at(columns)

            class Bound:
                def evaluate(self, source: str) -> Any:
                    calls.append(source)
                    return bound.evaluate(source)

            return Bound()

    corrector = FactorizedJEC(corrector.payload, uncertainties=Watched())  # type: ignore[arg-type]
    corrections = []
    factor = LevelsCorrection.factor
    monkeypatch.setattr(LevelsCorrection, "factor", lambda self, chunk: corrections.append(1) or factor(self, chunk))
    jets = corrector(open_nano(tiny_nano))
    assert calls == []
    jets.JES_Flavour.up.pt[:1].tolist()
    jets.JES_Flavour.down.mass[:1].tolist()
    assert calls == ["Flavour"]
    steps = corrector.variations(open_nano(tiny_nano))
    assert next(steps)[0] == "nominal"
    assert calls == ["Flavour"]
    assert [name for name, _ in steps] == ["JES_Scale_up", "JES_Scale_down", "JES_Flavour_up", "JES_Flavour_down"]
    assert len(corrections) == 2


def test_one_at_a_time_gives_the_same(toys: Toys, tiny_nano: Path, open_nano: Any) -> None:
    corrector = toys.standard()
    jets = corrector(open_nano(tiny_nano))
    expected = all_varied(jets)
    assert len(expected) == 18
    seen = 0
    for name, varied in corrector.variations(open_nano(tiny_nano)):
        assert not [field for field in varied.fields if field.startswith("JE")]
        for field in ("pt", "mass", "rawFactor"):
            reference = flat(jets[field]) if name == "nominal" else expected[f"{name}.{field}"]
            np.testing.assert_array_equal(flat(varied[field]), reference)
        seen += 1
    assert seen == 7


@pytest.mark.parametrize("smearing", ["hybrid", "stochastic"])
def test_any_chunking_pickling_and_cut_gives_the_same(
    toys: Toys, tiny_nano: Path, open_nano: Any, smearing: str
) -> None:
    corrector = toys.standard(smearing=smearing, seed=3)
    whole = corrector(open_nano(tiny_nano))
    expected = all_varied(whole)
    away = pickle.loads(pickle.dumps(corrector))
    parts = [
        all_varied(away(open_nano(tiny_nano, entry_start=start, entry_stop=stop)))
        for start, stop in ((0, 7), (7, 8), (8, 8), (8, 40))
    ]
    for name, values in expected.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), values)
    hard = whole[whole.pt > 60]
    np.testing.assert_array_equal(flat(hard.JES_Scale.up.pt), flat(whole.JES_Scale.up.pt)[flat(whole.pt) > 60])
    other = all_varied(toys.standard(smearing=smearing, seed=4)(open_nano(tiny_nano)))
    assert not np.array_equal(other["JER_up.pt"], expected["JER_up.pt"])


@pytest.mark.parametrize("mode", ["eager", pytest.param("dask", marks=pytest.mark.filterwarnings("ignore"))])
def test_modes_agree_and_read_what_they_declare(toys: Toys, tiny_nano: Path, open_nano: Any, mode: str) -> None:
    corrector = toys.standard(qualified=True)
    log: list[Any] = []
    events = open_nano(tiny_nano, access_log=log)
    declared = set(corrector.required_branches(events))
    expected = all_varied(corrector(events))
    assert {entry.branch for entry in log} == declared
    assert "JES_Scale_AK4PFPuppi_up.pt" in expected
    events = open_nano(tiny_nano, mode=mode) if mode == "eager" else None
    if mode == "dask":
        dask_awkward = pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
        events = open_nano(tiny_nano, mode="dask")
        events.Jet = corrector.apply(events)
        shifted = events.Jet.JES_Scale_AK4PFPuppi.up.pt
        (touched,) = dask_awkward.necessary_columns(shifted).values()
        assert set(touched) == declared
        np.testing.assert_array_equal(flat(shifted.compute()), expected["JES_Scale_AK4PFPuppi_up.pt"])
        one = dict(corrector.variations(open_nano(tiny_nano, mode="dask")))["JER_AK4PFPuppi_down"]
        np.testing.assert_array_equal(flat(one.mass.compute()), expected["JER_AK4PFPuppi_down.mass"])
        jets = events[events.event > 0].Jet.compute()
    else:
        jets = corrector(events)
    found = all_varied(jets)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_second_apply_leaves_nothing_stale(toys: Toys, tiny_nano: Path, open_nano: Any) -> None:
    events = open_nano(tiny_nano)
    corrector = toys.standard()
    once = corrector(events)
    events["Jet"] = once
    assert {name: values.tolist() for name, values in all_varied(corrector(events)).items()} == {
        name: values.tolist() for name, values in all_varied(once).items()
    }
    nominal = FactorizedJEC(corrector.payload)(events)
    assert not [name for name in nominal.fields if name.startswith("JE") or name in ("pt_jec", "pt_jer")]


def test_jets_of_data_are_not_smeared(toys: Toys, tiny_data: Path, open_nano: Any) -> None:
    events = open_nano(tiny_data)
    corrector = toys.standard()
    jets = corrector(events)
    assert "pt_jer" not in jets.fields
    assert [name for name in jets.fields if name.startswith("JE")] == ["JES_Scale", "JES_Flavour"]
    np.testing.assert_array_equal(flat(jets.pt), flat(jets.pt_jec))
    assert "Jet_event" not in corrector.required_branches(events)


def test_residual_on_data_only_and_closure_on_both(
    toys: Toys, tiny_nano: Path, tiny_data: Path, open_nano: Any
) -> None:
    closure = read_text([toys.jec("AK4PFPuppi", text=L2.replace("1.1", "1.02").replace("1.2", "1.02"))])
    text = "{1 JetEta 1 JetPt 1+10/x Correction L2Relative}\n-5.191 5.191 2 1 6500\n"
    residual = read_text([toys.jec("AK4PFPuppiPNetRegression", "L2L3Residual", text, "DATA")])
    corrector = NanoRegression("PNet", closure=closure, residual=residual)
    simulated = NanoRegression("PNet")(open_nano(tiny_nano))
    np.testing.assert_allclose(flat(corrector(open_nano(tiny_nano)).pt), flat(simulated.pt) * 1.02, rtol=1e-6)
    events = open_nano(tiny_data)
    plain = flat(NanoRegression("PNet")(events).pt) * 1.02
    # The residual sees the pT after the closure.
    np.testing.assert_allclose(flat(corrector(events).pt), plain * (1 + 10 / plain), rtol=1e-6)
    with pytest.raises(InputError, match="residual must hold the residual level alone"):
        NanoRegression("PNet", residual=closure, standard_jets=True)
    offset = "{1 JetEta 2 JetPt Rho 1-y/x Correction L2Relative}\n-5.191 5.191 4 1 6500 0 100\n"
    with pytest.raises(InputError, match=r"closure must be one level of eta and corrected pT.*rho"):
        NanoRegression("PNet", closure=read_text([toys.jec(text=offset)]))
    with pytest.raises(InputError, match="closure must be a payload"):
        NanoRegression("PNet", closure="closure.txt")  # type: ignore[arg-type]


def test_payloads_of_standard_jets_need_permission(toys: Toys, tmp_path: Path) -> None:
    model = toy.write(tmp_path / "model")
    standard, own = toys.options("AK4PFchs"), toys.options("AK4PFchsToy")
    for make in (lambda **given: MLJEC(model, **given), lambda **given: NanoRegression("PNet", **given)):
        with pytest.raises(InputError, match=r"uncertainties of Toy1_V1_MC AK4PFchs .*standard_jets=True"):
            make(uncertainties=standard["uncertainties"])
        with pytest.warns(StandardJetsWarning, match="an approximation"):
            make(uncertainties=standard["uncertainties"], standard_jets=True)
        with pytest.raises(InputError, match=r"resolution .* is not that of the jets of .*Derive one"):
            make(**(standard | {"uncertainties": None}), standard_jets=True)
    assert MLJEC(model, **own).systematics.scale_factor is own["scale_factor"]
    residual = read_text([toys.jec("AK4PFchs", "L2L3Residual", kind="DATA")])
    with pytest.raises(InputError, match=r"residual of Toy1_V1_DATA AK4PFchs .*standard_jets=True"):
        MLJEC(model, residual=residual)


def test_what_does_not_go_together(toys: Toys, tmp_path: Path) -> None:
    options = toys.options()
    for lacking in ("resolution", "scale_factor"):
        with pytest.raises(InputError, match=f"without {lacking}: smearing needs both"):
            toys.standard(**{lacking: None})
    with pytest.raises(InputError, match="smearing must be 'hybrid', 'stochastic' or a JERSmear; got 'gaussian'"):
        toys.standard(smearing="gaussian")
    with pytest.raises(InputError, match="uncertainties must be read first"):
        toys.standard(uncertainties="jet_jerc.json.gz")
    with pytest.raises(InputError, match="jets of different radius"):
        FactorizedJEC.from_txt([toys.jec("AK8PFPuppi")], **options)
    with pytest.warns(MismatchWarning, match="for different jets"):
        FactorizedJEC.from_txt([toys.jec("AK4PFchs")], **options)
    named = read_uncertainties_text(toys.write("Summer22_V1_MC_UncertaintySources_AK4PFPuppi.junc.txt", SOURCES))
    other = toys.write("Summer23_V1_MC_L2Relative_AK4PFPuppi.jec.txt", L2)
    with pytest.warns(MismatchWarning, match=r"Summer23_V1_MC .* Summer22_V1_MC .* different years"):
        FactorizedJEC.from_txt([other], uncertainties=named)


def test_payloads_for_other_jets_warn_once(toys: Toys, tiny_nano: Path, tiny_data: Path, open_nano: Any) -> None:
    chs = FactorizedJEC.from_txt([toys.jec("AK4PFchs")])
    events = open_nano(tiny_nano)
    with pytest.warns(MismatchWarning, match=r"is for chs jets \(AK4PFchs\), and the Jet of these events are Puppi"):
        chs(events)
    chs(events)
    with pytest.warns(MismatchWarning, match="has a tag for DATA, and these events are simulation"):
        FactorizedJEC.from_txt([toys.jec(kind="DATA")])(events)
    late = FactorizedJEC.from_txt([toys.write("Summer23_V1_DATA_L2Relative_AK4PFPuppi.jec.txt", L2)])
    with pytest.warns(MismatchWarning, match=r"for data of 2023 .* from runs 355900 to 355900"):
        late(open_nano(tiny_data))
    with pytest.raises(InputError, match=r"is for regressed jets.*NanoRegression\('PNet', neutrino=False"):
        FactorizedJEC.from_txt([toys.jec("AK4PFPuppiPNetRegression")])(events)


@pytest.mark.parametrize(
    ("campaign", "tag", "warns"),
    [
        ("Run3Summer22EENanoAODv12-130X_mcRun3_2022_realistic", "Summer22_22Sep2023_V3_MC", True),
        ("Run3Summer22EENanoAODv12-130X_mcRun3_2022_realistic", "Summer22EE_22Sep2023_V3_MC", False),
        ("RunIISummer20UL18NanoAODv9", "Summer19UL17_V5_MC", True),
        ("RunIISummer20UL18NanoAODv9", "Summer19UL18_V5_MC", False),
        ("Run3Summer22NanoAODv12", "Toy1_V1_MC", False),
        ("Summer22_and_other_payloads", "Summer23_V1_MC", False),
    ],
)
def test_simulation_of_another_year_warns_where_the_path_tells(
    campaign: str, tag: str, warns: bool, toys: Toys, tiny_nano: Path, open_nano: Any
) -> None:
    path = toys.folder / campaign / "nano.root"
    path.parent.mkdir()
    path.symlink_to(tiny_nano)
    standard = FactorizedJEC.from_txt([toys.write(f"{tag}_L2Relative_AK4PFPuppi.jec.txt", L2)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        standard(open_nano(path))
    said = [str(one.message) for one in caught if issubclass(one.category, MismatchWarning)]
    assert [f"{tag} AK4PFPuppi is for simulation of 20" in text for text in said] == [True] * warns


def test_jets_corrected_by_something_else_are_refused(toys: Toys, tiny_nano: Path, open_nano: Any) -> None:
    events = open_nano(tiny_nano)
    events["Jet"] = ak.with_field(ak.with_field(events.Jet, events.Jet.pt, "pt_orig"), events.Jet.pt * 1.1, "pt")
    with pytest.raises(JetsChangedError, match="corrected before, by something else"):
        toys.standard()(events)


def test_no_generator_jets_in_simulation(toys: Toys, tiny_data: Path, open_nano: Any) -> None:
    events = open_nano(tiny_data)
    events["genWeight"] = np.ones(len(events))
    with pytest.raises(MissingBranchError, match=r"needs GenJet_pt, .*smearing='stochastic' does without"):
        toys.standard()(events)
    assert "JER" in toys.standard(smearing="stochastic")(events).fields


def test_unsmeared_region(toys: Toys, tiny_nano: Path, open_nano: Any) -> None:
    jets = toys.standard(smearing="stochastic", unsmeared_eta=(1.0, 2.0))(open_nano(tiny_nano))
    inside = (abs(flat(jets.eta)) > 1) & (abs(flat(jets.eta)) < 2)
    assert 0 < inside.sum() < len(inside)
    np.testing.assert_array_equal(flat(jets.pt)[inside], flat(jets.pt_jec)[inside])
    assert np.all(flat(jets.pt)[~inside] != flat(jets.pt_jec)[~inside])


def test_a_network_is_evaluated_once(
    toys: Toys, tmp_path: Path, sample: Path, open_nano: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = open_nano(sample, entry_stop=60)
    network = MLJEC(toy.write(tmp_path / "model"), **toys.options("AK4PFchsToy"))
    passes = []
    infer = Evaluation._infer
    monkeypatch.setattr(Evaluation, "_infer", lambda *given: passes.append(1) or infer(*given))
    jets = network(events)
    np.testing.assert_allclose(flat(jets.JES_Flavour.up.pt), flat(jets.pt) * 1.05, rtol=1e-6)
    assert not np.allclose(flat(jets.JER.up.pt), flat(jets.JER.down.pt), rtol=1e-3)
    assert len(passes) == 1
    assert len(dict(network.variations(events))) == 7
    assert len(passes) == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
@pytest.mark.parametrize(("table", "name"), [("Jet", "phi"), ("Jet", "eta"), *(("GenJet", n) for n in VECTOR)])
def test_jets_whose_smearing_cannot_be_known_are_left_alone(
    table: str, name: str, value: float, toys: Toys, sample: Path, open_nano: Any
) -> None:
    """A jet without a direction, and all jets of an event with a generator jet that cannot be so."""
    events = open_nano(sample, entry_stop=40)
    standard = toys.standard(**toys.options("AK4PFPuppi"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MismatchWarning)
        expected = standard.apply(events)
        old = events[table][name]
        event = int(np.flatnonzero((ak.num(old) > 0) & (ak.num(events.Jet) > 0))[0])
        here = (np.arange(len(events)) == event) & (ak.local_index(old) == 0)
        broken = ak.values_astype(ak.where(here, value, old), np.float32)
        events[table] = ak.with_field(events[table], broken, name)
        found = standard.apply(events)
    left = here if table == "Jet" else ak.ones_like(expected.pt) * (np.arange(len(events)) == event) == 1
    np.testing.assert_array_equal(flat(found.mljec_status)[flat(left)], int(Status.BAD_INPUT))
    np.testing.assert_array_equal(flat(found.pt_jec)[flat(left)], flat(found.pt_orig)[flat(left)])
    for one in (lambda jets: jets, lambda jets: jets.JER.up, lambda jets: jets.JES_Flavour.down):
        np.testing.assert_array_equal(flat(one(found).pt)[~flat(left)], flat(one(expected).pt)[~flat(left)])


# --- real files
