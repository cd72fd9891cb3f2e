"""Broken events: files damaged branch by branch, skims, and what analyses do before the correction."""

from __future__ import annotations

from random import Random

import numpy as np

from coffea_mljec import Status
from tests.fuzz.case import Case, Mutation, Outcome, Target
from tests.fuzz.judging import Numbers, compare, outcome_of
from tests.fuzz.targets import changes, tables
from tests.fuzz.targets.changes import Unchangeable
from tests.fuzz.targets.tables import Broken
from tests.fuzz.world import CORRECTORS, MODES, corrected, corrector, events_of, expected, required, tables_of

LAYOUTS = ("pfnano",) * 6 + ("pfnano_run3", "pfnano_106x", "rows_per_jet", "jmepfnano", "nanoaod_v15", "nanox", "nano",
           "pfnano_no_sv_links", "cmssw_defaults", "pfnano_data")  # fmt: skip
WAYS = ("memory",) * 12 + ("tree", "tree", "rntuple", "parquet", "parquet", "dask")
IN_DASK = ("u_cut", "u_sort", "u_shuffle", "u_repeat", "u_exchange", "u_events")
"""Changes that can be made of dask events."""
METHODS = ("apply",) * 6 + ("correction", "variations")


def draw(random: Random) -> Case:
    """A layout, a correction, a way to open the file, and one to three things that are broken."""
    layout = random.choice(LAYOUTS)
    base = tables_of(layout)
    collection = "FatJet" if "FatJet" in base.tables and random.random() < 0.08 else "Jet"
    name = random.choice(CORRECTORS)
    setup = {
        "layout": layout,
        "corrector": name,
        "collection": collection,
        "via": random.choice(WAYS),
        "mode": random.choice(MODES),
        "skim": random.random() < 0.15,
        "method": random.choice(METHODS),
    }
    mutations: list[Mutation] = []
    broken = Broken(base, collection, layout.startswith("pfnano"))
    for _ in range(random.choice((0, 1, 1, 1, 2, 3)) if setup["skim"] else random.choice((1, 1, 1, 2, 3))):
        change = changes.draw_change(random)
        if random.random() < 0.35 and (setup["via"] != "dask" or change[0] in IN_DASK):
            mutations.append(change)
        else:
            mutation = tables.draw_operation(random, broken.tables, collection)
            tables.apply_operation(broken, mutation)
            mutations.append(mutation)
    return Case("events", setup, mutations)


def judge(case: Case) -> Outcome:
    """Correct the broken events and compare with the unbroken ones."""
    setup = case.setup
    layout, name, collection = setup["layout"], setup["corrector"], setup["collection"]
    broken = Broken(tables_of(layout), collection, layout == "pfnano")
    for mutation in case.mutations:
        if not mutation[0].startswith("u_"):
            tables.apply_operation(broken, mutation)
    changed = [mutation for mutation in case.mutations if mutation[0].startswith("u_")]
    for mutation in changed:
        broken.touch_all(changes.kind_of(mutation, layout))
    keep = None
    if setup["skim"] and (keep := required(layout, name, collection)) is None:
        return Outcome("clear error", "refused before anything is broken")
    provider = corrector(name)
    try:
        opened = events_of(broken.tables, setup["via"], setup["mode"], keep)
        events = opened.__enter__()
    except Exception as error:
        if _of_ours(error):
            return outcome_of(error)
        return Outcome("clear error", f"cannot be written or opened, without us: {type(error).__name__}")
    try:
        given = collection
        for mutation in changed:
            try:
                events, given = changes.apply_change(events, given, mutation)
            except Unchangeable:
                continue
        provider.required_branches(events, given)
        found = corrected(provider, events, given, setup["method"])
    except Exception as error:
        return outcome_of(error)
    finally:
        opened.__exit__(None, None, None)
    if not changed and (lie := _false_status(broken, found)) is not None:
        return lie
    return compare(
        found,
        expected(layout, name, collection, setup["skim"]),
        broken.touched,
        broken.everything,
    )


def _false_status(broken: Broken, found: Numbers) -> Outcome | None:
    """A status that says of jets with constituents that they have none."""
    links = broken.tables.tables.get("JetPFCands", {})
    if not broken.known_links or broken.collection != "Jet" or not {"jetIdx", "pFCandsIdx"} <= set(links):
        return None
    if links["jetIdx"].dtype.kind not in "iu" or "PFCands" not in broken.tables.tables:
        return None
    event = np.repeat(np.arange(len(broken.tables.counts["Jet"])), broken.tables.counts["JetPFCands"])
    offsets = broken.tables.offsets("Jet")
    row = offsets[event] + links["jetIdx"]
    row = row[(links["jetIdx"] >= 0) & (row < offsets[event + 1])].astype(int)
    linked = set(broken.tables.tables["Jet"]["fuzzId"][row].tolist())
    none = found.identity[(found.status & int(Status.NO_CONSTITUENTS)) != 0]
    lies = [jet for jet in none.tolist() if jet in linked]
    return (
        Outcome("silent", f"{len(lies)} of {len(none)} jets said to have no constituents have some") if lies else None
    )


def _of_ours(error: BaseException) -> bool:
    """Whether it was raised in the package: what uproot and coffea refuse to write or read, they say themselves."""
    return "coffea_mljec" in str(getattr(error.__traceback__, "tb_next", "")) or outcome_of(error).kind == "clear error"


def sign(mutation: Mutation) -> str:
    return changes.sign(mutation) if mutation[0].startswith("u_") else tables.sign(mutation)


TARGET = Target(draw, judge, 40, sign)
