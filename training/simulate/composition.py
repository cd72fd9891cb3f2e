"""What jets are made of: energy fractions, counts, and the jet ID from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.numerics.jit import njit
from training.simulate.batch import Jagged
from training.simulate.jets import Jets

__all__ = ["jet_table"]


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


def jet_table(jets: Jets, candidates: Jagged, weight: NDArray[np.generic] | None, run3: bool) -> Jagged:
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
