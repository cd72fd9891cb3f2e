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
from training.simulate.flavour import hadron_flavour, parton_flavour
from training.simulate.jets import Jets, chs_jets, generator_jets, puppi_jets
from training.simulate.prompt import missing_momentum, prompt_tables
from training.simulate.rho import grid_rho

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
    """

    raw_pt_min: float = 5.0
    unmatched_raw_pt_min: float = 15.0
    gen_pt_min: float = 8.0
    ak8: bool = True
    ak8_pt_min: float = 100.0
    jets: str = "chs"

    def __post_init__(self) -> None:
        if self.jets not in TABLES_OF:
            raise InputError(f"unknown jets {self.jets!r}: choose one of {', '.join(TABLES_OF)}")


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
    used = np.full(len(batch.candidates["pt"]), all_candidates)
    for found, _ in collections.values():
        used[found.members["row"]] = True
    tables["PFCands"] = batch.candidates.select(used)
    within = np.cumsum(used) - 1 - np.repeat(tables["PFCands"].offsets[:-1], batch.candidates.counts)
    for name, (found, radius) in collections.items():
        weighted = puppi or name != "Jet"
        tables[name] = _jet_table(found, batch.candidates, weight if weighted else None, run3=puppi)
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


@njit()
def _compose(
    kind: NDArray[np.int64], energy: NDArray[np.float64], rows: NDArray[np.int64], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return energy fractions [5, n] (charged hadrons, neutral hadrons, e, photons, mu) and counts [5, n]."""
    n = len(offsets) - 1
    fraction = np.zeros((5, n))
    count = np.zeros((5, n), np.int64)
    for j in range(n):
        total = 0.0
        for k in range(offsets[j], offsets[j + 1]):
            i = rows[k]
            fraction[kind[i], j] += energy[i]
            count[kind[i], j] += 1
            total += energy[i]
        if total > 0.0:
            fraction[:, j] /= total
    return fraction, count


def _jet_table(jets: Jets, candidates: Jagged, weight: NDArray[np.generic] | None, run3: bool) -> Jagged:
    """Return the jets' table with composition and jet ID; ``weight`` scales the candidates' energies."""
    number = np.abs(candidates["pdgId"])
    kind = np.select([number == 211, (number == 130) | (number == 1), number == 11, number == 13], [0, 1, 2, 4], 3)
    energy = np.hypot(candidates["pt"] * np.cosh(np.asarray(candidates["eta"], np.float64)), candidates["mass"])
    if weight is not None:
        energy = energy * weight
    fraction, count = _compose(kind.astype(np.int64), energy, jets.members["row"], jets.members.offsets)
    columns = dict(jets.table.columns)
    columns |= dict(zip(("chHEF", "neHEF", "chEmEF", "neEmEF", "muEF"), fraction, strict=True))
    columns["muonSubtrFactor"] = fraction[4]
    columns |= {"nConstituents": jets.members.counts, "nElectrons": count[2], "nMuons": count[4]}
    jet_id = (_jet_id_run3 if run3 else _jet_id)(jets.table["eta"], fraction, count)
    columns |= {"rawFactor": np.zeros(len(jets.members)), "jetId": jet_id}
    return Jagged(jets.table.offsets, columns)


def _jet_id(eta: NDArray[np.generic], fraction: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return CMS's jet ID for UL CHS jets (JetMET recommendation "JetID13TeVUL"): 2 tight, 6 with lepton veto too."""
    away = np.abs(np.asarray(eta))
    charged, neutral, electron, photon, muon = fraction
    n_charged = count[0] + count[2] + count[4]
    n_neutral = count[1] + count[3]
    central = (neutral < 0.9) & (photon < 0.9) & (n_charged + n_neutral > 1) & (charged > 0) & (n_charged > 0)
    edge = (neutral < 0.9) & (photon < 0.99) & (n_charged > 0)
    endcap = (photon > 0.01) & (photon < 0.99) & (n_neutral > 1)
    forward = (neutral > 0.2) & (photon < 0.9) & (n_neutral > 10)
    tight = np.select([away <= 2.6, away <= 2.7, away <= 3.0], [central, edge, endcap], forward)
    return _with_veto(tight, away, muon, electron)


def _jet_id_run3(
    eta: NDArray[np.generic], fraction: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return CMS's jet ID for PUPPI jets of Run 3 (JetMET recommendation "JetID13p6TeV"), 2 and 6 as `_jet_id`."""
    away = np.abs(np.asarray(eta))
    charged, neutral, electron, photon, muon = fraction
    n_charged = count[0] + count[2] + count[4]
    n_neutral = count[1] + count[3]
    several = (n_charged + n_neutral > 1) & (n_charged > 0)
    central = (neutral < 0.99) & (photon < 0.9) & several & (charged > 0.01)
    edge = (neutral < 0.9) & (photon < 0.99)
    endcap = neutral < 0.99
    forward = (photon < 0.4) & (n_neutral > 1)
    tight = np.select([away <= 2.6, away <= 2.7, away <= 3.0], [central, edge, endcap], forward)
    return _with_veto(tight, away, muon, electron)


def _with_veto(
    tight: NDArray[np.bool_], away: NDArray[np.floating], muon: NDArray[np.float64], electron: NDArray[np.float64]
) -> NDArray[np.int64]:
    no_lepton = (away > 2.7) | ((muon < 0.8) & (electron < 0.8))
    return np.where(tight, np.where(no_lepton, 6, 2), 0)


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
