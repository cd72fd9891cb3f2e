"""The mass of the two jets of H -> bb or cc, by each provider: peak, width, and what the jets' own resolutions add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.nano.algorithm import PT_WITH_NEUTRINOS
from coffea_mljec.nano.jagged import flat_column, jagged_of, offsets_of
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.validation.common.events import JetCorrector, generator_rows
from coffea_mljec.validation.common.widths import gaussian_core
from coffea_mljec.validation.mass.decays import ORIGINS, find_decays, jets_of_quarks
from training.dataset.cache import open_shard

__all__ = [
    "GROUPS",
    "PERFECT",
    "GeneratorJets",
    "Pairs",
    "PeakOfPairs",
    "judge_pairs",
    "pairs_of",
    "perfect",
    "read_pairs",
]

GROUPS = 5
"""Groups of pairs by predicted resolution that are fitted side by side."""

_RADIUS = 0.4
_MATCHED = 0.2
_LEAST_PT, _LARGEST_ETA = 30.0, 2.5
_EDGES = np.linspace(0.0, 300.0, 301)
_LEAST_PAIRS = 100
_SEED = 20261130

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GeneratorJets:
    """Jets with pT and mass of their generator jet, as a perfect measurement would give them; NaN without one.

    Attributes
    ----------
    neutrinos : bool
        Whether the pT includes the neutrinos' (files of ``simulate --neutrinos``), as a perfect regression would.
    """

    neutrinos: bool = False

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return pt and mass of the jets' generator jets (GeV), of the shape of the collection."""
        rows, _ = generator_rows(events, collection, "GenJet", _MATCHED)
        truth = events["GenJet"]
        names = {"pt": PT_WITH_NEUTRINOS if self.neutrinos else "pt", "mass": "mass"}
        if missing := [name for name in names.values() if name not in ak.fields(truth)]:
            raise InputError(f"GenJet has no {', '.join(missing)}: simulate with --neutrinos")
        columns = {}
        for field, name in names.items():
            values = np.append(flat_column(truth[name], f"GenJet.{name}").astype(np.float64), np.nan)
            columns[field] = values[rows]
        return jagged_of(columns, offsets_of(events[collection], collection))


PERFECT = ("generator jets, visible", "generator jets with neutrinos")
"""What no correction of single jets can beat: without knowing the neutrinos, and with them."""


def perfect(file: Path) -> dict[str, JetCorrector]:
    """Name -> generator jets in place of a correction: those of `PERFECT` that a file has."""
    known = ak.fields(open_shard(file)["GenJet"])
    visible, whole = PERFECT
    found: dict[str, JetCorrector] = {visible: GeneratorJets()}
    return found | {whole: GeneratorJets(neutrinos=True)} if PT_WITH_NEUTRINOS in known else found


@dataclass(frozen=True)
class Pairs:
    """Pairs of jets of a Higgs boson, one an event.

    Attributes
    ----------
    mass : dict of str to float64 array [n]
        Provider -> mass of the pair in GeV.
    resolution : dict of str to float64 array [n]
        Of providers that give one: relative resolution of the mass, half of both jets' in quadrature.
    """

    mass: dict[str, Floats]
    resolution: dict[str, Floats]

    def __len__(self) -> int:
        return len(next(iter(self.mass.values())))


@dataclass(frozen=True)
class PeakOfPairs:
    """What one provider makes of the pairs; each a number and its error.

    Attributes
    ----------
    peak : (float, float)
        Mean of the Gaussian core in GeV.
    width : (float, float)
        (Q84 - Q16) / 2 over the peak.
    grouped : (float, float) or None
        The width that pairs of one resolution would need to tell the peak as well as `GROUPS` groups by predicted
        resolution do, fitted side by side.
    gain : (float, float)
        1 - width over that of the first provider, on the same resampled pairs.
    grouped_gain : (float, float) or None
        The same of `grouped`.
    """

    peak: tuple[float, float]
    width: tuple[float, float]
    grouped: tuple[float, float] | None
    gain: tuple[float, float]
    grouped_gain: tuple[float, float] | None


def read_pairs(files: Sequence[Path], providers: Mapping[str, JetCorrector], progress: bool = True) -> Pairs:
    """Return the pairs of H of all files: both jets above 30 GeV with the first provider, |eta| below 2.5.

    A jet that a network does not correct has its fallback's pT, and no resolution: such pairs are left out of all.

    Raises
    ------
    InputError
        If the files have no decays of H, or fewer than 100 pairs.
    """
    parts: list[dict[str, tuple[Floats, Floats]]] = []
    with progress_bar("pairs of jets", len(files), "files", shown=progress) as bar:
        for file in files:
            parts.append(pairs_of(open_shard(file), providers))
            bar.advance(1)
    mass, resolution = (
        {name: np.concatenate([part[name][which] for part in parts]) for name in providers} for which in (0, 1)
    )
    known = {name: values for name, values in resolution.items() if np.isfinite(values).any()}
    whole = np.all([np.isfinite(values) for values in (*mass.values(), *known.values())], axis=0)
    if int(whole.sum()) < _LEAST_PAIRS:
        raise InputError(
            f"{int(whole.sum())} pairs of jets of H in {len(files)} files, at least {_LEAST_PAIRS} are needed: "
            "simulate more of --process hbb"
        )
    return Pairs({n: v[whole] for n, v in mass.items()}, {n: v[whole] for n, v in known.items()})


def pairs_of(events: Any, providers: Mapping[str, JetCorrector]) -> dict[str, tuple[Floats, Floats]]:
    """Provider -> mass and resolution of the pairs of one file."""
    decays = find_decays(events)
    if decays is None:
        raise InputError("the files have no GenPart with mothers, which tells the pairs: give simulated events")
    eta, phi = (flat_column(events["Jet"][name], f"Jet.{name}").astype(np.float64) for name in ("eta", "phi"))
    pairs = jets_of_quarks(decays, eta, phi, offsets_of(events["Jet"], "Jet"), _RADIUS)
    pairs = pairs[(pairs[:, 0] >= 0) & (decays.origin == ORIGINS.index("H"))]
    pairs = pairs[(np.abs(eta[pairs]) < _LARGEST_ETA).all(axis=1)]
    jets = {name: provider.apply(events, "Jet") for name, provider in providers.items()}
    hard = flat_column(next(iter(jets.values()))["pt"], "pt")[pairs].min(axis=1, initial=np.inf) > _LEAST_PT
    pairs = pairs[hard]
    return {name: (_masses(one, pairs, eta, phi), _resolutions(one, pairs)) for name, one in jets.items()}


def _masses(jets: Any, pairs: NDArray[np.int64], eta: Floats, phi: Floats) -> Floats:
    pt, mass = (flat_column(jets[name], name).astype(np.float64)[pairs] for name in ("pt", "mass"))
    eta, phi = eta[pairs], phi[pairs]
    momenta = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    energy = np.sqrt((momenta**2).sum(axis=0) + mass**2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(0.0, energy**2 - (momenta.sum(axis=2) ** 2).sum(axis=0))))


def _resolutions(jets: Any, pairs: NDArray[np.int64]) -> Floats:
    if "pt_resolution" not in jets.fields:
        return np.full(len(pairs), np.nan)
    each = flat_column(jets["pt_resolution"], "pt_resolution").astype(np.float64)[pairs]
    return np.asarray(0.5 * np.hypot(each[:, 0], each[:, 1]))


def judge_pairs(pairs: Pairs, replicas: int = 100) -> dict[str, PeakOfPairs]:
    """Return the peak of each provider; errors from pairs drawn again, the same for all."""
    rng = np.random.default_rng(_SEED)
    draws = [np.arange(len(pairs)), *rng.integers(0, len(pairs), (replicas, len(pairs)))]
    groups = {name: _groups(values) for name, values in pairs.resolution.items()}
    found = {
        name: np.array([_measured(mass[rows], groups[name][rows] if name in groups else None) for rows in draws])
        for name, mass in pairs.mass.items()
    }
    first = next(iter(found.values()))[:, 1]
    results = {}
    for name, values in found.items():
        peak, width, grouped = ((float(v[0]), float(np.std(v[1:], ddof=1))) for v in values.T)
        gain, more = ((float(v[0]), float(np.std(v[1:], ddof=1))) for v in (1.0 - values[:, 1:] / first[:, None]).T)
        known = name in groups
        results[name] = PeakOfPairs(peak, width, grouped if known else None, gain, more if known else None)
    return results


def _groups(resolution: Floats) -> NDArray[np.int64]:
    return np.digitize(resolution, np.quantile(resolution, np.arange(1, GROUPS) / GROUPS)).astype(np.int64)


def _measured(mass: Floats, group: NDArray[np.int64] | None) -> tuple[float, float, float]:
    """Peak, relative width, and the width that groups side by side amount to."""
    mean, _ = gaussian_core(np.histogram(mass, _EDGES)[0], _EDGES)
    peak = float(mean)
    if group is None:
        return peak, _width(mass) / peak, np.nan
    parts = [mass[group == number] for number in range(GROUPS)]
    # Each group's own peak is known: what counts is how well all together tell a common shift.
    information = sum(len(part) / (_width(part) / np.median(part)) ** 2 for part in parts)
    return peak, _width(mass) / peak, float(np.sqrt(len(mass) / information))


def _width(mass: Floats) -> float:
    low, high = np.quantile(mass, [0.16, 0.84])
    return float(high - low) / 2.0
