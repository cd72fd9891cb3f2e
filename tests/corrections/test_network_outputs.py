"""`Network.outputs` on events, against a plain twin that follows the links in Python."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import Network, Status
from coffea_mljec.errors import InputError, MissingBranchError
from tests.models import weaver_toy as toy


def wrapped(angle: Any) -> Any:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def jets_of(events: Any, collection: str) -> list[dict[str, np.ndarray]]:
    """The toy's variables of all jets, in double precision, ordered and selected as CMSSW does."""
    tables = {
        "PFCands": ("pt", "eta", "phi", "mass", "charge", "d0", "d0Err", "trkChi2", "puppiWeight"),
        "SV": ("pt", "eta", "phi", "dlenSig", "dxySig"),
        collection: ("pt", "eta", "phi"),
        f"{collection}PFCands": ("jetIdx", "pFCandsIdx"),
    }
    columns = {t: {f: ak.to_list(events[t][f]) for f in fields} for t, fields in tables.items()}
    out = []
    for event in range(len(events)):
        part = {t: {f: np.array(v[event], np.float64) for f, v in c.items()} for t, c in columns.items()}
        links, jets = part[f"{collection}PFCands"], part[collection]
        for jet in range(len(jets["pt"])):
            eta, phi = jets["eta"][jet], jets["phi"][jet]
            rows = links["pFCandsIdx"][links["jetIdx"] == jet].astype(int)
            c = {name: values[rows] for name, values in part["PFCands"].items()}
            weight = c["puppiWeight"] if collection == "FatJet" else np.ones(len(rows))
            order = [i for i in np.argsort(-c["pt"] * weight, kind="stable") if weight[i] >= 0.01]
            c = {name: values[order] for name, values in c.items()}
            track = (c["charge"] != 0) & (c["trkChi2"] >= 0)
            s, radius = part["SV"], 0.8 if collection == "FatJet" else 0.4
            near = np.flatnonzero((s["eta"] - eta) ** 2 + wrapped(s["phi"] - phi) ** 2 < radius**2)
            near = near[np.argsort(-np.abs(s["dxySig"][near]), kind="stable")]
            with np.errstate(all="ignore"):
                out.append(
                    {
                        "pfcand_pt_log_nopuppi": np.log(c["pt"]),
                        "pfcand_e_log_nopuppi": 0.5 * np.log((c["pt"] * np.cosh(c["eta"])) ** 2 + c["mass"] ** 2),
                        "pfcand_charge": c["charge"],
                        "pfcand_dxysig": np.where(track, c["d0"] / c["d0Err"], 0.0),
                        "pfcand_mask": np.ones(len(order)),
                        "sv_pt_log": np.log(s["pt"][near]),
                        "sv_d3dsig": s["dlenSig"][near],
                        "sv_mask": np.ones(len(near)),
                    }
                )
    return out


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return toy.write(tmp_path_factory.mktemp("toy"), seeds=(0, 4))


def network(files: Any, collection: str = "FatJet", **options: Any) -> Network:
    return Network.from_weaver(*files, collection=collection, **options)


def flat(outputs: Any) -> np.ndarray:
    return np.stack([ak.to_numpy(ak.flatten(outputs[name])) for name in ("b", "c", "g")], axis=1)


@pytest.mark.parametrize("collection", ["Jet", "FatJet"])
def test_twin(files: Any, layout_events: Any, collection: str) -> None:
    events = layout_events("pfnano" if collection == "FatJet" else "pfnano_no_sv_links")
    options = {"algorithm": "AK4PFchs"} if collection == "Jet" else {}
    found = network(files, collection, **options).outputs(events)
    assert found.fields == ["b", "c", "g", "mljec_status"]
    assert ak.to_list(ak.num(found)) == ak.to_list(ak.num(events[collection]))
    treated = np.asarray(ak.flatten(Status.APPLIED.of(found)))
    expected = toy.naive(jets_of(events, collection), toy.preprocess(), seeds=(0, 4))
    got = flat(found)
    assert treated.sum() > 15
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[treated], expected[treated], rtol=1e-4, atol=1e-5)
    assert np.isnan(got[~treated]).all()
    assert np.ptp(got[treated], axis=0).min() > 0.05


def test_modes_give_the_same(files: Any, layout_events: Any) -> None:
    pytest.importorskip("dask_awkward")
    asked = network(files)
    found = {mode: asked.outputs(layout_events("pfnano", mode=mode)) for mode in ("eager", "virtual", "dask")}
    found["dask"] = found["dask"].compute()
    for mode in ("eager", "dask"):
        assert found[mode].type.content == found["virtual"].type.content
        np.testing.assert_array_equal(flat(found[mode]), flat(found["virtual"]))
        assert ak.all(found[mode].mljec_status == found["virtual"].mljec_status)


def test_dask_reads_what_is_declared(files: Any, layout_events: Any) -> None:
    dask_awkward = pytest.importorskip("dask_awkward")
    events, asked = layout_events("pfnano", mode="dask"), network(files)
    (touched,) = dask_awkward.necessary_columns(asked.outputs(events)).values()
    declared = set(asked.required_branches(events))
    assert set(touched) <= declared
    assert {name for name in declared if not name.startswith("n")} <= set(touched)
    assert {"PFCands_charge", "PFCands_d0Err", "FatJetPFCands_jetIdx", "SV_dxySig"} <= declared


def test_jets_that_were_cut_or_sorted(files: Any, layout_events: Any) -> None:
    events, asked = layout_events("pfnano"), network(files)
    whole = asked.outputs(events)
    for change in (lambda jets: jets.pt > 40, lambda jets: ak.argsort(jets.eta), lambda jets: ak.local_index(jets.pt)):
        changed = layout_events("pfnano")
        picked = change(changed.FatJet)
        changed["FatJet"] = changed.FatJet[picked]
        np.testing.assert_allclose(flat(asked.outputs(changed)), flat(whole[picked]), rtol=1e-5, atol=1e-6)


def test_events_that_were_selected_and_empty_chunks(files: Any, layout_events: Any) -> None:
    events, asked = layout_events("pfnano"), network(files)
    whole = asked.outputs(events)
    mask = np.arange(len(events)) % 3 == 1
    np.testing.assert_allclose(flat(asked.outputs(events[mask])), flat(whole[mask]), rtol=1e-5, atol=1e-6)
    nothing = asked.outputs(events[:0])
    assert (len(nothing), nothing.fields) == (0, whole.fields)
    no_jets = events[ak.num(events.FatJet) < 0]
    assert len(ak.flatten(asked.outputs(no_jets).b)) == 0


@pytest.mark.parametrize("batch", [1, 7])
def test_batches_and_threads_change_nothing(files: Any, layout_events: Any, batch: int) -> None:
    events, asked = layout_events("pfnano"), network(files)
    small = asked.model.card.model_copy(update={"batch_size": batch})
    model = type(asked.model)(small, asked.model.graph, asked.model.members)
    for threads in (1, 3):
        found = Network(model, threads=threads).outputs(events)
        np.testing.assert_allclose(flat(found), flat(asked.outputs(events)), rtol=1e-5, atol=1e-6)


def test_saved_and_opened(files: Any, layout_events: Any, tmp_path: Path) -> None:
    asked = network(files)
    assert asked.save(tmp_path / "folder") == tmp_path / "folder"
    again = Network(tmp_path / "folder")
    assert again.model == asked.model
    events = layout_events("pfnano")
    np.testing.assert_array_equal(flat(again.outputs(events)), flat(asked.outputs(events)))


ELSEWHERE = """
import pickle, sys, warnings
warnings.simplefilter("ignore")
import awkward as ak
from coffea_mljec.nano import open_nano
asked = pickle.loads(sys.stdin.buffer.read())
with open_nano(sys.argv[1]) as nano:
    found = asked.outputs(nano.events())
    sys.stdout.buffer.write(pickle.dumps(ak.to_list(found)))
"""


def test_in_another_process(files: Any, layout_events: Any, generated: Any) -> None:
    asked = network(files)
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(generated("pfnano"))], input=pickle.dumps(asked), capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    found = ak.Array(pickle.loads(done.stdout))
    np.testing.assert_allclose(flat(found), flat(asked.outputs(layout_events("pfnano"))), rtol=1e-6)


def test_features_that_are_not_finite_are_flagged(files: Any, layout_events: Any) -> None:
    events, asked = layout_events("pfnano"), network(files)
    before = asked.outputs(events)
    table = events.PFCands
    # An error of 0 makes the significance of every charged candidate of the first event infinite or NaN.
    event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(table)))
    error = np.where(event == 0, 0.0, ak.to_numpy(ak.flatten(table.d0Err))).astype(np.float32)
    events["PFCands"] = ak.with_field(table, ak.unflatten(error, ak.num(table)), "d0Err")
    after = asked.outputs(events)
    flagged = Status.REPLACED_INPUT.of(after)
    assert ak.all(flagged[0])
    assert not ak.any(flagged[1:])
    assert not ak.any(Status.REPLACED_INPUT.of(before))
    assert ak.all(Status.APPLIED.of(after)[0] == Status.APPLIED.of(before)[0])
    assert np.isfinite(ak.to_numpy(after.b[0])).all()
    np.testing.assert_allclose(flat(after[1:]), flat(before[1:]), rtol=1e-5, atol=1e-6)


def test_files_without_the_branches(files: Any, layout_events: Any) -> None:
    events, asked = layout_events("nanoaod_v15"), network(files)
    lacking = "All that is missing: PFCand_charge, PFCand_d0, PFCand_trkChi2, PFCand_d0Err"
    for call in (asked.outputs, asked.required_branches, asked.features):
        with pytest.raises(
            MissingBranchError, match=r"feature candidates.\w+ of model 'toy-0' needs \w+: looked for"
        ) as e:
            call(events)
        assert set(lacking.split(": ")[1].split(", ")) <= set(str(e.value).split(": ")[-1].rstrip(".").split(", "))
    with pytest.raises(MissingBranchError, match="needs the particle-flow candidates of Jet"):
        network(files, "Jet").outputs(layout_events("nano"))


def test_collections_that_it_is_not_for(files: Any, layout_events: Any) -> None:
    events, asked = layout_events("pfnano"), network(files)
    with pytest.raises(InputError, match="model 'toy-0' is for AK8PFPuppi jets, collection FatJet; got 'Jet'"):
        asked.outputs(events, "Jet")
    with pytest.raises(InputError, match="events must be NanoEvents"):
        asked.outputs([1, 2])
    with pytest.raises(InputError, match="threads must be at least 1; got 0"):
        network(files, threads=0)


def test_our_own_networks_have_outputs_too(sample: Path, open_nano: Any) -> None:
    events = open_nano(sample, entry_stop=30)
    found = Network("pfn-r-lite").outputs(events)
    assert found.fields == ["q50", "q16", "q84", "mljec_status"]
    jets = mljec.MLJEC("pfn-r-lite").apply(events)
    applied = Status.APPLIED.of(jets)
    np.testing.assert_allclose(
        ak.flatten(found.q50[applied]), ak.flatten(jets.jet_energy_correction[applied]), rtol=1e-6
    )


def test_outputs_as_fields_of_the_jets(files: Any, layout_events: Any) -> None:
    pytest.importorskip("dask_awkward")
    asked = network(files)
    found = {mode: asked.apply(layout_events("pfnano", mode=mode)) for mode in ("eager", "virtual", "dask")}
    before, outputs = layout_events("pfnano").FatJet, asked.outputs(layout_events("pfnano"))
    assert set(found["virtual"].fields) - set(before.fields) == {"mljec_b", "mljec_c", "mljec_g", "mljec_status"}
    assert asked.columns(layout_events("pfnano")) == dict.fromkeys(
        ("pt", "eta", "phi", "mass", "mljec_b", "mljec_c", "mljec_g"), "float32"
    ) | {"mljec_status": "uint16"}
    computed = found["dask"][["pt", "mljec_b", "mljec_status"]].compute()
    for jets in (found["eager"], found["virtual"], computed):
        np.testing.assert_array_equal(ak.flatten(jets.mljec_b), ak.flatten(outputs.b))
        assert ak.all(jets.mljec_status == outputs.mljec_status)
        assert ak.all(jets.pt == before.pt)
