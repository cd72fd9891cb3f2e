"""Pythia 8: hard events and minimum-bias interactions, as flat tables.

K_S, Lambda and hyperons are stable for the generator (``tau0Max`` 10 mm); `training.simulate.decay` lets K_S and
Lambda decay in the tracker. Charged hyperons, rarer than a per mille, are taken for stable charged hadrons. No QED or
nuclear interactions in the material: no photon conversions, no bremsstrahlung, no secondary hadrons.
"""

from __future__ import annotations

import importlib
from typing import Any

from coffea_mljec.errors import InputError, MLJECError
from training.random_streams import SimulationStream, pythia_seed, simulation_generator
from training.simulate.record import HardEvents, hard_events
from training.simulate.settings import PROCESSES, SHOWERS, Process, Settings

__all__ = ["generate_hard", "generate_minimum_bias"]


def _pythia8() -> Any:
    try:
        return importlib.import_module("pythia8mc")
    except ImportError:
        raise MLJECError(
            "the simulation needs Pythia 8, which is not installed: pip install 'coffea-mljec[simulate]'"
        ) from None


def _wanted(process: Process) -> Any:
    """Return the hook that vetoes scatters whose outgoing partons a process does not want, before their shower.

    Pythia holds the C++ half of it only: it vetoes nothing, silently, once Python has dropped the other.
    """
    hooks: Any = _pythia8().UserHooks

    class Wanted(hooks):
        def __init__(self) -> None:
            hooks.__init__(self)

        def canVetoProcessLevel(self) -> bool:
            return True

        def doVetoProcessLevel(self, scatter: Any) -> bool:
            # Rows 5 and 6 of the process record are the outgoing partons of a 2 -> 2 scatter.
            first, second = abs(scatter[5].eta()), abs(scatter[6].eta())
            return not process.wants(first, second)

    return Wanted()


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
    hook = _wanted(process) if process.chooses else None
    pythia = _pythia(commands, pythia_seed(settings.seed, SimulationStream.HARD_SCATTERS, index), hook)
    rng = simulation_generator(settings.seed, SimulationStream.STRANGE_DECAYS, index)
    return hard_events(pythia.nextBatch(n_events), rng)


def generate_minimum_bias(seed: int, n_events: int, energy: float, tune: int) -> HardEvents:
    """Generate ``n_events`` inelastic proton-proton interactions; ``pthat`` is that of their hardest scatter."""
    commands = ["SoftQCD:inelastic = on", f"Beams:eCM = {energy}", f"Tune:pp = {tune}"]
    pythia = _pythia(commands, pythia_seed(seed, SimulationStream.MINIMUM_BIAS))
    rng = simulation_generator(seed, SimulationStream.MINIMUM_BIAS_DECAYS)
    return hard_events(pythia.nextBatch(n_events), rng)
