"""The unbroken input: small files in every layout, corrections of every kind, and their numbers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from coffea_mljec import MLJEC, FactorizedJEC, NanoRegression, Provider
from coffea_mljec.errors import MLJECError
from coffea_mljec.nano import open_nano
from tests.factories import Tables, flat_branches, write
from tests.fuzz.judging import FIELDS, Numbers
from tests.nano.generated import LAYOUTS, read_sample

DATA = Path(__file__).resolve().parents[2] / "coffea_mljec" / "data"
SAMPLE = DATA / "mljec_sample.root"
TEXTS = tuple(sorted((DATA / "jec").glob("*AK4PFchs.jec.txt")))
N_EVENTS = 10
MODES = ("eager", "virtual")
KINDS = {"tree": "TTree", "rntuple": "RNTuple", "parquet": "Parquet", "dask": "TTree"}
_UNREAD = ("GenPart", "Electron", "Muon", "Photon", "GenDressedLepton", "GenIsolatedPhoton")
CORRECTORS = ("pfn", "edge", "context", "bdt", "standard", "json", "pnet", "breg", "pfn+standard")


@cache
def tables_of(layout: str) -> Tables:
    """A few events in a layout, less what nothing reads, each jet with an identity."""
    tables = LAYOUTS[layout](read_sample(SAMPLE, N_EVENTS)).without(*_UNREAD)
    for name in ("Jet", "FatJet"):
        if name in tables.tables:
            tables = tables.with_columns(name, fuzzId=np.arange(len(tables.tables[name]["pt"]), dtype=np.int32))
    return tables


@cache
def corrector(name: str) -> Provider:
    """One of `CORRECTORS`, made once."""
    made = {
        "pfn": lambda: MLJEC("pfn-r-lite"),
        "edge": lambda: MLJEC("particlenet-r-lite"),
        "context": lambda: MLJEC("pfn-c-lite"),
        "bdt": lambda: MLJEC("jet-bdt"),
        "standard": lambda: FactorizedJEC.from_txt(TEXTS),
        "json": lambda: FactorizedJEC.from_json(
            DATA / "jec" / "MLJECSim_V1_MC_AK4PFchs.json.gz", "MLJECSim_V1_MC", "AK4PFchs"
        ),
        "pnet": lambda: NanoRegression("PNet"),
        "breg": lambda: NanoRegression("bReg"),
        "pfn+standard": lambda: MLJEC("pfn-r-lite", fallback=corrector("standard")),
    }
    return made[name]()


@cache
def _schema() -> Any:
    """coffea nests candidates by nConstituents, which fails on jets with a part of them where all is evaluated."""
    from coffea.nanoevents import PFNanoAODSchema

    return type("PFNanoAODSchema", (PFNanoAODSchema,), {"nested_index_items": {}})


class _Source(dict[str, Any]):
    """What coffea's ``from_preloaded`` reads from."""

    def __init__(self, branches: dict[str, Any], n_events: int) -> None:
        super().__init__({name: ak.Array(values) for name, values in branches.items()})
        self.metadata = {"uuid": "fuzz", "num_rows": n_events, "object_path": "Events"}


def in_memory(tables: Tables) -> Any:
    """NanoEvents without a file."""
    from coffea.nanoevents import NanoEventsFactory

    source = _Source(flat_branches(tables), len(tables.events["run"]))
    return NanoEventsFactory.from_preloaded(source, schemaclass=_schema()).events()


@contextmanager
def events_of(tables: Tables, via: str, mode: str, keep: frozenset[str] | None = None) -> Iterator[Any]:
    """NanoEvents of tables: without a file, or of a file of which, with `keep`, only some branches are there."""
    if keep is not None:
        tables = cut(tables, keep)
    if via == "memory":
        yield in_memory(tables)
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mljec-fuzz-"))
        path = write(tables, Path(folder) / ("x.parquet" if via == "parquet" else "x.root"), KINDS[via])
        nano = stack.enter_context(open_nano(path))
        yield nano.events(mode="dask" if via == "dask" else mode)


def cut(tables: Tables, keep: frozenset[str]) -> Tables:
    """A skim: these branches alone, and what identifies events and jets."""
    keep = keep | {"run", "luminosityBlock", "event"}
    events = {name: column for name, column in tables.events.items() if name in keep}
    kept = {}
    for table, columns in tables.tables.items():
        chosen = {n: c for n, c in columns.items() if f"{table}_{n}" in keep}
        if chosen:
            kept[table] = chosen | ({"fuzzId": columns["fuzzId"]} if "fuzzId" in columns else {})
    return Tables(events, {name: tables.counts[name] for name in kept}, kept)


def corrected(provider: Provider, events: Any, collection: str, method: str = "apply") -> Numbers:
    """What a correction makes of events, by one of its methods."""
    if method == "variations":
        jets = dict(provider.variations(events, collection))["nominal"]
    else:
        jets = provider.apply(events, collection)
    if type(jets).__module__.startswith("dask_awkward"):
        jets = jets[list(FIELDS)].compute()
    if method == "correction":
        factor = provider.correction(events, collection)
        factor = factor.compute() if hasattr(factor, "compute") else factor
        jets = ak.with_field(jets, factor, "jet_energy_correction")
    return Numbers.of(jets)


@cache
def expected(layout: str, name: str, collection: str, skim: bool = False) -> Numbers | None:
    """Numbers of the unbroken tables, or of a skim of them; None where the correction refuses them."""
    tables = tables_of(layout)
    if skim and (keep := required(layout, name, collection)) is not None:
        tables = cut(tables, keep)
    try:
        return corrected(corrector(name), in_memory(tables), collection)
    except MLJECError:
        return None


@cache
def required(layout: str, name: str, collection: str) -> frozenset[str] | None:
    """The branches that a correction says it reads; None where it refuses."""
    try:
        return frozenset(corrector(name).required_branches(in_memory(tables_of(layout)), collection))
    except MLJECError:
        return None
