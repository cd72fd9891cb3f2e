"""Pythia 8: hard events and minimum-bias interactions, as flat tables.

K_S, Lambda and hyperons are stable for the generator (``tau0Max`` 10 mm); `training.simulate.decay` lets K_S and
Lambda decay in the tracker. Charged hyperons, rarer than a per mille, are taken for stable charged hadrons. No QED or
nuclear interactions in the material: no photon conversions, no bremsstrahlung, no secondary hadrons.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError, MLJECError
from coffea_mljec.numerics.jit import njit
from training.simulate.batch import GEN_COLUMNS, GENPART_COLUMNS, PARTON_COLUMNS, Jagged, offsets_of, typed
from training.simulate.decay import decay_strange
from training.simulate.settings import PROCESSES, SHOWERS, Settings

__all__ = ["HardEvents", "generate_hard", "generate_minimum_bias", "seed_of"]

_MM = 0.1  # cm


@dataclass(frozen=True)
class HardEvents:
    """Generated hard scatters: truth for jets, and the particles that enter the detector.

    Attributes
    ----------
    weight, pthat : float arrays [n]
    gen, genpart, partons : Jagged
        As in `RecoBatch`.
    particles : Jagged
        ``decay.PARTICLE_COLUMNS``: what flies into the detector, vertices in cm relative to the interaction.
        ``group`` numbers, within the event, the heavy hadron or V0 whose decay the particle stems from; -1 for none.
    """

    weight: NDArray[np.float64]
    pthat: NDArray[np.float64]
    gen: Jagged
    genpart: Jagged
    partons: Jagged
    particles: Jagged


def seed_of(*words: int) -> int:
    """Return a Pythia seed in 1 to 900,000,000 from any integers (settings' seed, stream, batch index)."""
    state = int(np.random.SeedSequence([int(word) for word in words]).generate_state(1, np.uint64)[0])
    return 1 + state % 900_000_000


def _pythia8() -> Any:
    try:
        return importlib.import_module("pythia8mc")
    except ImportError:
        raise MLJECError(
            "the simulation needs Pythia 8, which is not installed: pip install 'coffea-mljec[simulate]'"
        ) from None


def _forward_only(parton_eta: float) -> Any:
    """Return the hook that vetoes scatters, before their shower, without an outgoing parton beyond ``parton_eta``.

    Pythia holds the C++ half of it only: it vetoes nothing, silently, once Python has dropped the other.
    """
    hooks: Any = _pythia8().UserHooks

    class ForwardOnly(hooks):
        def __init__(self) -> None:
            hooks.__init__(self)

        def canVetoProcessLevel(self) -> bool:
            return True

        def doVetoProcessLevel(self, process: Any) -> bool:
            # Rows 5 and 6 of the process record are the outgoing partons of a 2 -> 2 scatter.
            return max(abs(process[5].eta()), abs(process[6].eta())) < parton_eta

    return ForwardOnly()


def _pythia(commands: list[str], seed: int, hook: Any = None) -> Any:
    """Return an initialised generator; the caller keeps ``hook``."""
    pythia = _pythia8().Pythia("", False)
    common = [
        "Print:quiet = on",
        "ParticleDecays:limitTau0 = on",
        "ParticleDecays:tau0Max = 10",
        "Random:setSeed = on",
        f"Random:seed = {seed}",
    ]
    for command in common + commands:
        if not pythia.readString(command):
            raise InputError(f"Pythia 8 does not know {command!r}: repair the settings or the process table")
    if hook is not None:
        pythia.setUserHooksPtr(hook)
    if not pythia.init():
        raise InputError(f"Pythia 8 refused these settings: {commands}")
    return pythia


def _record(batch: Any) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Return offsets and flat columns of the full event records."""
    import awkward as ak

    particles = batch.prt
    counts = ak.to_numpy(ak.num(particles.id, axis=1))
    flat = ak.flatten(particles, axis=1)
    columns = {name: ak.to_numpy(flat[name]) for name in ("id", "status", "mother1", "daughter1", "daughter2", "m")}
    for axis in ("px", "py", "pz", "e"):
        columns[axis] = ak.to_numpy(flat.p[axis])
    for axis in ("px", "py", "pz"):
        # No production vertex is stored where it is the origin.
        columns["v" + axis[1]] = ak.to_numpy(ak.fill_none(flat.vProd[axis], 0.0)) * _MM
    return offsets_of(counts), columns


@njit()
def _has_flavour(pdg: int, flavour: int) -> bool:
    """Whether a hadron contains the heavy quark ``flavour``."""
    a = abs(pdg)
    if a < 100 or a > 1_000_000_000:
        return False
    return (a // 100) % 10 == flavour or (a // 1000) % 10 == flavour


@njit()
def _heavy(pdg: int) -> int:
    """5 for b hadrons, 4 for c hadrons, else 0."""
    if _has_flavour(pdg, 5):
        return 5
    return 4 if _has_flavour(pdg, 4) else 0


@njit()
def _classify(
    offsets: NDArray[np.int64],
    pdg: NDArray[np.int32],
    status: NDArray[np.int32],
    mother: NDArray[np.int32],
    daughter1: NDArray[np.int32],
    daughter2: NDArray[np.int32],
) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Sort the record: role (1 final, 2 genpart, 3 last parton), NanoAOD flags, kept mother, heavy group.

    ``group`` is the row of the topmost b hadron, else of the topmost c hadron, that a final particle descends from.
    """
    n = len(pdg)
    role = np.zeros(n, np.int8)
    flags = np.zeros(n, np.int32)
    kept_mother = np.full(n, -1, np.int32)
    group = np.full(n, -1, np.int32)
    for event in range(len(offsets) - 1):
        start = offsets[event]
        for i in range(start, offsets[event + 1]):
            a = abs(pdg[i])
            s = abs(status[i])
            if status[i] > 0:
                role[i] = 1
                best = 0
                row = i
                while True:
                    up = mother[row]
                    # Only decays are followed: particles of hadronisation have many mothers.
                    if up <= 0 or abs(status[row]) < 91 or abs(status[row]) > 99:
                        break
                    row = start + up
                    flavour = _heavy(pdg[row])
                    if flavour != 0 and flavour >= best:
                        best = flavour
                        group[i] = row - start
                continue
            first, last = start + daughter1[i], start + max(daughter1[i], daughter2[i])
            if 21 <= s <= 29:
                role[i] = 2
                flags[i] = (1 << 7) | (1 << 8)
            elif _heavy(pdg[i]) != 0:
                role[i] = 2
                is_last = True
                if daughter1[i] > 0:
                    for d in range(first, last + 1):
                        if _has_flavour(pdg[d], _heavy(pdg[i])):
                            is_last = False
                if is_last:
                    flags[i] |= 1 << 13
            elif a == 6 or 23 <= a <= 25:
                same = False
                if daughter1[i] > 0:
                    for d in range(first, last + 1):
                        same = same or pdg[d] == pdg[i]
                if not same:
                    role[i] = 2
                    flags[i] = (1 << 8) | (1 << 13)
            elif (a <= 5 or a == 21) and daughter1[i] > 0:
                partons = False
                for d in range(first, last + 1):
                    b = abs(pdg[d])
                    partons = partons or b <= 6 or b == 21
                if not partons:
                    role[i] = 3
        rank = 0
        place = np.full(offsets[event + 1] - start, -1, np.int32)
        for i in range(start, offsets[event + 1]):
            if role[i] != 2:
                continue
            place[i - start] = rank
            rank += 1
            row = mother[i]
            for _ in range(200):
                if row <= 0 or place[row] >= 0:
                    break
                row = mother[start + row]
            if row > 0:
                kept_mother[i] = place[row]
    return role, flags, kept_mother, group


def _kinematics(columns: dict[str, NDArray[Any]], rows: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    px, py, pz = (columns[axis][rows] for axis in ("px", "py", "pz"))
    # Incoming partons have no transverse momentum: a floor keeps their pseudorapidity finite.
    pt = np.maximum(np.hypot(px, py), 1e-6)
    return {
        "pt": pt,
        "eta": np.arcsinh(pz / pt),
        "phi": np.arctan2(py, px),
        "mass": columns["m"][rows],
        "pdgId": columns["id"][rows],
    }


def _events(batch: Any, rng: np.random.Generator) -> HardEvents:
    """Turn one awkward batch of Pythia into tables."""
    import awkward as ak

    offsets, columns = _record(batch)
    role, flags, kept_mother, group = _classify(
        offsets, columns["id"], columns["status"], columns["mother1"], columns["daughter1"], columns["daughter2"]
    )
    tables = []
    for wanted in (1, 2, 3):
        rows = role == wanted
        tables.append((rows, np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])[offsets]))
    (final, gen_offsets), (kept, genpart_offsets), (last, parton_offsets) = tables
    gen = Jagged(gen_offsets, typed(_kinematics(columns, final), GEN_COLUMNS))
    genpart_columns = _kinematics(columns, kept) | {
        "status": np.where(np.abs(columns["status"][kept]) < 30, np.abs(columns["status"][kept]), 2),
        "statusFlags": flags[kept],
        "genPartIdxMother": kept_mother[kept],
    }
    partons = _kinematics(columns, last)
    del partons["mass"]
    vertices = np.column_stack([columns["vx"][final], columns["vy"][final], columns["vz"][final]])
    return HardEvents(
        ak.to_numpy(batch.info.weights[:, 0]).astype(np.float64),
        np.sqrt(ak.to_numpy(batch.info.pT2Hat)),
        gen,
        Jagged(genpart_offsets, typed(genpart_columns, GENPART_COLUMNS)),
        Jagged(parton_offsets, typed(partons, PARTON_COLUMNS)),
        decay_strange(rng, gen, vertices, group[final]),
    )


def generate_hard(settings: Settings, n_events: int, index: int) -> HardEvents:
    """Generate batch ``index`` of the settings' process: the same events whichever process, and in whichever order.

    Parameters
    ----------
    settings : Settings
    n_events : int
    index : int
        Number of the batch; with ``settings.seed`` it seeds Pythia and the strange decays.
    """
    process = PROCESSES[settings.process]
    commands = [
        *process.commands,
        f"Beams:eCM = {settings.energy}",
        f"Tune:pp = {settings.tune}",
        f"PartonShowers:model = {SHOWERS[settings.shower]}",
        f"PhaseSpace:pTHatMin = {settings.pt_hat_min}",
        f"PhaseSpace:pTHatMax = {settings.pt_hat_max}",
    ]
    if settings.bias_power > 0:
        commands += [
            "PhaseSpace:bias2Selection = on",
            f"PhaseSpace:bias2SelectionPow = {settings.bias_power}",
            f"PhaseSpace:bias2SelectionRef = {max(settings.pt_hat_min, 1.0)}",
        ]
    hook = _forward_only(process.parton_eta) if process.parton_eta > 0.0 else None
    pythia = _pythia(commands, seed_of(settings.seed, 1, index), hook)
    rng = np.random.default_rng([settings.seed, 2, index])
    return _events(pythia.nextBatch(n_events), rng)


def generate_minimum_bias(seed: int, n_events: int, energy: float, tune: int) -> HardEvents:
    """Generate ``n_events`` inelastic proton-proton interactions; ``pthat`` is that of their hardest scatter."""
    commands = ["SoftQCD:inelastic = on", f"Beams:eCM = {energy}", f"Tune:pp = {tune}"]
    pythia = _pythia(commands, seed_of(seed, 3))
    return _events(pythia.nextBatch(n_events), np.random.default_rng([seed, 4]))
