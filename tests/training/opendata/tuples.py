"""Jet tuples in exactly the layout of CERN Open Data record 12100, made from the sample that comes with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot


def _named(kind: str, *lines: str) -> dict[str, str]:
    return {name: kind for line in lines for name in line.split()}


JET = {
    **_named(
        "f4",
        "jetPt jetEta jetPhi jetMass jetGirth jetArea jetRawPt jetRawMass jetQGl QG_ptD QG_axis2 genJetPt genJetEta",
        "genJetPhi genJetMass pthat eventWeight rhoAll rhoCentral rhoCentralNeutral rhoCentralChargedPileUp",
        "dPhiJetsLO dEtaJetsLO alpha Pileup_nTrueInt",
    ),
    **_named(
        "u4",
        "jetLooseID jetTightID jetGenMatch QG_mult isPartonUDS isPartonG isPartonOther isPhysUDS isPhysG isPhysOther",
        "jetChargedHadronMult jetNeutralHadronMult jetChargedMult jetNeutralMult jetMult eventJetMult jetPtOrder run",
        "lumi PV_npvsGood Pileup_nPU",
    ),
    **_named("i4", "partonFlav hadronFlav physFlav"),
    "event": "u8",
}
CANDIDATE = {
    **_named("f4", "PF_pT PF_dR PF_dTheta PF_dPhi PF_dEta PF_mass"),
    "PF_id": "i4",
    **_named("u4", "PF_fromPV PF_fromAK4Jet"),
}
GENERATED = _named("f4", "genPF_pT genPF_dR genPF_dTheta genPF_mass") | {"genPF_id": "i4"}


def jets_of(sample: Path, events: int = 200) -> dict[str, Any]:
    """The columns of a tuple: the central jets above 30 GeV of the sample, one entry each, by event."""
    with uproot.open(sample) as file:
        given = file["Events"].arrays(entry_stop=events)
    counts = ak.num(given["Jet_pt"])
    kept = (given["Jet_pt"] > 30) & (abs(given["Jet_eta"]) < 2.5)
    event_of = np.repeat(np.arange(len(given)), ak.to_numpy(counts))[ak.to_numpy(ak.flatten(kept))]

    def jet(name: str) -> Any:
        return ak.to_numpy(ak.flatten(given[f"Jet_{name}"][kept]))

    def event(name: str) -> Any:
        return ak.to_numpy(given[name])[event_of]

    raw = jet("pt") * (1 - jet("rawFactor").astype(np.float64))
    matched = jet("genJetIdx") >= 0
    index = ak.Array(np.maximum(jet("genJetIdx"), 0))
    generator = {
        name: np.where(matched, ak.to_numpy(given[f"GenJet_{name}"][event_of][np.arange(len(index)), index]), 0.0)
        for name in ("pt", "eta", "phi", "mass")
    }
    columns: dict[str, Any] = dict.fromkeys(JET, np.zeros(len(event_of)))
    columns |= {
        "jetPt": jet("pt"), "jetEta": jet("eta"), "jetPhi": jet("phi"), "jetMass": jet("mass"), "jetArea": jet("area"),
        "jetRawPt": raw, "jetRawMass": jet("mass") * (1 - jet("rawFactor")), "jetGenMatch": matched,
        "genJetPt": generator["pt"], "genJetEta": generator["eta"], "genJetPhi": generator["phi"],
        "genJetMass": generator["mass"], "partonFlav": jet("partonFlavour"), "hadronFlav": jet("hadronFlavour"),
        "jetLooseID": np.ones(len(event_of)), "jetTightID": jet("jetId") > 0,
        "run": event("run"), "lumi": event("luminosityBlock"), "rhoAll": event("fixedGridRhoFastjetAll"),
        "PV_npvsGood": event("PV_npvsGood"), "pthat": event("Generator_binvar"), "eventWeight": event("genWeight"),
        "Pileup_nPU": event("Pileup_nPU"), "Pileup_nTrueInt": event("Pileup_nTrueInt"),
    }  # fmt: skip
    columns["event"] = event("event")
    columns = {name: values.astype(JET[name]) for name, values in columns.items()}
    place = ak.to_numpy(ak.flatten(ak.local_index(given["Jet_pt"])[kept]))
    return columns | _candidates(given, event_of, columns, place)


def _candidates(given: Any, event_of: Any, jets: dict[str, Any], place: Any) -> dict[str, Any]:
    """All candidates of the event within 1 in eta and phi, those of the jet marked."""
    rows: dict[str, list[Any]] = {name: [] for name in CANDIDATE}
    for number, (at, index) in enumerate(zip(event_of, place, strict=True)):
        one = given[int(at)]
        owned = one["JetPFCands_pFCandsIdx"][one["JetPFCands_jetIdx"] == index]
        of_jet = np.zeros(len(one["PFCands_pt"]), np.bool_)
        of_jet[ak.to_numpy(owned)] = True
        d_eta = ak.to_numpy(one["PFCands_eta"]) - jets["jetEta"][number]
        d_phi = ak.to_numpy(one["PFCands_phi"]) - jets["jetPhi"][number]
        d_phi = np.mod(d_phi + np.pi, 2 * np.pi) - np.pi
        near = (abs(d_eta) < 1) & (abs(d_phi) < 1)
        columns = {
            "PF_pT": one["PFCands_pt"], "PF_dR": np.hypot(d_eta, d_phi), "PF_dTheta": np.arctan2(d_phi, d_eta),
            "PF_dPhi": d_phi, "PF_dEta": d_eta, "PF_mass": one["PFCands_mass"], "PF_id": one["PFCands_pdgId"],
            "PF_fromPV": one["PFCands_fromPV"], "PF_fromAK4Jet": of_jet,
        }  # fmt: skip
        for name, values in columns.items():
            rows[name].append(np.asarray(values)[near].astype(CANDIDATE[name]))
    counts = [len(one) for one in rows["PF_pT"]]
    found = {name: ak.unflatten(np.concatenate(values), counts) for name, values in rows.items()}
    nothing = {name: ak.unflatten(np.zeros(0, kind), np.zeros(len(counts), int)) for name, kind in GENERATED.items()}
    return found | nothing


def write(path: Path, columns: dict[str, Any], folder: str = "AK4jets/", without: tuple[str, ...] = ()) -> Path:
    """Write jets as ``jetTree``, and an empty ``genPartTree`` beside it."""
    kinds: dict[str, Any] = {}
    for name, values in columns.items():
        if name not in without:
            kinds[name] = ak.type(values).content if isinstance(values, ak.Array) else values.dtype
    counter = {"PF": "nPF", "genPF": "nGenJetPF"}
    with uproot.recreate(path) as file:
        tree = file.mktree(f"{folder}jetTree", kinds, counter_name=lambda name: counter[name.split("_")[0]])
        tree.extend({name: columns[name] for name in kinds})
        file.mktree(f"{folder}genPartTree", {"genPartPdgId": "var * int32"})
    return path


def taken(columns: dict[str, Any], rows: Any) -> dict[str, Any]:
    """Some jets, in any order."""
    return {name: values[rows] for name, values in columns.items()}
