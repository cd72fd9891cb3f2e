"""What a correction makes of a network's outputs: pT, mass, resolution and probabilities, whoever takes the jet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import MLJEC, FactorizedJEC, MissingBranchWarning, Network, Status
from coffea_mljec.errors import MissingBranchError, MLJECError, ModelError
from coffea_mljec.payloads.resolution_files import read_resolution_text, read_scale_factor_text
from coffea_mljec.payloads.uncertainty_files import read_uncertainties_text
from tests.models import weaver_toy as toy

OUTPUTS = ("ratio", "m", "low", "high", "label_b", "label_c")
QUANTITIES: dict[str, Any] = {
    "ratio": ("pt", "exp"), "m": ("mass", "times_raw"),
    "low": ("quantile:0.16", "exp"), "high": ("quantile:.84", "exp"),
    "label_b": ("probability:b", "softmax"), "label_c": ("probability:c", "softmax"),
}  # fmt: skip


def model(folder: Path, names: Any = OUTPUTS, chosen: Any = None, collection: str = "FatJet", **options: Any) -> Any:
    """A toy whose outputs are what is chosen; of small weights, so that its corrections are plausible."""
    import onnx
    from onnx import numpy_helper

    graphs, file = toy.write(folder, names, softmax=False)
    graph = onnx.load_model_from_string(graphs[0].read_bytes())
    for constant in graph.graph.initializer:
        if constant.name in ("matrix", "bias"):
            small = (0.04 * numpy_helper.to_array(constant)).astype(np.float32)
            small = np.abs(small) + 0.1 if constant.name == "bias" else small
            constant.CopyFrom(numpy_helper.from_array(small, constant.name))
    graphs[0].write_bytes(graph.SerializeToString())
    chosen = {name: QUANTITIES[name] for name in names} if chosen is None else chosen
    return Network.from_weaver(graphs, file, collection=collection, outputs=chosen, name="toy", **options)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return model(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> FactorizedJEC:
    path = tmp_path_factory.mktemp("jec") / "Toy1_V1_MC_L2Relative_AK8PFPuppi.jec.txt"
    path.write_text("{1 JetEta 1 JetPt [0] Correction L2Relative}\n-5.5 0 3 1 6500 1.1\n0 5.5 3 1 6500 1.1\n")
    return FactorizedJEC.from_txt([path])


def flat(values: Any) -> np.ndarray:
    return ak.to_numpy(ak.flatten(values))


def test_every_output_becomes_a_field(network: Network, layout_events: Any) -> None:
    events = layout_events("pfnano")
    jets, said = MLJEC(network.model).apply(events, "FatJet"), network.outputs(events)
    applied = flat(Status.APPLIED.of(jets))
    assert applied.sum() > 15
    assert {"pt_resolution", "mljec_b", "mljec_c"} <= set(jets.fields)
    of = {name: flat(said[name])[applied] for name in said.fields}
    for field, expected in (
        ("pt", flat(jets.pt_raw)[applied] * of["ratio"]),
        ("mass", of["m"]),
        ("pt_resolution", 0.5 * np.log(of["high"] / of["low"])),
        ("mljec_b", of["b"]),
        ("mljec_c", 1 - of["b"]),
    ):
        np.testing.assert_allclose(flat(jets[field])[applied], expected, rtol=2e-5, atol=1e-6, err_msg=field)
        assert np.ptp(flat(jets[field])[applied]) > 0
    np.testing.assert_allclose(flat(jets.pt * (1 - jets.rawFactor)), flat(jets.pt_raw), rtol=1e-6)
    np.testing.assert_allclose(flat(jets.mass_raw)[applied] * (of["m"] / flat(jets.mass_raw)[applied]), of["m"])
    # The mass is not that of pT's factor, and soft-drop mass and everything else is as it was.
    assert np.abs(flat(jets.mass) / (flat(jets.mass_raw) * flat(jets.jet_energy_correction)) - 1)[applied].max() > 0.01
    np.testing.assert_array_equal(flat(jets.mass_orig), flat(events.FatJet.mass))
    assert set(events.FatJet.fields) <= set(jets.fields)


def test_modes_give_the_same(network: Network, layout_events: Any) -> None:
    pytest.importorskip("dask_awkward")
    provider = MLJEC(network.model)
    found = {
        mode: provider.apply(layout_events("pfnano", mode=mode), "FatJet") for mode in ("eager", "virtual", "dask")
    }
    fields = ("pt", "mass", "pt_resolution", "mljec_b", "mljec_status")
    before = {mode: set(layout_events("pfnano", mode=mode).FatJet.fields) for mode in found}
    new = {mode: set(jets.fields) - before[mode] for mode, jets in found.items()}
    assert new["dask"] == new["eager"] == new["virtual"]
    assert {"pt_resolution", "mljec_b", "mljec_c"} < new["dask"]
    computed = found["dask"][list(fields)].compute()
    for field in fields:
        np.testing.assert_array_equal(flat(computed[field]), flat(found["virtual"][field]))
        np.testing.assert_array_equal(flat(found["eager"][field]), flat(found["virtual"][field]))


def test_what_is_not_said_of_a_jet_is_nan(network: Network, standard: Any, layout_events: Any) -> None:
    events = layout_events("pfnano")
    limit = float(np.median(flat(events.FatJet.pt * (1 - events.FatJet.rawFactor))))
    card = network.card.model_copy(update={"domain": network.card.domain.model_copy(update={"pt_raw": (limit, 1e4)})})
    limited = type(network.model)(card, network.model.graph)
    whole = MLJEC(network.model).apply(events, "FatJet")
    for fallback in (None, standard):
        jets = MLJEC(limited, fallback=fallback).apply(events, "FatJet")
        below, own = flat(jets.pt_raw) < limit, flat(Status.APPLIED.of(jets))
        assert below.sum() > 5
        assert not own[below].any()
        for field in ("pt_resolution", "mljec_b"):
            assert np.isnan(flat(jets[field])[~own]).all()
            np.testing.assert_array_equal(flat(jets[field])[own], flat(whole[field])[own])
        np.testing.assert_array_equal(flat(jets.mass)[own], flat(whole.mass)[own])
        wanted = flat(jets.mass_raw) * np.float32(1.1) if fallback else flat(jets.mass_orig)
        np.testing.assert_allclose(flat(jets.mass)[below], wanted[below], rtol=1e-6)
        assert flat(Status.FALLBACK.of(jets))[below].all() == (fallback is not None)


def test_a_second_correction_leaves_nothing_of_the_first(
    network: Network, standard: Any, layout_events: Any, tmp_path: Path
) -> None:  # fmt: skip
    events = layout_events("pfnano")
    first = MLJEC(network.model).apply(events, "FatJet")
    events["FatJet"] = first
    again = MLJEC(network.model).apply(events, "FatJet")
    for field in ("pt", "mass", "pt_raw", "mass_raw", "pt_orig", "mass_orig", "pt_resolution", "mljec_b"):
        np.testing.assert_allclose(flat(again[field]), flat(first[field]), rtol=1e-6, err_msg=field)
    other = standard.apply(events, "FatJet")
    assert not {"pt_resolution", "mljec_b", "mljec_c"} & set(other.fields)
    np.testing.assert_allclose(flat(other.mass), 1.1 * flat(other.mass_raw), rtol=1e-6)
    np.testing.assert_array_equal(flat(other.mass_orig), flat(first.mass_orig))
    classes = model(tmp_path, ["ratio", "label_c"], {"ratio": ("pt", "exp"), "label_c": "probability:x"})
    third = MLJEC(classes.model).apply(events, "FatJet")
    assert "mljec_x" in third.fields
    assert not {"pt_resolution", "mljec_b", "mljec_c"} & set(third.fields)


def test_a_mass_alone_leaves_the_pt_of_the_file(tmp_path: Path, layout_events: Any) -> None:
    events = layout_events("pfnano")
    network = model(tmp_path, ["m"], {"m": ("mass", "times_raw")})
    jets, said = MLJEC(network.model).apply(events, "FatJet"), network.outputs(events)
    applied = flat(Status.APPLIED.of(jets))
    np.testing.assert_allclose(flat(jets.pt), flat(events.FatJet.pt), rtol=1e-6)
    np.testing.assert_allclose(flat(jets.mass)[applied], flat(said.m)[applied], rtol=1e-6)
    np.testing.assert_array_equal(flat(jets.mass_orig), flat(events.FatJet.mass))
    assert "pt_resolution" not in jets.fields


def test_a_mass_for_another_field_of_the_jets(tmp_path: Path, standard: Any, layout_events: Any) -> None:
    """Soft-drop mass, from which the file's is kept; pT and mass are as without it, and so are jets left alone."""
    events = layout_events("pfnano")
    file = flat(events.FatJet.mass) * np.float32(0.7)
    events["FatJet"] = ak.with_field(events.FatJet, events.FatJet.mass * np.float32(0.7), "msoftdrop")
    given = {"ratio": ("pt", "exp"), "m": ("mass:msoftdrop", "times_raw")}
    network = model(tmp_path, ["ratio", "m"], given)
    limit = float(np.median(flat(events.FatJet.pt * (1 - events.FatJet.rawFactor))))
    card = network.card.model_copy(update={"domain": network.card.domain.model_copy(update={"pt_raw": (limit, 1e4)})})
    provider = MLJEC(type(network.model)(card, network.model.graph), fallback=standard)
    jets, said = provider.apply(events, "FatJet"), network.outputs(events)
    own = flat(Status.APPLIED.of(jets))
    assert 0 < own.sum() < len(own)
    np.testing.assert_allclose(flat(jets.msoftdrop)[own], flat(said.m)[own], rtol=1e-6)
    np.testing.assert_array_equal(flat(jets.msoftdrop)[~own], file[~own])
    np.testing.assert_array_equal(flat(jets.msoftdrop_orig), file)
    np.testing.assert_allclose(flat(jets.mass), flat(jets.mass_raw) * flat(jets.jet_energy_correction), rtol=1e-5)
    assert {"msoftdrop", "msoftdrop_orig"} <= set(provider.columns(events, "FatJet"))
    # Corrected again, by itself and by what does not set it.
    events["FatJet"] = jets
    again = provider.apply(events, "FatJet")
    np.testing.assert_array_equal(flat(again.msoftdrop), flat(jets.msoftdrop))
    np.testing.assert_array_equal(flat(again.msoftdrop_orig), file)
    assert "FatJet_msoftdrop_orig" in standard.required_branches(events, "FatJet")
    np.testing.assert_array_equal(flat(standard.apply(events, "FatJet").msoftdrop), file)


def test_a_mass_for_a_field_that_is_not_there(tmp_path: Path, standard: Any, layout_events: Any) -> None:
    events = layout_events("pfnano")
    network = model(tmp_path, ["m"], {"m": ("mass:mpruned", "identity")})
    with pytest.raises(
        MissingBranchError, match=r"model 'toy' sets mpruned of FatJet, and the file lacks FatJet_mpruned"
    ):
        MLJEC(network.model).apply(events, "FatJet")
    with pytest.warns(MissingBranchWarning, match="FatJet_mpruned"):
        jets = MLJEC(network.model, fallback=standard).apply(events, "FatJet")
    assert flat(Status.FALLBACK.of(jets)).all()
    for wrong in ("mass:pt", "mass:msoftdrop_orig", "mass:"):
        with pytest.raises(MLJECError, match=r"is no field that a mass may set|unknown quantity 'mass:'"):
            model(tmp_path, ["m"], {"m": (wrong, "identity")})


def test_resolution_as_the_network_gives_it(tmp_path: Path, layout_events: Any) -> None:
    events = layout_events("pfnano")
    network = model(tmp_path, ["ratio", "s"], {"ratio": ("pt", "exp"), "s": ("resolution", "exp")})
    jets = MLJEC(network.model).apply(events, "FatJet")
    applied = flat(Status.APPLIED.of(jets))
    np.testing.assert_allclose(flat(jets.pt_resolution)[applied], flat(network.outputs(events).s)[applied], rtol=1e-6)


def test_smearing_by_the_jets_own_resolution(standard: FactorizedJEC, tmp_path: Path, layout_events: Any) -> None:
    network = model(tmp_path, ["ratio", "s"], {"ratio": ("pt", "exp"), "s": ("resolution", "exp")})
    head = tmp_path / "MLJECSim-toy_V1_MC_PtResolution_AK8PFPuppi.jr.txt"
    head.write_text("{1 JetEta 1 JetPt [0] Resolution}\n-5.5 5.5 3 1 6500 0.25\n")
    factor = tmp_path / "MLJECSim-toy_V1_MC_SF_AK8PFPuppi.jersf.txt"
    factor.write_text("{1 JetEta 0 None ScaleFactor}\n-5.5 5.5 3 1.005 1.0 1.01\n")
    smeared = {
        "resolution": read_resolution_text(head), "scale_factor": read_scale_factor_text(factor),
        "smearing": "stochastic", "standard_jets": True,
    }  # fmt: skip
    events = layout_events("pfnano")
    events["GenJetAK8"] = events.GenJet
    corrector = MLJEC(network.model, fallback=standard, jet_resolution=True, **smeared)
    jets, plain = corrector.apply(events, "FatJet"), MLJEC(network.model, fallback=standard, **smeared).apply(
        events, "FatJet"
    )  # fmt: skip
    own, taken = flat(jets.pt_resolution), flat(jets.jet_energy_resolution)
    given = np.isfinite(own)
    assert given.sum() > 15
    np.testing.assert_allclose(taken[given], own[given], rtol=1e-6)
    np.testing.assert_allclose(taken[~given], 0.25, rtol=1e-6)
    # The same random number: distances from the unsmeared pT are as the resolutions.
    moved, usual = (flat(one.pt / one.pt_jec) - 1.0 for one in (jets, plain))
    np.testing.assert_allclose(moved[given], (usual * own / 0.25)[given], rtol=1e-4, atol=1e-6)
    assert np.ptp(moved[given]) > 0.01
    with pytest.raises(MLJECError, match=r"jet_resolution=True, but .* gives no pt_resolution: take a model"):
        FactorizedJEC(standard.payload, jet_resolution=True, **smeared).apply(events, "FatJet")
    with pytest.raises(MLJECError, match="jet_resolution without resolution"):
        MLJEC(network.model, jet_resolution=True)


def test_networks_that_correct_nothing(tmp_path: Path) -> None:
    network = model(tmp_path, ["label_b", "w"], {"label_b": ("probability:b", "softmax")})
    with pytest.raises(
        ModelError,
        match=r"'toy' gives probability:b, value: neither pt nor mass, so it corrects no jets. Read its outputs by",
    ):
        MLJEC(network.model)


def test_variations_carry_the_outputs(network: Network, layout_events: Any, tmp_path: Path) -> None:
    """The mass of the network is scaled as pT is, and what is said of a jet is said of its variations."""
    path = tmp_path / "Toy1_V1_MC_UncertaintySources_AK8PFPuppiToy.junc.txt"
    path.write_text('[Scale]\n{1 JetEta 1 JetPt "" Correction JECSource}\n-5.4 5.4 6 10 0.02 0.04 100 0.01 0.03\n')
    events = layout_events("pfnano")
    provider = MLJEC(network.model, uncertainties=read_uncertainties_text(path))
    plain, jets = MLJEC(network.model).apply(events, "FatJet"), provider.apply(events, "FatJet")
    found = dict(provider.variations(events, "FatJet"))
    assert set(found) == {"nominal", "JES_Scale_up", "JES_Scale_down"}
    for name, varied in found.items():
        np.testing.assert_array_equal(flat(varied.mljec_b), flat(plain.mljec_b))
        np.testing.assert_array_equal(flat(varied.pt_resolution), flat(plain.pt_resolution))
        ratio = flat(varied.pt) / flat(plain.pt)
        assert (np.abs(ratio - 1) > 0.005).all() == (name != "nominal")
        np.testing.assert_allclose(flat(varied.mass), flat(plain.mass) * ratio, rtol=1e-5)
    for direction in ("up", "down"):
        mass = jets["JES_Scale"][direction].mass
        np.testing.assert_allclose(flat(mass), flat(found[f"JES_Scale_{direction}"].mass), rtol=1e-6)
