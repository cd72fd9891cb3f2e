"""What a training that saw data gained, judged by the truth that it did not see: networks side by side on one sample.

Resolutions are compared after the same inversion: each network's pT is divided by its own median response in bins of
generator pT and |eta|, so that none gains by squeezing pT. Errors come from resampled scatters, the same for
all networks: that of a difference knows that both saw the same jets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.dataset.dijets import Dijets

__all__ = ["NUMBERS", "Judged", "judge"]

Floats = NDArray[np.float64]

NUMBERS: Mapping[str, str] = {
    "jer": "true JER/%",
    "jer_dijets": "JER from dijets/%",
    "median": "median response",
    "closure": "largest |median - 1|/%",
    "flavours": "quarks - gluons/%",
}
"""Number -> what a table calls it. ``jer``: (Q84 - Q16) / 2 of pT / pT gen after the inversion, mean over jets."""

PT_EDGES = (60.0, 100.0, 160.0, 250.0, 400.0, 1000.0)
"""Of generator pT in GeV."""

ETA_EDGES = (0.0, 1.3, 2.5)

_LEAST_JETS = 100


@dataclass(frozen=True)
class Judged:
    """One network on one sample.

    Attributes
    ----------
    values, errors : dict of str to float
        `NUMBERS`.
    gain, gain_error : dict of str to float
        The first network's number minus this one's, of the same events: positive where this one's is smaller.
    """

    values: dict[str, float]
    errors: dict[str, float]
    gain: dict[str, float]
    gain_error: dict[str, float]


def judge(
    dijets: Dijets, corrections: Mapping[str, NDArray[np.floating]], replicas: int = 100, seed: int = 1
) -> dict[str, Judged]:
    """Judge networks by the truth.

    Parameters
    ----------
    dijets : Dijets
        With truth, of events that no network was trained on.
    corrections : mapping of str to array [2 n]
        Network -> logarithm of the correction of every jet; the first is what the others are compared with.
    replicas : int
        Resamplings of the hard scatters behind the errors.
    seed : int

    Raises
    ------
    InputError
        If the dijets have no truth, or no bin has jets enough.
    """
    if np.isnan(dijets.jets.columns["pt_gen"]).any():
        raise InputError(
            "networks are judged by the truth, and these dijets were read without it: read them with truth"
        )
    sample = _Sample(dijets, corrections)
    if not sample.bins:
        raise InputError(f"no bin of pT and |eta| has {_LEAST_JETS} of {2 * len(dijets)} jets: give more events")
    rng = np.random.default_rng(seed)
    whole = sample.numbers(np.arange(len(dijets)))
    # Events of one hard scatter are not independent: scatters are drawn, with all their events.
    scatters, scatter = np.unique(dijets.event, return_inverse=True)
    drawn = []
    for _ in range(replicas):
        times = np.bincount(rng.integers(0, len(scatters), len(scatters)), minlength=len(scatters))
        drawn.append(sample.numbers(np.repeat(np.arange(len(dijets)), times[scatter])))
    first = next(iter(corrections))
    return {name: _judged(name, first, whole, drawn) for name in corrections}


def _judged(
    name: str, first: str, whole: Mapping[str, Mapping[str, float]], drawn: Sequence[Mapping[str, Mapping[str, float]]]
) -> Judged:
    def spread(values: list[float]) -> float:
        return float(np.nanstd(values, ddof=1))

    return Judged(
        dict(whole[name]),
        {number: spread([one[name][number] for one in drawn]) for number in NUMBERS},
        {number: whole[first][number] - whole[name][number] for number in NUMBERS},
        {number: spread([one[first][number] - one[name][number] for one in drawn]) for number in NUMBERS},
    )


class _Sample:
    """Jets of the events, their bins, and the networks' responses."""

    def __init__(self, dijets: Dijets, corrections: Mapping[str, NDArray[np.floating]]) -> None:
        columns = dijets.jets.columns
        self.pt_gen = np.asarray(columns["pt_gen"], np.float64)
        self.flavour = np.asarray(columns["flavour"])
        self.cell = dijets.cell
        raw = np.asarray(columns["pt_raw"], np.float64)
        self.pt = {name: raw * np.exp(np.asarray(values, np.float64)) for name, values in corrections.items()}
        interval = np.digitize(self.pt_gen, PT_EDGES) - 1
        region = np.digitize(np.abs(columns["eta_gen"]), ETA_EDGES) - 1
        inside = (interval >= 0) & (interval < len(PT_EDGES) - 1) & (region >= 0) & (region < len(ETA_EDGES) - 1)
        self.bin = np.where(inside, region * (len(PT_EDGES) - 1) + interval, -1)
        counts = np.bincount(self.bin[inside], minlength=1)
        self.bins = [int(k) for k in np.flatnonzero(counts >= _LEAST_JETS)]
        self.inverted = {name: self._inverted(pt) for name, pt in self.pt.items()}

    def _inverted(self, pt: Floats) -> Floats:
        """Return pT / pT gen after the inversion: the generator pT whose median response gives this pT."""
        result = np.full(len(pt), np.nan)
        per_region = len(PT_EDGES) - 1
        for region in range(len(ETA_EDGES) - 1):
            known = [k for k in self.bins if k // per_region == region]
            if not known:
                continue
            places = [(np.median(np.log(self.pt_gen[self.bin == k])), self._median(pt, k)) for k in known]
            true, response = np.array(places).T
            mine = np.isin(self.bin, known)
            # ln(pT) against ln(pT gen): beyond the ends, as at the ends.
            seen = true + np.log(response)
            shift = np.interp(np.log(pt[mine]), seen, true - seen) if (np.diff(seen) > 0).all() else np.nan
            result[mine] = pt[mine] * np.exp(shift) / self.pt_gen[mine]
        return result

    def _median(self, pt: Floats, k: int) -> float:
        mine = self.bin == k
        return float(np.median(pt[mine] / self.pt_gen[mine]))

    def numbers(self, events: NDArray[np.int64]) -> dict[str, dict[str, float]]:
        """Return the numbers of every network on some events, which may stand several times."""
        rows = np.column_stack([2 * events, 2 * events + 1]).reshape(-1)
        return {name: self._numbers(name, rows) for name in self.pt}

    def _numbers(self, name: str, rows: NDArray[np.int64]) -> dict[str, float]:
        response, bins = self.pt[name][rows] / self.pt_gen[rows], self.bin[rows]
        inverted, flavour = self.inverted[name][rows], np.abs(self.flavour[rows])
        widths, counts, off, spread = [], [], [], []
        for k in self.bins:
            mine = bins == k
            low, high = np.quantile(inverted[mine], (0.16, 0.84))
            widths.append(0.5 * (high - low))
            counts.append(mine.sum())
            off.append(abs(np.median(response[mine]) - 1.0))
            quarks, gluons = (mine & np.isin(flavour, codes) for codes in ((1, 2, 3), (21,)))
            known = min(quarks.sum(), gluons.sum()) >= _LEAST_JETS // 4
            spread.append(np.median(response[quarks]) - np.median(response[gluons]) if known else np.nan)
        told = np.isfinite(spread)
        flavours = np.average(np.array(spread)[told], weights=np.array(counts)[told]) if told.any() else np.nan
        return {
            "jer": 100.0 * float(np.average(widths, weights=counts)),
            "jer_dijets": 100.0 * self._from_dijets(name, rows),
            "median": float(np.median(response[bins >= 0])),
            "closure": 100.0 * float(max(off)),
            "flavours": 100.0 * float(flavours),
        }

    def _from_dijets(self, name: str, rows: NDArray[np.int64]) -> float:
        """Return the resolution from the variances of the asymmetries, mean over the cells of the events."""
        cell = self.cell[rows[::2] // 2]
        variance = {}
        for what, pt in (("reco", self.pt[name]), ("gen", self.pt_gen)):
            pairs = pt[rows].reshape(-1, 2)
            variance[what] = (2.0 * (pairs[:, 0] - pairs[:, 1]) / pairs.sum(axis=1)) ** 2
        own = np.bincount(cell, variance["reco"] - variance["gen"]).sum() / len(cell)
        return float(np.sqrt(own / 2.0)) if own > 0 else float("nan")
