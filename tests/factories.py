"""Small NanoAOD files for the tests: one factory a purpose, one writer.

A factory returns `Tables`, a file in memory. `write` puts it on disk, `in_memory` makes NanoEvents of it, and the
methods of `Tables` take things away, add or rename them before that. Files in every layout, with candidates, are in
`tests.nano.generated`.

=================  ===================================================================================================
`two_jets`         Two jets an event at fixed places, with flavours; their generator jets beside them.
`varied_jets`      Zero to five jets of any direction, generator jets close by, stored regressions, seeds of variations.
`jets_with_met`    Jets, low-pT jets and MET as NanoAODv15 (PUPPI) or v9 (CHS) stores them.
`response_events`  Jets of a known response to their generator jets, and pileup.
`jets_of_pt`       Jets of the pT that is given, and nothing else.
=================  ===================================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

__all__ = [
    "Columns",
    "Tables",
    "flat_branches",
    "in_memory",
    "jets_of_pt",
    "jets_with_met",
    "response_events",
    "two_jets",
    "varied_jets",
    "write",
]

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Tables:
    """A file in memory: numbers of an event, and tables with their counts per event and flat columns."""

    events: Columns
    counts: Columns
    tables: dict[str, Columns]

    def records(self) -> dict[str, Any]:
        """The columns of the events, and each table as one jagged array of records."""
        return self.events | {
            table: ak.zip(
                {name: ak.unflatten(values, self.counts[table]) for name, values in columns.items()}, depth_limit=2
            )
            for table, columns in self.tables.items()
        }

    def offsets(self, table: str) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.counts[table])])

    def without(self, *names: str) -> Tables:
        """Less some tables (``"Jet"``) or branches (``"run"``, ``"Jet_pt"``)."""
        tables = {
            table: {column: values for column, values in columns.items() if f"{table}_{column}" not in names}
            for table, columns in self.tables.items()
            if table not in names
        }
        events = {name: values for name, values in self.events.items() if name not in names}
        return Tables(events, {table: self.counts[table] for table in tables}, tables)

    def with_table(self, name: str, columns: Columns, counts: np.ndarray) -> Tables:
        return replace(self, counts=self.counts | {name: counts}, tables=self.tables | {name: columns})

    def with_columns(self, table: str, **columns: np.ndarray) -> Tables:
        return self.with_table(table, self.tables[table] | columns, self.counts[table])

    def renamed(self, old: str, new: str, **columns: str) -> Tables:
        """Another name for a table and, ``old="new"``, for some of its columns."""
        named = {columns.get(name, name): values for name, values in self.tables[old].items()}
        return self.without(old).with_table(new, named, self.counts[old])


def flat_branches(tables: Tables) -> dict[str, Any]:
    """All branches of the file by name, counters among them."""
    branches: dict[str, Any] = dict(tables.events)
    for table, columns in tables.tables.items():
        counts = tables.counts[table].astype(np.int32)
        branches[f"n{table}"] = counts
        branches |= {f"{table}_{name}": ak.unflatten(values, counts) for name, values in columns.items()}
    return branches


def write(tables: Tables, path: Path, kind: str = "TTree") -> Path:
    """Write a file as TTree, RNTuple or Parquet, in the branches of NanoAOD; returns its path."""
    if kind == "Parquet":
        import pyarrow
        import pyarrow.parquet

        arrow = {
            name: ak.to_arrow(ak.Array(values), extensionarray=False) for name, values in flat_branches(tables).items()
        }
        pyarrow.parquet.write_table(pyarrow.table(arrow), path)
        return path
    with uproot.recreate(path) as file:
        if kind == "RNTuple":
            file.mkrntuple("Events", flat_branches(tables))
            return path
        # uproot makes the counters of the tables.
        tree: dict[str, Any] = {name: values.dtype for name, values in tables.events.items()}
        for table, columns in tables.tables.items():
            fields = ", ".join(f"{name}: {values.dtype}" for name, values in columns.items())
            tree[table] = f"var * {{{fields}}}"
        file.mktree("Events", tree).extend(tables.records())
    return path


class _Source(dict[str, Any]):
    """What coffea's ``from_preloaded`` reads from."""

    def __init__(self, branches: dict[str, Any], n_events: int) -> None:
        super().__init__({name: ak.Array(values) for name, values in branches.items()})
        self.metadata = {"uuid": "generated", "num_rows": n_events, "object_path": "Events"}


def in_memory(tables: Tables) -> Any:
    """NanoEvents without a file."""
    from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

    source = _Source(flat_branches(tables), len(tables.events["run"]))
    return NanoEventsFactory.from_preloaded(source, schemaclass=PFNanoAODSchema).events()


def _of(columns: Columns, dtype: Any = np.float32) -> Columns:
    return {name: values.astype(dtype) for name, values in columns.items()}


def two_jets(n_events: int = 60, simulation: bool = True, regression: bool = False) -> Tables:
    """Two jets an event without constituents, far apart, and the generator jets that belong to them.

    Raw pT is 0.8 of the stored one, which scatters by a tenth around the generator jet's, between 40 and 200 GeV.

    Parameters
    ----------
    n_events : int
    simulation : bool
        With generator jets.
    regression : bool
        With ParticleNet's stored regression: 1.5, with neutrinos 1.1 times as much.
    """
    rng = np.random.default_rng(1)
    pt_gen = rng.uniform(40, 200, (n_events, 2))
    fixed = {"pt": 1.0, "eta": 0.3, "phi": -2.0, "mass": 0.1, "rawFactor": 0.2, "area": 0.5}
    if regression:
        fixed |= {"PNetRegPtRawCorr": 1.5, "PNetRegPtRawCorrNeutrino": 1.1}
    jet = {name: np.full((n_events, 2), value, np.float32) for name, value in fixed.items()}
    jet["phi"][:, 1] = 1.0
    jet["pt"] = (pt_gen * rng.normal(1, 0.1, pt_gen.shape)).astype(np.float32)
    gen = {"pt": pt_gen.astype(np.float32)} | {name: jet[name] for name in ("eta", "phi", "mass")}
    jet["hadronFlavour"] = np.zeros((n_events, 2), np.int32)
    jet["partonFlavour"] = np.full((n_events, 2), 21, np.int32)
    events = {
        "run": np.ones(n_events, np.uint32),
        "luminosityBlock": np.ones(n_events, np.uint32),
        "event": np.arange(n_events, dtype=np.uint64),
        "fixedGridRhoFastjetAll": np.full(n_events, 20, np.float32),
        "PV_npvsGood": np.full(n_events, 30, np.int32),
        **{f"PV_{axis}": np.zeros(n_events, np.float32) for axis in "xyz"},
    }
    two = np.full(n_events, 2)
    tables = {"Jet": {name: values.ravel() for name, values in jet.items()}}
    tables |= {"GenJet": {name: values.ravel() for name, values in gen.items()}} if simulation else {}
    return Tables(events, dict.fromkeys(tables, two), tables)


def varied_jets(simulation: bool = True) -> Tables:
    """40 events with zero to five jets in any direction, four fifths of them with a generator jet close by.

    Everything that variations read is there: rho, event numbers, three stored regressions and a tag.
    """
    n_events = 40
    rng = np.random.default_rng(7)
    counts = rng.integers(0, 6, n_events)
    n = int(counts.sum())
    pt_gen = rng.uniform(20, 300, n)
    eta, phi = rng.uniform(-3, 3, n), rng.uniform(-3.1, 3.1, n)
    jets: Columns = {
        "pt": pt_gen * rng.normal(1, 0.12, n),
        "eta": eta,
        "phi": phi,
        "mass": pt_gen * 0.1,
        "rawFactor": rng.uniform(-0.1, 0.1, n),
        "area": rng.uniform(0.4, 0.6, n),
        "PNetRegPtRawCorr": rng.uniform(0.8, 1.2, n),
        "PNetRegPtRawCorrNeutrino": rng.uniform(1.0, 1.1, n),
        "UParTAK4RegPtRawCorr": np.where(rng.random(n) < 0.2, -1.0, rng.uniform(0.8, 1.2, n)),
        "UParTAK4RegPtRawCorrNeutrino": rng.uniform(0.8, 1.2, n),
        "btagUParTAK4B": rng.random(n),
    }
    # A generator jet in four fifths of the cases, a little off in angle.
    kept = rng.random(n) < 0.8
    gen = {"pt": pt_gen, "eta": eta + 0.02, "phi": np.clip(phi + 0.03, -3.14, 3.14), "mass": pt_gen * 0.1}
    events = {
        "run": np.full(n_events, 1 if simulation else 355900, np.uint32),
        "luminosityBlock": rng.integers(1, 1000, n_events).astype(np.uint32),
        "event": (rng.integers(1, 2**40, n_events)).astype(np.uint64),
        "Rho_fixedGridRhoFastjetAll": rng.uniform(5, 40, n_events).astype(np.float32),
        **{f"PV_{axis}": np.zeros(n_events, np.float32) for axis in "xyz"},
    }
    event_of_jet = np.repeat(np.arange(n_events), counts)
    tables = Tables(events, {"Jet": counts}, {"Jet": _of(jets)})
    if not simulation:
        return tables
    matched = {name: column[kept] for name, column in gen.items()}
    return tables.with_table("GenJet", _of(matched), np.bincount(event_of_jet[kept], minlength=n_events))


def jets_with_met(puppi: bool = True, simulation: bool = True, without: Sequence[str] = ()) -> Tables:
    """60 events with zero to five jets, zero to three low-pT jets, and two kinds of MET.

    Parameters
    ----------
    puppi : bool
        PUPPI jets, PuppiMET and PFMET as NanoAODv15 has them; else CHS jets, PuppiMET and MET as v9 has them.
    simulation : bool
        With generator jets.
    without : sequence of str
        Tables and branches to leave out.
    """
    n_events = 60
    rng = np.random.default_rng(11)
    counts, low_counts = rng.integers(0, 6, n_events), rng.integers(0, 4, n_events)
    jets = _jets_for_met(rng, int(counts.sum()), puppi)
    low = _low_pt_jets(rng, int(low_counts.sum()), puppi)
    events: Columns = {
        "run": np.full(n_events, 1 if simulation else 355900, np.uint32),
        "luminosityBlock": rng.integers(1, 1000, n_events).astype(np.uint32),
        "event": rng.integers(1, 2**40, n_events).astype(np.uint64),
        f"{'Rho_' if puppi else ''}fixedGridRhoFastjetAll": rng.uniform(5, 40, n_events).astype(np.float32),
        **{f"PV_{axis}": np.zeros(n_events, np.float32) for axis in "xyz"},
    }
    for name in ("PuppiMET", "PFMET" if puppi else "MET"):
        events |= _of(_met(rng, name, n_events))
    tables = Tables(events, {"Jet": counts, "CorrT1METJet": low_counts}, {"Jet": _of(jets), "CorrT1METJet": _of(low)})
    if simulation:
        gen = {"pt": jets["pt"] * 0.95, "eta": jets["eta"] + 0.02, "phi": jets["phi"], "mass": jets["mass"]}
        tables = tables.with_table("GenJet", _of(gen), counts)
    return tables.without(*without)


def _jets_for_met(rng: np.random.Generator, n: int, puppi: bool) -> Columns:
    """From 15 GeV on, some mostly muons, some mostly electrons."""
    columns: Columns = {
        "pt": rng.uniform(15, 200, n), "eta": rng.uniform(-5, 5, n), "phi": rng.uniform(-3.1, 3.1, n),
        "mass": rng.uniform(3, 20, n), "rawFactor": rng.uniform(-0.1, 0.2, n), "area": rng.uniform(0.4, 0.6, n),
        "muonSubtrFactor": np.where(rng.random(n) < 0.3, rng.uniform(0, 0.99, n), 0.0),
        "chEmEF": rng.uniform(0, 0.6, n), "neEmEF": rng.uniform(0, 0.6, n),
    }  # fmt: skip
    if puppi:
        columns["muonSubtrDeltaPhi"] = np.where(columns["muonSubtrFactor"] > 0, rng.uniform(-0.3, 0.3, n), 0.0)
        columns["UParTAK4RegPtRawCorr"] = np.where(rng.random(n) < 0.3, -1.0, rng.uniform(0.8, 1.3, n))
        columns["UParTAK4RegPtRawCorrNeutrino"] = rng.uniform(0.8, 1.3, n)
    else:
        columns["puId"] = np.full(n, 7.0)
    return columns


def _low_pt_jets(rng: np.random.Generator, n: int, puppi: bool) -> Columns:
    """Around the threshold of 15 GeV."""
    columns: Columns = {
        "rawPt": rng.uniform(8, 20, n), "eta": rng.uniform(-5, 5, n), "phi": rng.uniform(-3.1, 3.1, n),
        "area": rng.uniform(0.4, 0.6, n), "muonSubtrFactor": np.where(rng.random(n) < 0.2, 0.3, 0.0),
    }  # fmt: skip
    if puppi:
        columns |= {"EmEF": rng.uniform(0, 1, n), "muonSubtrDeltaPhi": rng.uniform(-0.2, 0.2, n)}
    return columns


def _met(rng: np.random.Generator, name: str, n_events: int) -> Columns:
    pt, phi = rng.uniform(5, 150, n_events), rng.uniform(-3.1, 3.1, n_events)
    columns: Columns = {f"{name}_pt": pt, f"{name}_phi": phi, f"{name}_sumEt": 10 * pt}
    columns |= {f"Raw{name}_pt": pt * 0.9, f"Raw{name}_phi": phi + 0.05}
    if name == "MET":
        columns |= {f"MET_MetUnclustEnUpDelta{axis}": rng.normal(0, 4, n_events) for axis in "XY"}
    else:
        for way in ("Up", "Down"):
            columns[f"{name}_ptUnclustered{way}"] = pt + rng.normal(0, 4, n_events)
            columns[f"{name}_phiUnclustered{way}"] = phi + rng.normal(0, 0.04, n_events)
    return columns


def response_events(n_events: int, seed: int = 1) -> Tables:
    """About five jets an event, raw response 0.9 with a width that falls with pT; one pileup jet more, on average."""
    rng = np.random.default_rng(seed)
    gen_counts = rng.poisson(4.0, n_events)
    n = int(gen_counts.sum())
    gen = {
        "pt": 20.0 * (1 - rng.random(n)) ** (-1 / 1.2),
        "eta": rng.uniform(-4.8, 4.8, n),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "mass": np.full(n, 5.0),
    }
    flavour = rng.choice([1, -1, 2, -2, 3, 4, 5, 21, 0], n)
    raw = gen["pt"] * rng.normal(0.9, np.hypot(0.05, 0.8 / np.sqrt(gen["pt"])))
    raw_factor = np.full(n, 0.125)
    jets = {
        "pt": np.abs(raw) / (1 - raw_factor),
        "eta": gen["eta"] + rng.normal(0, 0.02, n),
        "phi": gen["phi"] + rng.normal(0, 0.02, n),
        "mass": np.full(n, 6.0),
        "rawFactor": raw_factor,
        "hadronFlavour": np.where(np.abs(flavour) == 5, 5, np.where(np.abs(flavour) == 4, 4, 0)),
        "partonFlavour": flavour,
    }
    extra = rng.poisson(1.0, n_events)
    m = int(extra.sum())
    pileup = {name: np.zeros(m) for name in jets} | {
        "pt": rng.exponential(10.0, m) + 10.0,
        "eta": rng.uniform(-4.8, 4.8, m),
        "phi": rng.uniform(-np.pi, np.pi, m),
    }
    # In each event the pileup jets stand behind the others.
    event_of_jet = np.concatenate([np.repeat(np.arange(n_events), gen_counts), np.repeat(np.arange(n_events), extra)])
    order = np.argsort(event_of_jet, kind="stable")
    types = {name: np.float32 for name in jets} | {"hadronFlavour": np.int32, "partonFlavour": np.int16}
    joined = {name: np.concatenate([jets[name], pileup[name]])[order].astype(kind) for name, kind in types.items()}
    events = {
        "run": np.ones(n_events, np.uint32),
        "luminosityBlock": (np.arange(n_events) // 100 + 1).astype(np.uint32),
        "event": np.arange(1, n_events + 1).astype(np.uint64),
        "genWeight": rng.normal(1.0, 0.7, n_events).astype(np.float32),
    }
    tables = {"Jet": joined, "GenJet": _of(gen)}
    return Tables(events, {"Jet": gen_counts + extra, "GenJet": gen_counts}, tables)


def jets_of_pt(pt: Sequence[Sequence[float]]) -> Tables:
    """Jets of these pT, event by event, with a raw factor of 0.2; no rho, no generator jets."""
    values = np.array([one for event in pt for one in event], np.float32)
    zero = values * 0
    jets = {"pt": values, "eta": zero + 0.5, "phi": zero - 3, "mass": values / 10, "rawFactor": zero + 0.2}
    n = len(pt)
    events = {
        "run": np.full(n, 7, np.uint32),
        "luminosityBlock": np.arange(n, dtype=np.uint32),
        "event": np.arange(n, dtype=np.uint64) + 2**40,
    }
    counts = np.array([len(event) for event in pt], np.int64)
    return Tables(events, {"Jet": counts}, {"Jet": jets})
