"""Neutrinos of generator jets: what a semileptonic decay takes away from the visible momentum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.simulate.batch import Jagged
from training.simulate.flavour import ghost_owner, rapidity
from training.simulate.jets import NEUTRINOS, four_momenta

__all__ = ["with_neutrinos"]


def with_neutrinos(jets: Jagged, gen: Jagged, radius: float) -> Jagged:
    """Return the generator jets with ``ptWithNeutrinos`` and so on: their momentum and that of their neutrinos.

    A neutrino belongs to the jet that would take a ghost in its place (`training.simulate.flavour`), whatever it
    stems from.

    Parameters
    ----------
    jets : Jagged
        ``pt eta phi mass`` of visible particles.
    gen : Jagged
        All stable particles.
    radius : float
        Of the jets.
    """
    unseen = gen.select(np.isin(np.abs(gen["pdgId"]), NEUTRINOS) & (gen["pt"] > 0))
    jet_columns = {name: np.asarray(jets[name], np.float64) for name in ("pt", "eta", "phi", "mass")}
    columns = {name: np.asarray(unseen[name], np.float64) for name in ("pt", "eta", "phi", "mass")}
    owner = ghost_owner(
        rapidity(columns["pt"], columns["eta"], columns["mass"]), columns["phi"], unseen.offsets,
        rapidity(jet_columns["pt"], jet_columns["eta"], jet_columns["mass"]), jet_columns["phi"], jet_columns["pt"],
        jets.offsets, radius,
    )  # fmt: skip
    total = four_momenta(**jet_columns)
    owned = owner >= 0
    for axis, momentum in enumerate(four_momenta(**columns)):
        total[axis] += np.bincount(owner[owned], momentum[owned], minlength=total.shape[1])
    return Jagged(jets.offsets, dict(jets.columns) | _named(total))


def _named(momenta: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    px, py, pz, energy = momenta
    pt = np.hypot(px, py)
    mass = np.sqrt(np.maximum(0.0, energy**2 - pt**2 - pz**2))
    columns = {"pt": pt, "eta": np.arcsinh(pz / pt), "phi": np.arctan2(py, px), "mass": mass}
    return {f"{name}WithNeutrinos": column for name, column in columns.items()}
