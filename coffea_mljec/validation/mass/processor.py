"""The coffea processor that compares energy and mass with the generator's, and measures peaks of heavy particles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults
from coffea_mljec.errors import InputError
from coffea_mljec.nano.algorithm import generator_jets, radius
from coffea_mljec.nano.jagged import flat_column, offsets_of
from coffea_mljec.numerics.subjets import masses_of_subjets
from coffea_mljec.validation.common.events import Chunk, FlatDirections, JetCorrector, checked_edges, generator_rows
from coffea_mljec.validation.common.filling import fill
from coffea_mljec.validation.common.measurement import MeasurementProcessor
from coffea_mljec.validation.mass.cells import ALL_ORIGINS, ETA_EDGES, PAIR, empty_histograms, pt_edges_of
from coffea_mljec.validation.mass.decays import Decays, containing_jets, find_decays, jets_of_quarks
from coffea_mljec.validation.mass.summary import MassSummary, summarise_masses

__all__ = ["MassProcessor"]

_SOFT_DROP = "msoftdrop"
_SUBJETS = "SubGenJetAK8"
_FIELDS = {"mass": "mass", "soft drop": _SOFT_DROP}

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Truth:
    """Of each jet: the generator jet's numbers (NaN without one), the decay that it holds; of decays, their jets."""

    directions: FlatDirections
    event: Integers
    pt: Floats
    abs_eta: Floats
    mass: Floats
    energy: Floats
    soft_drop: Floats
    decays: Decays | None
    decay: Integers
    pairs: Integers


class MassProcessor(MeasurementProcessor):
    """Fills histograms of energy and mass over the generator jet's, of the masses of heavy particles, and of all jets.

    A jet is one of W, Z, H or top if all quarks of its decay lie within the radius of the generator jet. Two jets are a
    pair if each is the nearest one to a quark of the same boson, within the radius.

    Parameters
    ----------
    providers : mapping of str to provider
        Name -> object with ``apply(events, collection)``.
    collection : str
    gen_collection : str, optional
        The generator jets of the same radius by default.
    weight : str, optional
        Event-level branch to weight with.
    replicas : int
        Bootstrap replicas behind the errors.
    max_dr : float, optional
        Radius of the matching, half that of the jets by default.
    pt_edges : sequence of float, optional
        Of the generator jet's pT (GeV); the last bin is open. By default by the jets' radius.

    Notes
    -----
    `process` returns, for its dataset, ``{"ratio": Hist, "peak": Hist, "spectrum": Hist, "counts": {...}}``. Jets whose
    generator jet is beyond the edges, and numbers that are not finite, do not count.
    """

    def __init__(
        self,
        providers: Mapping[str, JetCorrector],
        collection: str = "FatJet",
        gen_collection: str | None = None,
        *,
        weight: str | None = None,
        replicas: int = defaults.REPLICAS,
        max_dr: float | None = None,
        pt_edges: Sequence[float] | None = None,
    ) -> None:
        self.radius = radius(collection) or 0.4
        super().__init__(
            providers, collection, gen_collection or generator_jets(collection), weight, replicas,
            0.5 * self.radius if max_dr is None else max_dr,
        )  # fmt: skip
        self.pt_edges = pt_edges_of(collection) if pt_edges is None else checked_edges("pt_edges", pt_edges)

    def _measure(self, events: ak.Array, chunk: Chunk) -> dict[str, Any]:
        if self.gen_collection not in ak.fields(events):
            raise InputError(
                f"the events have no {self.gen_collection}, which the mass of {self.collection} is compared with: give "
                "simulated events, or the name of their generator jets."
            )
        filled = empty_histograms(list(self.providers), self.replicas, self.weight is not None, self.pt_edges)
        counts = {"events": len(events), "judged": 0, "heavy": 0, "pairs": 0}
        truth = self._truth(events)
        for name, provider in self.providers.items():
            jets = provider.apply(events, self.collection)
            columns = {
                field: flat_column(jets[field], f"{name}'s {field}").astype(np.float64)
                for field in ("pt", "mass", _SOFT_DROP)
                if field in jets.fields
            }
            if len(columns["pt"]) != len(truth.event):
                raise InputError(f"provider {name!r} returned other jets than {self.collection} holds: keep the shape.")
            found = self._fill(filled, name, columns, truth, (chunk.weights, chunk.replica_weights))
            counts |= {what: max(counts[what], number) for what, number in found.items()}
        return filled | {"counts": counts}

    def _truth(self, events: ak.Array) -> _Truth:
        directions = FlatDirections.of(events, self.collection)
        partner, gen_offsets = generator_rows(events, self.collection, self.gen_collection, self.max_dr)
        gen = {
            name: flat_column(events[self.gen_collection][name], f"{self.gen_collection}.{name}").astype(np.float64)
            for name in ("pt", "eta", "phi", "mass")
        }
        energy = np.hypot(gen["pt"] * np.cosh(gen["eta"]), gen["mass"])
        soft_drop = np.full(len(energy), np.nan)
        if _SUBJETS in ak.fields(events) and self.radius > 0.6:
            subjets = events[_SUBJETS]
            sub = (flat_column(subjets[name], f"{_SUBJETS}.{name}") for name in ("pt", "eta", "phi", "mass"))
            soft_drop = masses_of_subjets(
                gen["eta"], gen["phi"], gen_offsets, *sub, offsets_of(subjets, _SUBJETS), self.radius
            )
        decays = find_decays(events)
        decay = np.full(len(energy), -1, np.int64)
        pairs = np.full((0, 2), -1, np.int64)
        if decays is not None:
            decay = containing_jets(decays, gen["eta"], gen["phi"], gen_offsets, self.radius)
            pairs = jets_of_quarks(decays, directions.eta, directions.phi, directions.offsets, self.radius)
        of_jet = {
            name: np.append(column, np.nan)[partner]
            for name, column in (("pt", gen["pt"]), ("abs_eta", np.abs(gen["eta"])), ("mass", gen["mass"]),
                                 ("energy", energy), ("soft_drop", soft_drop))
        }  # fmt: skip
        event = np.repeat(np.arange(len(events)), np.diff(directions.offsets))
        return _Truth(directions, event, **of_jet, decays=decays, decay=np.append(decay, -1)[partner], pairs=pairs)

    def _fill(
        self, filled: Mapping[str, Any], name: str, columns: Mapping[str, Floats], truth: _Truth, sample: Any
    ) -> dict[str, int]:
        """Fill what one provider makes of the jets; return how many counted."""
        energy = np.hypot(columns["pt"] * np.cosh(truth.directions.eta), columns["mass"])
        masses = {kind: columns[field] for kind, field in _FIELDS.items() if field in columns}
        true = {"energy": truth.energy, "mass": truth.mass, "soft drop": truth.soft_drop}
        inside = (truth.pt >= self.pt_edges[0]) & (truth.abs_eta < ETA_EDGES[-1])
        counts = {}
        for quantity, measured in ({"energy": energy} | masses).items():
            given = truth.soft_drop if quantity == "soft drop" else truth.mass
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = measured / true[quantity]
            rows = np.flatnonzero(inside & np.isfinite(ratio) & np.isfinite(given))
            where: dict[str, Any] = {
                "pt_gen": truth.pt[rows], "abs_eta_gen": truth.abs_eta[rows], "mass_gen": given[rows],
                "quantity": quantity, "provider": name,
            }  # fmt: skip
            fill(filled["ratio"], ratio[rows], where, truth.event[rows], *sample)
            if quantity == "energy":
                counts["judged"] = len(rows)
        for kind, mass in masses.items():
            rows = np.flatnonzero(inside & np.isfinite(mass))
            _fill_peaks(
                filled, name, kind, mass[rows], truth, truth.decay[rows], truth.pt[rows], truth.event[rows], sample
            )
        counts["heavy"] = int(np.count_nonzero(inside & (truth.decay >= 0)))
        counts["pairs"] = self._fill_pairs(filled, name, columns, truth, sample)
        return counts

    def _fill_pairs(
        self, filled: Mapping[str, Any], name: str, columns: Mapping[str, Floats], truth: _Truth, sample: Any
    ) -> int:
        if truth.decays is None:
            return 0
        pt, mass = columns["pt"], columns["mass"]
        eta, phi = truth.directions.eta, truth.directions.phi
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        momenta = np.stack([px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + mass**2)])
        decays = np.flatnonzero(truth.pairs[:, 0] >= 0)
        decays = decays[truth.decays.pt[decays] >= self.pt_edges[0]]
        total = momenta[:, truth.pairs[decays, 0]] + momenta[:, truth.pairs[decays, 1]]
        with np.errstate(invalid="ignore"):
            found = np.sqrt(total[3] ** 2 - (total[:3] ** 2).sum(axis=0))
        good = np.isfinite(found)
        decays, found = decays[good], found[good]
        event = truth.event[truth.pairs[decays, 0]]
        _fill_peaks(filled, name, PAIR, found, truth, decays, truth.decays.pt[decays], event, sample)
        return len(decays)

    def summary(
        self, accumulated: Mapping[str, Mapping[str, Any]], datasets: Iterable[str] | None = None
    ) -> MassSummary:
        """Turn what was accumulated into numbers: see `coffea_mljec.validation.mass.summary.summarise_masses`."""
        return summarise_masses(accumulated, datasets)


def _fill_peaks(
    filled: Mapping[str, Any],
    name: str,
    kind: str,
    mass: Floats,
    truth: _Truth,
    decay: Integers,
    pt: Floats,
    event: Integers,
    sample: Any,
) -> None:
    """Fill the spectrum with all masses, and the peaks with those of a decay (its row, -1 for none)."""
    origin = np.full(len(mass), ALL_ORIGINS.index("other"))
    heavy = np.flatnonzero(decay >= 0)
    if truth.decays is not None and len(heavy):
        origin[heavy] = truth.decays.origin[decay[heavy]]
        ratio = mass[heavy] / truth.decays.mass[decay[heavy]]
        where: dict[str, Any] = {"pt_gen": pt[heavy], "kind": kind, "origin": origin[heavy], "provider": name}
        fill(filled["peak"], ratio, where, event[heavy], *sample)
    fill(filled["spectrum"], mass, {"kind": kind, "origin": origin, "provider": name}, event, *sample)
