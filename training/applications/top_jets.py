"""Top quarks and jets of QCD in the setting of the reference set, from Pythia 8: AK8, 550 to 650 GeV, |eta| < 2.

As in the set, a top jet holds the top quark and its three quarks within 0.8. Unlike it: 13 TeV, with multiple
interactions of the partons, and stable particles in the place of what Delphes makes of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.geometry import delta_phis
from training.applications.four_vectors import CONSTITUENTS, FourVectorJets
from training.simulate.batch import Jagged, offsets_of
from training.simulate.generator import generate_hard
from training.simulate.jets import NEUTRINOS, cluster
from training.simulate.record import HardEvents
from training.simulate.settings import Settings

__all__ = ["joined", "top_jets"]

_RADIUS = 0.8
_PT = (550.0, 650.0)
_LARGEST_ETA = 2.0
_PT_HAT: Mapping[str, tuple[float, float]] = {"ttbar": (500.0, 750.0), "qcd": (500.0, 800.0)}


def top_jets(job: tuple[str, int, int, int]) -> FourVectorJets:
    """Generate one batch.

    Parameters
    ----------
    job : (str, int, int, int)
        ``ttbar`` or ``qcd``, seed, hard scatters, number of the batch.
    """
    process, seed, n_events, index = job
    low, high = _PT_HAT[process]
    settings = Settings.create(process=process, seed=seed, pt_hat_min=low, pt_hat_max=high, bias_power=4.0)
    events = generate_hard(settings, n_events, index)
    particles = events.gen.select(~np.isin(np.abs(events.gen["pdgId"]), NEUTRINOS) & (events.gen["pt"] > 0))
    jets = cluster(particles, _RADIUS, _PT[0], with_area=False)
    chosen = (jets.table["pt"] < _PT[1]) & (np.abs(jets.table["eta"]) < _LARGEST_ETA)
    if process == "ttbar":
        chosen &= _holds_a_top(jets.table, events)
    members = jets.members.take(np.flatnonzero(chosen))
    return _four_vectors(particles, members, process == "ttbar")


def _holds_a_top(jets: Jagged, events: HardEvents) -> NDArray[np.bool_]:
    """Whether a top quark that decays to three quarks lies in a jet with all of them."""
    found = np.zeros(int(jets.offsets[-1]), np.bool_)
    table = events.genpart
    for event in range(len(jets)):
        part = table.slice(event, event + 1).columns
        mother = part["genPartIdxMother"]
        pdg, of_mother = part["pdgId"], np.where(mother >= 0, part["pdgId"][mother], 0)
        for sign in (1, -1):
            quarks = (part["status"] == 23) & (np.abs(pdg) <= 5) & np.isin(of_mother, (6 * sign, 24 * sign))
            tops = (pdg == 6 * sign) & (part["statusFlags"] & (1 << 13) != 0)
            if quarks.sum() != 3 or tops.sum() != 1:
                continue
            rows = np.flatnonzero(quarks | tops)
            for jet in range(jets.offsets[event], jets.offsets[event + 1]):
                away = np.hypot(
                    part["eta"][rows] - jets["eta"][jet], delta_phis(part["phi"][rows], np.array(jets["phi"][jet]))
                )
                found[jet] |= bool((away < _RADIUS).all())
    return found


def _four_vectors(particles: Jagged, members: Jagged, top: bool) -> FourVectorJets:
    """The hardest 200 particles of each jet, by falling pT."""
    rows = members["row"]
    pt, eta, phi, mass = (np.asarray(particles[name], np.float64)[rows] for name in ("pt", "eta", "phi", "mass"))
    order = np.lexsort((-pt, members.event))
    place = np.arange(len(rows)) - members.offsets[:-1][members.event]
    order = order[place < CONSTITUENTS]
    p_z = pt * np.sinh(eta)
    momenta = np.column_stack([np.sqrt(pt**2 + p_z**2 + mass**2), pt * np.cos(phi), pt * np.sin(phi), p_z])
    counts = np.minimum(members.counts, CONSTITUENTS)
    return FourVectorJets(momenta[order].astype(np.float32), offsets_of(counts), np.full(len(counts), top))


def joined(parts: list[FourVectorJets]) -> FourVectorJets:
    """Return the jets of all parts, one after the other.

    Raises
    ------
    InputError
        If one of the two classes has no jet.
    """
    top = np.concatenate([part.top for part in parts])
    if missing := [name for name, mask in (("top", top), ("QCD", ~top)) if not mask.any()]:
        raise InputError(f"no {' or '.join(missing)} jet among {len(top)}: generate more (--top-scatters)")
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    return FourVectorJets(np.concatenate([part.momenta for part in parts]), offsets_of(counts), top)
