"""From a simulated batch to the tables of NanoAOD: jets, generator jets, their candidates, vertices and links."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit
from coffea_mljec.numerics.matching import match_flat
from training.simulate.batch import Jagged, RecoBatch, offsets_of
from training.simulate.branches import FORMAT_VERSION, RUN3_NAMES, TABLES_OF
from training.simulate.composition import jet_table
from training.simulate.flavour import hadron_flavour, parton_flavour
from training.simulate.jets import Jets, chs_jets, generator_jets, puppi_jets
from training.simulate.neutrinos import with_neutrinos
from training.simulate.prompt import missing_momentum, prompt_tables
from training.simulate.rho import grid_rho
from training.simulate.softdrop import soft_drop, with_subjets

__all__ = ["EVENTS_A_SEED", "EventTables", "JetSelection", "assemble"]

#: Event numbers of a production lie between seed times this and the next seed's.
EVENTS_A_SEED = 1_000_000_000


@dataclass(frozen=True)
class JetSelection:
    """Which jets are written.

    Attributes
    ----------
    jets : str
        What the AK4 jets are made of: ``chs``, candidates without charged ones of pileup (Run 2); or ``puppi``,
        candidates weighted by PUPPI (Run 3). Rho and missing momentum then have the names of Run 3 too.
    raw_pt_min : float
        Raw pT in GeV above which an AK4 jet matched to a generator jet (within 0.4) is kept.
    unmatched_raw_pt_min : float
        The same for jets without such a partner, most of them pileup: there are dozens of them an event.
    gen_pt_min : float
        pT in GeV above which a generator jet is kept.
    ak8 : bool
        Whether AK8 PUPPI jets and their generator jets are written (a tenth more time).
    ak8_pt_min : float
        pT in GeV above which they are kept.
    soft_drop : bool
        Whether AK8 jets get soft-drop mass and subjets, and their generator jets subjets.
    neutrinos : bool
        Whether generator jets get their four-momentum with neutrinos beside the visible one.
    """

    raw_pt_min: float = 5.0
    unmatched_raw_pt_min: float = 15.0
    gen_pt_min: float = 8.0
    ak8: bool = True
    ak8_pt_min: float = 100.0
    jets: str = "chs"
    soft_drop: bool = False
    neutrinos: bool = False

    def __post_init__(self) -> None:
        if self.jets not in TABLES_OF:
            raise InputError(f"unknown jets {self.jets!r}: choose one of {', '.join(TABLES_OF)}")
        if self.soft_drop and not self.ak8:
            raise InputError("soft_drop is of AK8 jets, which are not to be written: set ak8, or soft_drop to false")


@dataclass(frozen=True)
class EventTables:
    """What a file holds: ``scalars`` (branch name -> one number an event) and ``tables`` (table name -> rows)."""

    scalars: dict[str, NDArray[np.generic]]
    tables: dict[str, Jagged]


def assemble(
    batch: RecoBatch,
    selection: JetSelection,
    seed: int,
    first_event: int,
    block: int,
    *,
    all_candidates: bool = False,
) -> EventTables:
    """Cluster, match and label the jets of a batch, and gather what is written of it; jets are not corrected yet.

    Parameters
    ----------
    batch : RecoBatch
    selection : JetSelection
    seed : int
        The production's seed, part of the event numbers.
    first_event : int
        Running number of the batch's first event in the production.
    block : int
        ``luminosityBlock``.
    all_candidates : bool
        Keep the candidates of no jet too, as CMS does; ten times as many (``tests/benchmarks`` times reading them).
    """
    n = len(batch)
    tables: dict[str, Jagged] = {"GenPart": batch.genpart, "SV": batch.sv}
    puppi = selection.jets == "puppi"
    weight = batch.candidates["puppiWeight"]
    jets = (puppi_jets if puppi else chs_jets)(batch.candidates, selection.raw_pt_min, 0.4)
    gen = generator_jets(batch.gen, selection.gen_pt_min)
    jets, tables["GenJet"] = _label(batch, jets, gen, "genJetIdx", 0.4)
    matched = jets.table["genJetIdx"] >= 0
    jets = _keep(jets, np.asarray(matched | (jets.table["pt"] >= selection.unmatched_raw_pt_min)))
    collections = {"Jet": (jets, 0.4)}
    if selection.ak8:
        fat = puppi_jets(batch.candidates, selection.ak8_pt_min)
        gen_fat = generator_jets(batch.gen, selection.ak8_pt_min, 0.8)
        fat, tables["GenJetAK8"] = _label(batch, fat, gen_fat, "genJetAK8Idx", 0.8)
        collections["FatJet"] = (fat, 0.8)
        if selection.soft_drop:
            fat, subjets = _groomed(batch, fat, gen_fat)
            collections["FatJet"] = (fat, 0.8)
            tables |= subjets
    if selection.neutrinos:
        for name, radius in (("GenJet", 0.4), ("GenJetAK8", 0.8)):
            if name in tables:
                tables[name] = with_neutrinos(tables[name], batch.gen, radius)
    used = np.full(len(batch.candidates["pt"]), all_candidates)
    for found, _ in collections.values():
        used[found.members["row"]] = True
    tables["PFCands"] = batch.candidates.select(used)
    within = np.cumsum(used) - 1 - np.repeat(tables["PFCands"].offsets[:-1], batch.candidates.counts)
    for name, (found, radius) in collections.items():
        weighted = puppi or name != "Jet"
        tables[name] = jet_table(found, batch.candidates, weight if weighted else None, run3=puppi)
        tables[name + "PFCands"] = _candidate_links(found, within)
        tables[name + "SVs"] = _vertex_links(found.table, batch.sv, radius)
    tables |= prompt_tables(batch)
    scalars = _scalars(batch, n) | missing_momentum(batch, weight if puppi else None)
    if puppi:
        scalars = {RUN3_NAMES.get(name, name): column for name, column in scalars.items()}
    scalars["luminosityBlock"] = np.full(n, block)
    before = seed * EVENTS_A_SEED + first_event + 1
    scalars["event"] = before + np.arange(n)
    scalars["MLJEC_scatter"] = before + batch.event["scatter"]
    return EventTables(scalars, tables)


def _scalars(batch: RecoBatch, n: int) -> dict[str, NDArray[np.generic]]:
    event = batch.event
    names = {
        "genWeight": "genWeight", "Generator_weight": "genWeight", "Generator_binvar": "pthat", "Pileup_nPU": "n_pu",
        "Pileup_nTrueInt": "n_true_pu", "PV_x": "pv_x", "PV_y": "pv_y", "PV_z": "pv_z", "PV_npvs": "n_pv",
        "PV_npvsGood": "n_pv_good", "MLJEC_process": "process",
    }  # fmt: skip
    scalars: dict[str, NDArray[np.generic]] = {branch: event[name] for branch, name in names.items()}
    scalars["fixedGridRhoFastjetAll"] = grid_rho(batch.candidates)
    scalars["run"] = np.ones(n, np.uint32)
    scalars["MLJEC_simulation"] = np.full(n, FORMAT_VERSION)
    return scalars


def _keep(jets: Jets, kept: NDArray[np.bool_]) -> Jets:
    return Jets(jets.table.select(kept), jets.members.take(np.flatnonzero(kept)))


def _label(batch: RecoBatch, jets: Jets, gen: Jets, index_name: str, radius: float) -> tuple[Jets, Jagged]:
    """Return the jets with flavours and the index of their generator jet, and the generator jets with flavours.

    Matched on raw jets, one to one, the nearest pairs first, within the radius (CMS's PAT matching takes the same
    distance); analyses cut harder.
    """
    partner = match_flat(
        jets.table["eta"], jets.table["phi"], jets.table.offsets,
        gen.table["eta"], gen.table["phi"], gen.table.offsets, radius,
    )  # fmt: skip
    begin = np.repeat(gen.table.offsets[:-1], jets.table.counts)
    for table in (jets.table, gen.table):
        flavour, n_b, n_c = hadron_flavour(table, batch.genpart, radius)
        table.columns["hadronFlavour"] = flavour
        table.columns["partonFlavour"] = parton_flavour(table, batch.partons, radius)
        if table is jets.table:
            table.columns.update(nBHadrons=n_b, nCHadrons=n_c)
    jets.table.columns[index_name] = np.where(partner < 0, -1, partner - begin)
    gen.table.columns["nConstituents"] = gen.members.counts
    return jets, gen.table


def _groomed(batch: RecoBatch, jets: Jets, gen: Jets) -> tuple[Jets, dict[str, Jagged]]:
    """Return the AK8 PUPPI jets with soft-drop mass, and the tables of subjets: theirs, and their generator jets'."""
    table, subjets = with_subjets(jets.table, soft_drop(batch.candidates, jets, batch.candidates["puppiWeight"]))
    _, gen_subjets = with_subjets(gen.table, soft_drop(batch.gen, gen))
    flavour, n_b, n_c = hadron_flavour(subjets, batch.genpart, 0.8)
    partner = match_flat(
        subjets["eta"], subjets["phi"], subjets.offsets,
        gen_subjets["eta"], gen_subjets["phi"], gen_subjets.offsets, 0.4,
    )  # fmt: skip
    subjets.columns.update(
        rawFactor=np.zeros(len(partner)), hadronFlavour=flavour, nBHadrons=n_b, nCHadrons=n_c,
        subGenJetAK8Idx=np.where(partner < 0, -1, partner - np.repeat(gen_subjets.offsets[:-1], subjets.counts)),
    )  # fmt: skip
    return Jets(table, jets.members), {"SubJet": subjets, "SubGenJetAK8": gen_subjets}


def _candidate_links(jets: Jets, within: NDArray[np.int64]) -> Jagged:
    row = jets.members["row"]
    counts = jets.members.counts
    number = np.arange(len(counts)) - np.repeat(jets.table.offsets[:-1], jets.table.counts)
    return Jagged(
        jets.members.offsets[jets.table.offsets],
        {"jetIdx": np.repeat(number, counts), "pFCandsIdx": within[row]},
    )


@njit()
def _near_pairs(
    eta_1: NDArray[np.floating], phi_1: NDArray[np.floating], offsets_1: NDArray[np.int64],
    eta_2: NDArray[np.floating], phi_2: NDArray[np.floating], offsets_2: NDArray[np.int64], radius: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """Return pairs an event, rows of both and their distance, for all pairs nearer than the radius."""
    counts = np.zeros(len(offsets_1) - 1, np.int64)
    first, second, distance = [0 for _ in range(0)], [0 for _ in range(0)], [0.0 for _ in range(0)]
    for event in range(len(counts)):
        for i in range(offsets_1[event], offsets_1[event + 1]):
            for k in range(offsets_2[event], offsets_2[event + 1]):
                d2 = delta_r2(eta_1[i], phi_1[i], eta_2[k], phi_2[k])
                if d2 < radius * radius:
                    counts[event] += 1
                    first.append(i)
                    second.append(k)
                    distance.append(math.sqrt(d2))
    return counts, np.array(first, np.int64), np.array(second, np.int64), np.array(distance, np.float64)


def _vertex_links(jets: Jagged, sv: Jagged, radius: float) -> Jagged:
    """Return a link for every vertex within the jets' radius; a vertex may belong to two jets."""
    counts, jet, vertex, distance = _near_pairs(
        jets["eta"], jets["phi"], jets.offsets, sv["eta"], sv["phi"], sv.offsets, radius
    )
    offsets = offsets_of(counts)
    energy = np.hypot(sv["pt"] * np.cosh(np.asarray(sv["eta"], np.float64)), sv["mass"])
    jet_energy = np.hypot(jets["pt"] * np.cosh(np.asarray(jets["eta"], np.float64)), jets["mass"])
    return Jagged(
        offsets,
        {
            "jetIdx": jet - np.repeat(jets.offsets[:-1], counts),
            "sVIdx": vertex - np.repeat(sv.offsets[:-1], counts),
            "pt": sv["pt"][vertex],
            "mass": sv["mass"][vertex],
            "deltaR": distance,
            "enration": energy[vertex] / jet_energy[jet],
        },
    )
