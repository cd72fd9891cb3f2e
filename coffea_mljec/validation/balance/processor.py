"""The coffea processor that weighs a jet against a Z boson or a photon, whose pT is measured better than the jet's.

In events with one reference (Z -> ll or a photon), a leading jet back to back with it and little else,

    pT balance = pt_jet / pt_ref,
    MPF = 1 + MET . pt_ref / pt_ref^2        (missing-momentum projection fraction; both vectors transverse),

and, on simulation, the same pT balance of the generator's jet and boson. What the event itself is out of balance
cancels in the ratio of both, which estimates the response. Jets within 0.4 of the leptons or the photon are left out.

Selected are events with delta phi(jet, reference) > 2.7 and a second jet of less than max(15 GeV, 0.3 pt_ref)
(`balance.topology`).

Sources: CMS, arXiv:1607.03663, section 6 (balance and MPF with Z and photons, extrapolation in the second jet).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano.jagged import flat_column
from coffea_mljec.numerics.geometry import delta_r2
from coffea_mljec.numerics.jit import njit
from coffea_mljec.validation.balance.reference import REFERENCES, Reference, find_reference
from coffea_mljec.validation.balance.summary import BalanceSummary, summarise_balance
from coffea_mljec.validation.balance.topology import OVERLAP, is_balanced
from coffea_mljec.validation.common.binning import steps
from coffea_mljec.validation.common.events import Chunk, FlatDirections, JetCorrector
from coffea_mljec.validation.common.filling import fill
from coffea_mljec.validation.common.in_situ import ETA_LIMIT, InSituProcessor
from coffea_mljec.validation.common.pairing import leading_jets, separation

__all__ = [
    "BALANCE_ALPHA",
    "BALANCE_EDGES",
    "BALANCE_ETA",
    "BALANCE_PT",
    "QUANTITIES",
    "BalanceProcessor",
    "METCorrector",
]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

BALANCE_PT = (30.0, 40.0, 55.0, 75.0, 100.0, 150.0, 220.0, 320.0, 500.0, 1500.0)
"""Edges in the reference's pT (GeV)."""

BALANCE_ETA = (0.0, 1.3, 2.5, 5.0)
"""Edges in the jet's |eta|."""

BALANCE_ALPHA = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3)
"""Edges in the second jet's pT over the reference's; what is beyond passes the topology's cut at low pT only."""

BALANCE_EDGES: _Floats = steps((-1.0, 0.3, 0.1), (0.3, 0.6, 0.02), (0.6, 1.4, 0.01), (1.4, 2.0, 0.05), (2.0, 3.0, 0.2))
"""Edges in balance, MPF and response; beyond are underflow and overflow."""

QUANTITIES = ("pt_balance", "mpf", "gen_balance", "response")

_PROPAGATED_PT = 15.0


class METCorrector(Protocol):
    """What gives the MET that belongs to a provider's jets, `coffea_mljec.met.Type1MET` for example."""

    def apply(self, events: ak.Array) -> ak.Array:
        """Return one record an event with ``pt`` (GeV) and ``phi``."""
        ...


class BalanceProcessor(InSituProcessor):
    """Fills histograms of the balance of jets against a Z boson or a photon, for any providers, on data or simulation.

    Parameters
    ----------
    providers : mapping of str to provider
        Name -> object with ``apply(events, collection)``.
    reference : {"zmumu", "zee", "zll", "photon"}
        See `coffea_mljec.validation.balance.reference`.
    collection, gen_collection : str
        Jets, and generator jets; events without the latter are taken for data.
    met : str, mapping of str to METCorrector, or None
        For the MPF. A name is a branch of the file, such as ``"MET"`` or ``"PuppiMET"``, that is of type 1 with the
        jets that the file stores: it is moved by what a provider's jets above 15 GeV differ from those. A mapping names
        for each provider what makes its MET, ``{name: Type1MET(provider, standard)}``. None: no MPF.
    weight : str, optional
        Event-level branch to weight with; histograms then hold float64 sums. Without it they hold exact int64 counts.
    replicas : int
        Bootstrap replicas behind the errors.
    max_dr : float
        Radius of the matching with generator jets.
    lepton_pt, photon_pt : float
        Lowest pT (GeV) of what the reference is made from.
    pt_edges, eta_edges : sequence of float
        Bins of the reference's pT (GeV) and of the jet's |eta|.

    Notes
    -----
    `process` returns, for its dataset, ``{"balance": Hist, "counts": {...}, "selected": {provider: n}}``. Axes:
    ``replica``, ``balance``, ``pt``, ``abs_eta``, ``alpha``, ``quantity`` (`QUANTITIES`), ``provider``. Those that need
    the generator stay empty on data. ``counts`` holds ``events``, ``with_reference`` and ``simulated`` (events with
    generator jets).
    """

    def __init__(
        self,
        providers: Mapping[str, JetCorrector],
        reference: str = "zll",
        collection: str = "Jet",
        gen_collection: str = "GenJet",
        *,
        met: str | Mapping[str, METCorrector] | None = "MET",
        weight: str | None = None,
        replicas: int = defaults.IN_SITU_REPLICAS,
        max_dr: float = 0.2,
        lepton_pt: float = 20.0,
        photon_pt: float = 25.0,
        pt_edges: Sequence[float] = BALANCE_PT,
        eta_edges: Sequence[float] = BALANCE_ETA,
    ) -> None:
        super().__init__(providers, collection, gen_collection, weight, replicas, max_dr)
        self._set_bins(pt_edges, eta_edges)
        if reference not in REFERENCES:
            raise InputError(f"unknown reference {reference!r}; choose one of {', '.join(REFERENCES)}.")
        if isinstance(met, Mapping) and (lacking := sorted(set(providers) - set(met))):
            raise InputError(f"met names nothing for the providers {lacking}: give one METCorrector for each.")
        self.reference = reference
        self.met = dict(met) if isinstance(met, Mapping) else met
        self.lepton_pt = lepton_pt
        self.photon_pt = photon_pt

    def _measure(self, events: ak.Array, chunk: Chunk) -> dict[str, Any]:
        if isinstance(self.met, str) and self.met not in ak.fields(events):
            raise MissingBranchError(
                f"the MPF needs {self.met}, which the events do not have; name another MET "
                f"({[name for name in ak.fields(events) if 'MET' in name] or 'there is none'}) or give met=None."
            )
        reference = find_reference(events, self.reference, self.lepton_pt, self.photon_pt)
        jets = _Jets.of(events, self.collection, reference, len(chunk))
        pt_gen = self._generator_pt(events)
        balance = self._empty()
        selected = {}
        for name, found in self._corrected(events, jets.where.offsets).items():
            usable = jets.free & np.isfinite(found.pt) & (found.pt > 0.0)
            rows = self._select(found.pt, jets, usable, reference)
            selected[name] = len(rows["at"])
            self._fill(balance, name, rows, found.pt, pt_gen, reference, self._met(events, name, found.pt, jets), chunk)
        simulated = 0 if pt_gen is None else len(chunk)
        counts = {"events": len(chunk), "with_reference": len(reference.event), "simulated": simulated}
        return {"balance": balance, "counts": counts, "selected": selected}

    def summary(
        self,
        accumulated: Mapping[str, Mapping[str, Any]],
        datasets: Iterable[str] | None = None,
        *,
        estimator: str = "quantile",
        coarse: bool = False,
    ) -> BalanceSummary:
        """Turn what was accumulated into balances: see `summarise_balance`."""
        met = self.met if isinstance(self.met, str) or self.met is None else "type 1 of each provider"
        return summarise_balance(
            accumulated, datasets, reference=self.reference, met=met, estimator=estimator, coarse=coarse
        )

    def _met(self, events: ak.Array, name: str, pt: _Floats, jets: _Jets) -> tuple[_Floats, _Floats] | None:
        """Return x and y of the MET that belongs to a provider's jets, of every event."""
        if self.met is None:
            return None
        record = events[self.met] if isinstance(self.met, str) else self.met[name].apply(events)
        size, angle = (np.asarray(record[field], np.float64) for field in ("pt", "phi"))
        x, y = size * np.cos(angle), size * np.sin(angle)
        if isinstance(self.met, str):
            moved = np.where(jets.free & (pt > _PROPAGATED_PT), jets.pt_stored - pt, 0.0)
            x = x + np.bincount(jets.event, moved * np.cos(jets.where.phi), len(x))
            y = y + np.bincount(jets.event, moved * np.sin(jets.where.phi), len(y))
        return x, y

    def _select(
        self, pt: _Floats, jets: _Jets, usable: npt.NDArray[np.bool_], reference: Reference
    ) -> dict[str, npt.NDArray[Any]]:
        """Select events; return the row in the reference (``at``), of the leading jet, and their bins."""
        first, second, _ = leading_jets(pt, jets.where.offsets, usable)
        at = np.flatnonzero(first[reference.event] >= 0)
        one, two = first[reference.event[at]], second[reference.event[at]]
        pt_ref = reference.pt[at]
        second_pt = np.where(two >= 0, np.append(pt, 0.0)[two], 0.0)
        eta_bin = np.digitize(np.abs(jets.where.eta[one]), self.eta_edges) - 1
        pt_bin = np.digitize(pt_ref, self.pt_edges) - 1
        kept = (
            (eta_bin < len(self.eta_edges) - 1)
            & (eta_bin >= 0)
            & (pt_bin < len(self.pt_edges) - 1)
            & (pt_bin >= 0)
            & is_balanced(separation(jets.where.phi[one], reference.phi[at]), second_pt, pt_ref)
        )
        return {
            "at": at[kept], "jet": one[kept], "pt": pt_bin[kept], "abs_eta": eta_bin[kept],
            "alpha": second_pt[kept] / pt_ref[kept],
        }  # fmt: skip

    def _fill(
        self, histogram: hist.Hist[Any], name: str, rows: dict[str, npt.NDArray[Any]], pt: _Floats,
        pt_gen: _Floats | None, reference: Reference, met: tuple[_Floats, _Floats] | None, chunk: Chunk,
    ) -> None:  # fmt: skip
        at, jet = rows["at"], rows["jet"]
        event, pt_ref, phi_ref = reference.event[at], reference.pt[at], reference.phi[at]
        everything = np.ones(len(at), np.bool_)
        values = {"pt_balance": (pt[jet] / pt_ref, everything)}
        if met is not None:
            along = met[0][event] * np.cos(phi_ref) + met[1][event] * np.sin(phi_ref)
            values["mpf"] = (1.0 + along / pt_ref, everything)
        if pt_gen is not None:
            has_jet = pt_gen[jet] > 0
            with np.errstate(divide="ignore", invalid="ignore"):
                values["response"] = (pt[jet] / pt_gen[jet], has_jet)
                if reference.pt_gen is not None:
                    gen_ref = reference.pt_gen[at]
                    values["gen_balance"] = (pt_gen[jet] / gen_ref, has_jet & (gen_ref > 0))
        for quantity, (value, kept) in values.items():
            where: dict[str, Any] = {key: rows[key][kept] for key in ("pt", "abs_eta", "alpha")}
            where |= {"quantity": quantity, "provider": name}
            fill(histogram, value[kept], where, event[kept], chunk.weights, chunk.replica_weights)

    def _empty(self) -> hist.Hist[Any]:
        return self._histogram(
            hist.axis.Variable(BALANCE_EDGES, name="balance", label="balance"),
            *self._cell_axes("reference's pT (GeV)", "jet's |eta|"),
            hist.axis.Variable(BALANCE_ALPHA, name="alpha", label="second jet's pT / pt_ref", underflow=False),
            hist.axis.StrCategory(list(QUANTITIES), name="quantity", label="quantity", overflow=False),
        )


@dataclass(frozen=True)
class _Jets:
    """The flat jets of a chunk.

    Attributes
    ----------
    where : FlatDirections
    event : int64 array [n_jets]
    pt_stored : float64 array [n_jets]
        In GeV, as the file has it.
    free : bool array [n_jets]
        Those that overlap no lepton or photon of the reference.
    """

    where: FlatDirections
    event: _Ints
    pt_stored: _Floats
    free: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, events: ak.Array, collection: str, reference: Reference, n_events: int) -> _Jets:
        where = FlatDirections.of(events, collection)
        pt = flat_column(events[collection]["pt"], f"{collection}.pt").astype(np.float64)
        place = np.full(n_events, -1, np.int64)
        place[reference.event] = np.arange(len(reference.event))
        near = _overlapping(
            where.eta, where.phi, where.offsets, place, reference.eta_parts, reference.phi_parts, OVERLAP**2
        )
        event = np.repeat(np.arange(n_events), np.diff(where.offsets))
        return cls(where, event, pt, ~near & (np.abs(where.eta) < ETA_LIMIT))


@njit()
def _overlapping(
    eta: _Floats, phi: _Floats, offsets: _Ints, place: _Ints, eta_parts: _Floats, phi_parts: _Floats, max_dr2: float
) -> npt.NDArray[np.bool_]:
    near = np.zeros(len(eta), np.bool_)
    for event in range(len(offsets) - 1):
        row = place[event]
        if row < 0:
            continue
        for jet in range(offsets[event], offsets[event + 1]):
            for k in range(eta_parts.shape[1]):
                if delta_r2(eta[jet], phi[jet], eta_parts[row, k], phi_parts[row, k]) < max_dr2:
                    near[jet] = True
    return near
