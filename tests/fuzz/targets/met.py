"""Variations and MET of broken events: nothing broken may change them without a word."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import awkward as ak
import numpy as np

from coffea_mljec import FactorizedJEC, Status, Type1MET
from coffea_mljec.payloads import read_resolution_text, read_scale_factor_text, read_uncertainties_text
from tests.factories import Tables
from tests.fuzz.case import Case, Mutation, Outcome, Target
from tests.fuzz.judging import FREE, LEAST, MOST, MUST, outcome_of
from tests.fuzz.targets import tables
from tests.fuzz.targets.payload_files import SOURCES, TEXTS
from tests.fuzz.targets.tables import Broken
from tests.fuzz.world import DATA, corrector, in_memory, tables_of
from tests.fuzz.world import TEXTS as LEVELS

LOW = ("rawPt", "eta", "phi", "area", "muonSubtrFactor", "EmEF")
PROVIDERS = ("standard", "varied", "pfn", "bdt")
DAMAGE = ("BAD_INPUT", "NON_FINITE", "OUT_OF_DOMAIN", "INCOMPLETE_CONSTITUENTS", "NO_CONSTITUENTS")


@cache
def base() -> Tables:
    """CHS jets with MET and jets below its threshold."""
    found = tables_of("pfnano")
    n_events = len(found.events["run"])
    rng = np.random.default_rng(3)
    counts = np.full(n_events, 2)
    low = {
        "rawPt": rng.uniform(8, 20, counts.sum()), "eta": rng.uniform(-4, 4, counts.sum()), "phi": rng.uniform(-3, 3,
        counts.sum()),
        "area": np.full(counts.sum(), 0.5), "muonSubtrFactor": np.zeros(counts.sum()), "EmEF": rng.uniform(0, 1,
        counts.sum()),
    }  # fmt: skip
    events = found.events | {
        f"MET_MetUnclustEnUpDelta{axis}": rng.normal(0, 4, n_events).astype(np.float32) for axis in "XY"
    }
    found = found.without("FatJet", "FatJetPFCands")
    found = found.with_table("CorrT1METJet", {name: column.astype(np.float32) for name, column in low.items()}, counts)
    return replace(found, events=events)


@cache
def _provider(name: str) -> Any:
    if name != "varied":
        return corrector(name)
    import tempfile
    from pathlib import Path

    jec = DATA / "jec"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TEXTS["UncertaintySources"]
        path.write_text(SOURCES)
        uncertainties = read_uncertainties_text(path)
    return FactorizedJEC.from_txt(
        LEVELS, uncertainties=uncertainties, resolution=read_resolution_text(jec / TEXTS["PtResolution"]),
        scale_factor=read_scale_factor_text(jec / TEXTS["SF"]),
    )  # fmt: skip


def draw(random: Random) -> Case:
    setup = {"provider": random.choice(PROVIDERS), "what": random.choice(("met", "met", "variations"))}
    if setup["what"] == "variations":
        setup["provider"] = "varied"
    mutations: list[Mutation] = []
    for _ in range(random.choice((1, 1, 1, 2))):
        if random.random() < 0.6:
            found = base()
            table = random.choice(("Jet", "Jet", "CorrT1METJet", "GenJet"))
            columns = [name for name in found.tables[table] if name not in ("fuzzId", "puId", "bRegCorr")]
            row = random.randrange(len(found.tables[table][columns[0]]))
            mutations.append(["set", table, random.choice(columns), row, random.choice(list(tables.VALUES))])
        elif random.random() < 0.5:
            name = random.choice([name for name in base().events if "MET" in name or "rho" in name.lower()])
            mutations.append(
                ["event", name, random.randrange(len(base().events["run"])), random.choice(list(tables.VALUES))]
            )
        else:
            mutations.append(tables.draw_operation(random, base(), "Jet"))
    return Case("met", setup, mutations)


Numbers = dict[str, np.ndarray]


def _numbers(setup: dict[str, str], made: Any) -> Numbers:
    """Name -> numbers; MET event by event, variations jet by jet, each with the status."""
    provider = _provider(setup["provider"])
    if setup["what"] == "met":
        met = Type1MET(provider, corrector("standard")).apply(made)
        found = {"pt": met["pt"], "phi": met["phi"], "status": met["mljec_status"], "identity": np.arange(len(met))}
        for name in met.fields:
            if name.startswith(("JES_", "JER", "MET_Unclustered")):
                found |= {f"{name}.{way}": met[name][way]["pt"] for way in ("up", "down")}
        return {name: np.asarray(column) for name, column in found.items()}
    jets = provider.apply(made)
    found = {"pt": jets["pt"], "status": jets["mljec_status"], "identity": jets["fuzzId"], "raw": jets["pt_raw"]}
    for name in jets.fields:
        if name.startswith("JES_") or name == "JER":
            found |= {f"{name}.{way}": jets[name][way]["pt"] for way in ("up", "down")}
    return {name: np.asarray(ak.flatten(column)) for name, column in found.items()}


@cache
def _expected(what: str, provider: str) -> Numbers:
    return _numbers({"what": what, "provider": provider}, in_memory(base()))


def judge(case: Case) -> Outcome:
    setup = case.setup
    expected = _expected(setup["what"], setup["provider"])
    broken = Broken(base(), "Jet", True)
    events_touched: dict[int, int] = {}
    for mutation in case.mutations:
        before = broken.tables
        tables.apply_operation(broken, mutation)
        for event, kind in _events_of(mutation, before, broken):
            events_touched[event] = max(kind, events_touched.get(event, 0))
    if setup["what"] == "met":
        offsets = base().offsets("Jet")
        for jet, kind in broken.touched.items():
            event = int(np.searchsorted(offsets, jet, side="right")) - 1
            events_touched[event] = max(kind, events_touched.get(event, 0))
        touched = events_touched
    else:
        touched = dict(broken.touched)
        for event, kind in events_touched.items():
            touched |= {int(jet): max(kind, touched.get(int(jet), 0)) for jet in broken.jets_of_event(event)}
    try:
        made = in_memory(broken.tables)
    except Exception as error:
        return Outcome("clear error", f"cannot be opened, without us: {type(error).__name__}")
    try:
        found = _numbers(setup, made)
    except Exception as error:
        return outcome_of(error)
    return _compared(setup["what"], found, expected, touched, broken.everything)


def _events_of(mutation: Mutation, before: Tables, broken: Broken) -> list[tuple[int, int]]:
    """The events that one operation touches beyond their jets, and how."""
    kind, *arguments = mutation
    if kind == "event" and arguments[0] in before.events:
        changed = before.events[arguments[0]][arguments[1]] != broken.tables.events[arguments[0]][arguments[1]]
        return [(arguments[1], MUST if arguments[2] in tables.IMPOSSIBLE else FREE)] if changed else []
    if (
        kind == "set"
        and arguments[0] not in ("Jet", "PFCands", "SV", "JetPFCands", "JetSVs")
        and arguments[0] in before.tables
    ):
        event = broken.event_of(arguments[0], arguments[2])
        return [(event, MUST if arguments[3] in tables.IMPOSSIBLE else FREE)]
    return []


def _compared(what: str, found: Numbers, expected: Numbers, touched: dict[int, int], everything: int) -> Outcome:
    damage = int(np.bitwise_or.reduce([int(Status[name]) for name in DAMAGE]))
    row_of = {int(identity): row for row, identity in enumerate(expected["identity"])}
    flagged = False
    for row, identity in enumerate(found["identity"]):
        kind, old = touched.get(int(identity), everything), row_of[int(identity)]
        status, before = int(found["status"][row]), int(expected["status"][old])
        if what == "variations" and status & int(Status.APPLIED):
            for name in ("pt", *(name for name in found if "." in name)):
                factor = float(found[name][row]) / float(found["raw"][row])
                if not LEAST <= factor <= MOST:
                    return Outcome("silent", f"jet {identity}: {name} is {found[name][row]}, factor {factor}")
        if kind == FREE:
            continue
        names = [name for name in expected if name not in ("identity", "raw")]
        if missing := [name for name in names if name not in found]:
            if kind == MUST:
                flagged = True
                continue
            return Outcome("silent", f"{missing} is not there")
        same = all(found[name][row].tobytes() == expected[name][old].tobytes() for name in names if name != "status")
        if same and (kind == MUST or status == before):
            flagged |= status != before
            continue
        said = bool(status & ~before & damage) if what == "met" else not status & int(Status.APPLIED)
        moved = [n for n in names if n != "status" and found[n][row].tobytes() != expected[n][old].tobytes()]
        said |= not np.isfinite(found["pt"][row])
        said |= bool(moved) and not any(np.isfinite(found[n][row]) for n in moved)
        if kind == MUST and said:
            flagged = True
            continue
        name = next((n for n in names if found[n][row].tobytes() != expected[n][old].tobytes()), "status")
        return Outcome(
            "silent",
            f"{'' if kind else 'unbroken '}{'event' if what == 'met' else 'jet'} {identity}: {name} "
            f"{expected[name][old]} -> {found[name][row]}, {Status(before).name} -> {Status(status).name}",
        )
    return Outcome("flagged" if flagged else "right")


TARGET = Target(draw, judge, 10, tables.sign)
