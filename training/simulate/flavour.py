"""Jet flavour from hadrons and partons: the nearest thing to CMS's ghost association.

CMS adds the generator's b and c hadrons and its partons to the jets' input as ghosts of negligible momentum and looks
which jet each ends in. In anti-kT a ghost is taken by the jet j with the smallest DeltaR_j^2 / pT_j^2 among those
within the radius; here that rule is applied to the finished jets, so that only the drift of the jets' axes during the
clustering is neglected. A plain nearest-jet rule would give hadrons of a hard jet to a soft neighbour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit
from training.simulate.batch import Jagged

__all__ = ["ghost_owner", "hadron_flavour", "heavy_quark_of", "parton_flavour", "rapidity"]

LAST_COPY = 1 << 13
"""NanoAOD's ``statusFlags`` bit of the last hadron before the weak decay."""


def rapidity(pt: NDArray[np.floating], eta: NDArray[np.floating], mass: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the rapidity asinh(pz / mT); 0 where there is neither momentum nor mass."""
    wide = np.asarray(pt, np.float64)
    transverse = np.hypot(wide, np.asarray(mass, np.float64))
    longitudinal = wide * np.sinh(np.asarray(eta, np.float64))
    return np.arcsinh(np.divide(longitudinal, transverse, out=np.zeros_like(wide), where=transverse > 0))


@njit()
def ghost_owner(
    y: NDArray[np.floating],
    phi: NDArray[np.floating],
    offsets: NDArray[np.int64],
    jet_y: NDArray[np.floating],
    jet_phi: NDArray[np.floating],
    jet_pt: NDArray[np.floating],
    jet_offsets: NDArray[np.int64],
    radius: float,
) -> NDArray[np.int64]:
    """Return the row of the jet that takes each ghost, -1 for none.

    Parameters
    ----------
    y, phi : float arrays [n]
        Rapidity and azimuth of the ghosts, grouped in events by ``offsets`` [n_events + 1].
    jet_y, jet_phi, jet_pt : float arrays [n_jets]
        The jets, grouped by ``jet_offsets`` [n_events + 1].
    radius : float
        The jets' radius parameter.

    Returns
    -------
    int64 array [n]
        Row in the flat table of jets.
    """
    owner = np.full(len(y), -1, np.int64)
    for event in range(len(offsets) - 1):
        for i in range(offsets[event], offsets[event + 1]):
            best = np.inf
            for j in range(jet_offsets[event], jet_offsets[event + 1]):
                distance2 = delta_r2(y[i], phi[i], jet_y[j], jet_phi[j])
                measure = distance2 / (jet_pt[j] * jet_pt[j])
                if distance2 < radius * radius and measure < best:
                    best = measure
                    owner[i] = j
    return owner


def heavy_quark_of(pdg_id: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return 5 for hadrons with a b quark, 4 for those with a c and no b quark, 0 for everything else.

    Read from the digits of the PDG numbering scheme; diquarks (tens digit 0) and bare quarks are no hadrons.
    """
    number = np.abs(np.asarray(pdg_id, np.int64))
    quarks = np.stack([(number // place) % 10 for place in (10, 100, 1000)])
    hadron = (number > 100) & (number < 10_000_000) & (quarks[0] != 0) & (quarks[1] != 0)
    heaviest = np.where(quarks <= 5, quarks, 0).max(axis=0)
    return np.where(hadron & (heaviest >= 4), heaviest, 0)


def _owners(ghosts: Jagged, ghost_y: NDArray[np.float64], jets: Jagged, radius: float) -> NDArray[np.int64]:
    owner: NDArray[np.int64] = ghost_owner(
        ghost_y, ghosts["phi"], ghosts.offsets,
        rapidity(jets["pt"], jets["eta"], jets["mass"]), jets["phi"], jets["pt"], jets.offsets, radius,
    )  # fmt: skip
    return owner


def hadron_flavour(
    jets: Jagged, genpart: Jagged, radius: float = 0.4
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return hadronFlavour, the number of b hadrons and that of c hadrons of each jet.

    Parameters
    ----------
    jets : Jagged
        ``pt eta phi mass``.
    genpart : Jagged
        ``pt eta phi mass pdgId statusFlags``; hadrons count once, as last copies.
    radius : float
        Radius of the jets.

    Returns
    -------
    flavour, n_b, n_c : int32 arrays [n_jets]
        Flavour 5 with a b hadron, else 4 with a c hadron, else 0.
    """
    quark = heavy_quark_of(genpart["pdgId"])
    hadrons = genpart.select((quark > 0) & (genpart["statusFlags"] & LAST_COPY != 0))
    quark = heavy_quark_of(hadrons["pdgId"])
    owner = _owners(hadrons, rapidity(hadrons["pt"], hadrons["eta"], hadrons["mass"]), jets, radius)
    n_jets = int(jets.offsets[-1])
    n_b, n_c = (np.bincount(owner[(owner >= 0) & (quark == q)], minlength=n_jets).astype(np.int32) for q in (5, 4))
    return np.where(n_b > 0, 5, np.where(n_c > 0, 4, 0)).astype(np.int32), n_b, n_c


@njit()
def _leading_partons(
    owner: NDArray[np.int64], pt: NDArray[np.floating], pdg_id: NDArray[np.integer], n_jets: int
) -> NDArray[np.int32]:
    flavour = np.zeros(n_jets, np.int32)
    rank = np.zeros(n_jets, np.int64)
    leading = np.zeros(n_jets)
    for i in range(len(owner)):
        j = owner[i]
        kind = abs(pdg_id[i])
        if j < 0 or not (1 <= kind <= 5 or kind == 21):
            continue
        own_rank = 2 if kind == 5 else (1 if kind == 4 else 0)
        if own_rank > rank[j] or (own_rank == rank[j] and pt[i] > leading[j]):
            rank[j], leading[j], flavour[j] = own_rank, pt[i], pdg_id[i]
    return flavour


def parton_flavour(jets: Jagged, partons: Jagged, radius: float = 0.4) -> NDArray[np.int32]:
    """Return partonFlavour: the PDG id of the hardest b quark in the jet, else c quark, else parton; 0 with none.

    CMS's "algorithmic" definition (``JetFlavourClustering``): partons at the end of the shower, b before c before the
    rest; hadrons have no say in it.

    Parameters
    ----------
    jets : Jagged
        ``pt eta phi mass``.
    partons : Jagged
        ``pt eta phi pdgId``, massless.
    radius : float
        Radius of the jets.
    """
    owner = _owners(partons, np.asarray(partons["eta"], np.float64), jets, radius)
    flavour: NDArray[np.int32] = _leading_partons(owner, partons["pt"], partons["pdgId"], int(jets.offsets[-1]))
    return flavour
