"""Small files in every layout of which no real one is at hand: the bundled sample, renamed, re-linked and re-weighted.

`LAYOUTS` names them; `write_layout` puts one on disk as TTree, RNTuple or Parquet. What a layout is like is said where
it is made here, and read in the adapter; both follow the producers named in `coffea_mljec.nano.table_names`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from tests.factories import Columns, Tables, write


@cache
def read_sample(path: Path, n_events: int = 12) -> Tables:
    """The first events of the bundled sample, without the mark of our simulation."""
    with uproot.open(path) as file:
        arrays = {name: branch.array(entry_stop=n_events) for name, branch in file["Events"].items()}
    counts = {
        name[1:]: ak.to_numpy(a) for name, a in arrays.items() if name.startswith("n") and name[1:] + "_pt" in arrays
    }
    counts["JetPFCands"] = ak.to_numpy(arrays["nJetPFCands"])
    tables: dict[str, Columns] = {name: {} for name in counts}
    events: Columns = {}
    for name, values in arrays.items():
        table, _, column = name.partition("_")
        if table in tables:
            tables[table][column] = ak.to_numpy(ak.flatten(values))
        elif values.ndim == 1 and not name.startswith("n") and table != "MLJEC":
            events[name] = ak.to_numpy(values)
    n = len(tables["Jet"]["pt"])
    tables["Jet"] |= {"puId": np.full(n, 7, np.int32), "bRegCorr": np.linspace(0.9, 1.3, n, dtype=np.float32)}
    return Tables(events, counts, tables)


def with_puppi_jets(tables: Tables, collection: str) -> Tables:
    """Add jets of the same candidates, weighted, with links to those of weight above zero (and drop the old links)."""
    links, candidates = tables.tables["JetPFCands"], tables.tables["PFCands"]
    event = np.repeat(np.arange(len(tables.counts["Jet"])), tables.counts["JetPFCands"])
    jet = links["jetIdx"] + tables.offsets("Jet")[event]
    row = links["pFCandsIdx"] + tables.offsets("PFCands")[event]
    used = candidates["puppiWeight"][row] > 0
    event, jet, row = event[used], jet[used], row[used]
    pt = candidates["pt"][row].astype(np.float64) * candidates["puppiWeight"][row]
    eta, phi = candidates["eta"][row].astype(np.float64), candidates["phi"][row].astype(np.float64)
    n_jets = len(tables.tables["Jet"]["pt"])
    px, py, pz = (np.bincount(jet, pt * f, n_jets) for f in (np.cos(phi), np.sin(phi), np.sinh(eta)))
    raw = np.hypot(px, py)
    kept = raw > 5.0
    old = tables.tables["Jet"]
    new = {name: values[kept] for name, values in old.items() if name not in ("puId", "bRegCorr")}
    new |= {
        "pt": (raw[kept] / (1 - old["rawFactor"][kept])).astype(np.float32),
        "eta": np.arcsinh(pz[kept] / raw[kept]).astype(np.float32),
        "phi": np.arctan2(py[kept], px[kept]).astype(np.float32),
    }
    event_of_jet = np.repeat(np.arange(len(tables.counts["Jet"])), tables.counts["Jet"])
    counts = np.bincount(event_of_jet[kept], minlength=len(tables.counts["Jet"]))
    number = np.cumsum(kept) - 1
    linked = kept[jet]
    event, jet, row = event[linked], jet[linked], row[linked]
    begin = np.concatenate([[0], np.cumsum(counts)])
    index = {
        "jetIdx": (number[jet] - begin[event]).astype(np.int32),
        "pFCandsIdx": (row - tables.offsets("PFCands")[event]).astype(np.int32),
    }
    n_links = np.bincount(event, minlength=len(counts))
    new["nConstituents"] = np.bincount(number[jet], minlength=int(kept.sum())).astype(np.int32)
    if collection == "Jet":
        tables = tables.without("JetSVs")
    return tables.with_table(collection, new, counts).with_table(f"{collection}PFCands", index, n_links)


def with_pnet(tables: Tables) -> Tables:
    n = len(tables.tables["Jet"]["pt"])
    visible = np.linspace(0.8, 1.2, n, dtype=np.float32)
    return tables.with_columns(
        "Jet", PNetRegPtRawCorr=visible, PNetRegPtRawCorrNeutrino=np.linspace(1.0, 1.1, n, dtype=np.float32)
    )


def run3(tables: Tables) -> Tables:
    """PUPPI jets as ``Jet``, rho in its collection, the stored ParticleNet regression."""
    events = {name: values for name, values in tables.events.items() if name != "fixedGridRhoFastjetAll"}
    events["Rho_fixedGridRhoFastjetAll"] = tables.events["fixedGridRhoFastjetAll"]
    return with_pnet(replace(with_puppi_jets(tables, "Jet"), events=events))


def stored_weights(tables: Tables) -> Tables:
    """Central NanoAODv15: the pT is the product with the weight, which is not stored; nor is anything of the track."""
    table = tables.tables["PFCands"]
    weighted = (table["pt"].astype(np.float64) * table["puppiWeight"]).astype(np.float32)
    kept = {name: table[name] for name in ("eta", "phi", "mass", "pdgId")}
    return tables.with_table("PFCands", {"pt": weighted, **kept}, tables.counts["PFCands"])


def owned_rows(tables: Tables, collection: str = "Jet") -> Tables:
    """Each jet has its own rows of candidates, as in PFNano of 2020 (whose real files lack what networks read)."""
    links = tables.tables[f"{collection}PFCands"]
    n_links = tables.counts[f"{collection}PFCands"]
    row = links["pFCandsIdx"] + np.repeat(tables.offsets("PFCands")[:-1], n_links)
    owned = {name: values[row] for name, values in tables.tables["PFCands"].items()}
    owned["jetIdx"] = links["jetIdx"]
    return tables.with_table(f"{collection}PFCands", owned, n_links)


def pfnano_106x(tables: Tables) -> Tables:
    if "JetSVs" in tables.tables:
        tables = tables.renamed("JetSVs", "JetSVsAK4", sVIdx="svIdx")
    for collection, tag in (("Jet", "AK4"), ("FatJet", "AK8")):
        if f"{collection}PFCands" in tables.tables:
            tables = tables.renamed(f"{collection}PFCands", f"JetPFCands{tag}", pFCandsIdx="candIdx")
    return tables.renamed("PFCands", "JetPFCands")


def renamed_candidates(name: str, index: str) -> Callable[[Tables], Tables]:
    def rename(tables: Tables) -> Tables:
        for collection in ("Jet", "FatJet"):
            if f"{collection}PFCands" in tables.tables:
                tables = tables.renamed(f"{collection}PFCands", collection + name, pFCandsIdx=index)
        return tables.renamed("PFCands", name, numberOfHits="nHits", numberOfPixelHits="nPixelHits")

    return rename


def nanox(tables: Tables) -> Tables:
    """Candidates by charge in tables of their own, as momentum components and with other names for everything else."""
    tables = owned_rows(tables)
    rows, n_rows = tables.tables["JetPFCands"], tables.counts["JetPFCands"]
    event = np.repeat(np.arange(len(n_rows)), n_rows)
    momentum = {
        "px": rows["pt"] * np.cos(rows["phi"]),
        "py": rows["pt"] * np.sin(rows["phi"]),
        "pz": rows["pt"] * np.sinh(rows["eta"]),
    }
    charged = np.isin(np.abs(rows["pdgId"]), (11, 13, 211))
    for table, chosen in (("cpf", charged), ("npf", ~charged)):
        columns = {name: values[chosen].astype(np.float32) for name, values in momentum.items()}
        columns |= {"puppi_weight": rows["puppiWeight"][chosen], "jetIdx": rows["jetIdx"][chosen]}
        tables = tables.with_table(table, columns, np.bincount(event[chosen], minlength=len(n_rows)))
    n_jets = tables.counts["Jet"]
    jet = tables.tables["cpf"]["jetIdx"] + tables.offsets("Jet")[event[charged]]
    per_jet = np.bincount(jet, minlength=n_jets.sum())
    tables = tables.with_table("length", {"cpf": per_jet.astype(np.int32)}, n_jets)
    return tables.without("JetPFCands", "PFCands", "JetSVs")


def cmssw_defaults(tables: Tables) -> Tables:
    tables = tables.renamed("JetPFCands", "JetPFCands", pFCandsIdx="candIdx")
    return tables.renamed("JetSVs", "JetSV", sVIdx="svIdx")


def data(tables: Tables) -> Tables:
    tables = tables.without("GenJet", "GenPart")
    events = {name: v for name, v in tables.events.items() if not name.startswith(("gen", "Pileup"))}
    jet = {name: v for name, v in tables.tables["Jet"].items() if "Flavour" not in name and name != "genJetIdx"}
    return replace(tables, events=events).with_table("Jet", jet, tables.counts["Jet"])


def _then(*steps: Callable[[Tables], Tables]) -> Callable[[Tables], Tables]:
    def make(tables: Tables) -> Tables:
        for step in steps:
            tables = step(tables)
        return tables

    return make


def _fat(tables: Tables) -> Tables:
    return with_puppi_jets(tables, "FatJet")


LAYOUTS: dict[str, Callable[[Tables], Tables]] = {
    # CHS jets, links and index fields as their producers name them.
    "pfnano": _fat,
    "pfnano_data": data,
    "pfnano_106x": _then(_fat, pfnano_106x),
    "rows_per_jet": _then(_fat, lambda t: owned_rows(owned_rows(t), "FatJet").without("PFCands", "JetSVs")),
    "pfnano_no_sv_links": lambda t: t.without("JetSVs"),
    "cmssw_defaults": cmssw_defaults,
    "nanox": nanox,
    "nano": lambda t: t.without("PFCands", "JetPFCands", "JetSVs", "SV"),
    # PUPPI jets: plain pT with weights, or weighted pT.
    "pfnano_run3": run3,
    "btvnano_12_4_8": _then(run3, lambda t: t.renamed("PFCands", "PFCands", numberOfHits="numberOFHits")),
    "jmepfnano": _then(_fat, run3, renamed_candidates("PFCand", "PFCandIdx")),
    "jmepfnano_v15": _then(run3, renamed_candidates("PFCandV2", "PFCandV2Idx")),
    "nanoaod_v15": _then(_fat, run3, stored_weights, renamed_candidates("PFCand", "pfCandIdx")),
}


def write_layout(name: str, sample: Path, folder: Path, kind: str = "TTree", n_events: int = 12) -> Path:
    """Write one of `LAYOUTS`."""
    suffix = "parquet" if kind == "Parquet" else "root"
    path = folder / f"{name}_{kind.lower()}.{suffix}"
    return write(LAYOUTS[name](read_sample(sample, n_events)), path, kind)


def synthetic(jets: list[list[int]], seed: int = 0, shuffled: bool = False) -> Tables:
    """Events made up: for each jet its number of candidates; the jets lie apart, each at the sum of its candidates.

    With `shuffled`, the links stand in any order. A jet without candidates has 20 GeV all the same.
    """
    rng = np.random.default_rng(seed)
    sizes = np.array([size for event in jets for size in event], np.int64)
    per_event = np.array([len(event) for event in jets], np.int64)
    n, jet = int(sizes.sum()), np.repeat(np.arange(len(sizes)), sizes)
    number = np.arange(len(sizes)) - np.repeat(np.cumsum(per_event) - per_event, per_event)
    axis_eta, axis_phi = -2.0 + 0.9 * (number // 6), -3.0 + 1.0 * (number % 6)
    pt = rng.exponential(5.0, n).astype(np.float32) + np.float32(0.5)
    eta = (axis_eta[jet] + rng.normal(0, 0.05, n)).astype(np.float32)
    phi = np.clip(axis_phi[jet] + rng.normal(0, 0.05, n), -3.14, 3.14).astype(np.float32)
    px, py, pz = (np.bincount(jet, pt * f, len(sizes)) for f in (np.cos(phi), np.sin(phi), np.sinh(eta)))
    filled = sizes > 0
    raw = np.where(filled, np.hypot(px, py), 20.0)
    columns = {
        "pt": raw,
        "eta": np.where(filled, np.arcsinh(np.divide(pz, raw)), axis_eta),
        "phi": np.where(filled, np.arctan2(py, px), axis_phi),
        "mass": raw * 0.1,
        "rawFactor": np.zeros(len(sizes)),
        "puId": np.full(len(sizes), 7),
    }
    candidates = {
        "pt": pt,
        "eta": eta,
        "phi": phi,
        "mass": np.zeros(n, np.float32),
        "pdgId": rng.choice(np.array([211, -211, 22, 130, 11, 13, 1], np.int32), n),
        "charge": np.zeros(n, np.int32),
        "puppiWeight": np.ones(n, np.float32),
    }
    per_event_candidates = np.array([sum(event) for event in jets], np.int64)
    begin = np.cumsum(per_event_candidates) - per_event_candidates
    event = np.repeat(np.arange(len(jets)), per_event_candidates)
    links = {
        "jetIdx": number[jet].astype(np.int32),
        "pFCandsIdx": (np.arange(n) - begin[event]).astype(np.int32),
    }
    if shuffled:
        order = np.lexsort((rng.random(n), event))
        links = {name: values[order] for name, values in links.items()}
    events = {
        "run": np.ones(len(jets), np.uint32),
        "luminosityBlock": np.ones(len(jets), np.uint32),
        "event": np.arange(len(jets), dtype=np.uint64),
        "fixedGridRhoFastjetAll": np.full(len(jets), 20, np.float32),
    }
    jet_columns = {name: v.astype(np.int32 if name == "puId" else np.float32) for name, v in columns.items()}
    return Tables(
        events,
        {"Jet": per_event, "PFCands": per_event_candidates, "JetPFCands": per_event_candidates},
        {"Jet": jet_columns, "PFCands": candidates, "JetPFCands": links},
    )
