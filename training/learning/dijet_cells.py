"""The cells of dijets: the generator's asymmetry in each, which data do not have, and what a network starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.dataset.dijets import Dijets
from training.learning.in_situ_term import InSituSettings, softened
from training.learning.sampling import capped

__all__ = ["LEAST_EVENTS", "DijetCells", "dijet_cells", "flat_in_log"]

LEAST_EVENTS = 30
"""Events of simulation and of data that a cell needs."""

_LARGEST_WEIGHT = 5.0
_BINS = 20

Floats = NDArray[np.float64]


def flat_in_log(pt_avg: Floats) -> Floats:
    """Return weights of mean 1 that flatten ln(pt_avg), none above five times the mean, float64 [n].

    Resampled to a flat spectrum without a bound, weights differ by orders of magnitude, and a few events decide.
    """
    log_pt = np.log(pt_avg)
    edges = np.linspace(log_pt.min(), log_pt.max() + 1e-9, _BINS + 1)
    where = np.digitize(log_pt, edges) - 1
    return capped(1.0 / np.bincount(where, minlength=_BINS)[where], _LARGEST_WEIGHT)


@dataclass(frozen=True)
class DijetCells:
    """Numbers of every cell. Balances are less what the further jets ask for, by the cell's slopes.

    Attributes
    ----------
    slopes : float64 array [cells, 2]
        Of the balance that the start gives the data's jets, in `training.dataset.further_jets.further_jets`.
    generator : mapping of str to float64 array [cells]
        Variance of the generator jets' balance, by the way that needs it: ``asymmetry`` of 2 (p - q) / (p + q),
        ``pairs`` of ln(p / q).
    reco : float64 array [cells]
        Variance of the asymmetry of the data's jets as the start corrects them.
    tail : float64 array [cells]
        Squared asymmetry from which `softened` softens; infinite where it does not.
    soft_generator, soft_reco : float64 array [cells]
        Means of the softened squares of both asymmetries.
    simulated, events : int64 array [cells]
        Events of simulation and of data.
    """

    slopes: Floats
    generator: Mapping[str, Floats]
    reco: Floats
    tail: Floats
    soft_generator: Floats
    soft_reco: Floats
    simulated: NDArray[np.int64]
    events: NDArray[np.int64]

    @property
    def start(self) -> Floats:
        """The start's own part of the softened square; 1 in cells that are not used."""
        return np.where(self.used, self.soft_reco - self.soft_generator, 1.0)

    @property
    def used(self) -> NDArray[np.bool_]:
        """Which cells have enough events, and an asymmetry above the generator's."""
        enough = (self.simulated >= LEAST_EVENTS) & (self.events >= LEAST_EVENTS)
        return enough & (self.reco > self.generator["asymmetry"]) & (self.soft_reco > self.soft_generator)

    @property
    def information(self) -> Floats:
        """How much an event tells of the resolution, 1 without a generator asymmetry: squared share of the square."""
        share = np.where(self.used, self.start / np.maximum(self.soft_reco, 1e-12), 0.0)
        return share**2

    def expected(self, dijets: Dijets) -> Floats:
        """Return the asymmetry that the further jets ask for in each event, float64 [n]."""
        return np.asarray((dijets.further * self.slopes[dijets.cell]).sum(axis=1))

    def rows(self) -> list[dict[str, Any]]:
        """The cells that are used, for a run's record."""
        return [
            {
                "cell": int(k), "simulated": int(self.simulated[k]), "events": int(self.events[k]),
                "slopes": [round(float(slope), 4) for slope in self.slopes[k]],
                "sigma_generator": float(np.sqrt(self.generator["asymmetry"][k])),
                "sigma_start": float(np.sqrt(self.reco[k])),
                "jer_start": float(np.sqrt((self.reco[k] - self.generator["asymmetry"][k]) / 2.0)),
            }
            for k in np.flatnonzero(self.used)
        ]  # fmt: skip


def dijet_cells(
    simulation: Dijets, data: Dijets, log_correction: NDArray[np.floating], cells: int, settings: InSituSettings
) -> DijetCells:
    """Return the numbers of the cells.

    Parameters
    ----------
    simulation : Dijets
        With truth.
    data : Dijets
    log_correction : array [2 n]
        The start's, of the data's jets.
    cells : int
    settings : InSituSettings

    Raises
    ------
    InputError
        If no cell has enough events of both, or an asymmetry above the generator's.
    """
    of_simulation = simulation.jets.columns["pt_gen"].astype(np.float64).reshape(-1, 2)
    corrected = (data.jets.columns["pt_raw"] * np.exp(np.asarray(log_correction, np.float64))).reshape(-1, 2)
    asymmetry = _asymmetry(corrected)
    slopes = np.zeros((cells, data.further.shape[1]))
    if settings.further_jets:
        slopes = _slopes(data.further, asymmetry, data.cell, cells)
    asked, seen = ((dijets.further * slopes[dijets.cell]).sum(axis=1) for dijets in (simulation, data))
    square = (asymmetry - seen) ** 2
    of_generator = (_asymmetry(of_simulation) - asked) ** 2
    log_balance = np.log(of_simulation[:, 0] / of_simulation[:, 1]) - asked
    reco = _mean(square, data.cell, cells)
    tail = settings.tails**2 * np.maximum(reco, 1e-12) if settings.tails > 0 else np.full(cells, np.inf)
    found = DijetCells(
        slopes,
        {
            "asymmetry": _mean(of_generator, simulation.cell, cells),
            "pairs": _mean(log_balance**2, simulation.cell, cells),
        },
        reco,
        tail,
        _mean(softened(of_generator, tail[simulation.cell]), simulation.cell, cells),
        _mean(softened(square, tail[data.cell]), data.cell, cells),
        np.bincount(simulation.cell, minlength=cells),
        np.bincount(data.cell, minlength=cells),
    )
    if not found.used.any():
        raise InputError(
            f"no generator asymmetry to subtract from that of the data: of {cells} cells of |eta|, pT and the third "
            f"jet none has {LEAST_EVENTS} dijets of the simulation (at most {found.simulated.max()}) and of the data "
            f"(at most {found.events.max()}) and an asymmetry above the generator's: give more events, or wider bins"
        )
    return found


def _slopes(further: Floats, asymmetry: Floats, cell: NDArray[np.int64], cells: int) -> Floats:
    """Return the least-squares slopes of the asymmetry in each cell, [cells, 2]; 0 where events are few."""
    slopes = np.zeros((cells, further.shape[1]))
    for k in np.flatnonzero(np.bincount(cell, minlength=cells) >= LEAST_EVENTS):
        mine = cell == k
        slopes[k] = np.linalg.lstsq(further[mine], asymmetry[mine], rcond=None)[0]
    return slopes


def _asymmetry(pt: Floats) -> Floats:
    return 2.0 * (pt[:, 0] - pt[:, 1]) / (pt[:, 0] + pt[:, 1])


def _mean(values: Floats, cell: NDArray[np.int64], cells: int) -> Floats:
    return np.bincount(cell, values, cells) / np.maximum(np.bincount(cell, minlength=cells), 1)
