"""The vocabulary: every quantity of jets, events and constituents, the branches that hold it, and what it is made from.

One word for one thing, here and in features, payloads and cards. Kinds are ``jet``, ``event`` and the constituents
``charged``, ``neutral``, ``candidates`` (both) and ``sv`` (secondary vertices).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.jagged import numbers_of

__all__ = [
    "CONSTITUENTS",
    "NEUTRINO_FACTORS",
    "OWN_FIELD",
    "QUANTITIES",
    "REGRESSIONS",
    "REGRESSION_WIDTHS",
    "SUBJETS",
    "Branch",
    "Quantity",
    "kind_of_jet_quantity",
    "outside",
    "quantity_of",
]

Array = npt.NDArray[Any]

_FINITE = (-3.4e38, 3.4e38)
_MOMENTUM = (0.0, 1e5)  # GeV
_MASS = (-1e5, 1e5)  # GeV; rounding makes some slightly negative
_ETA = (-20.0, 20.0)
_PHI = (-10.0, 10.0)
_FRACTION = (-1.0, 10.0)
_LENGTH = (-1e4, 1e4)  # cm
_NUMBER = (-1000.0, 1e5)
_SIGNIFICANCE = (-1e6, 1e6)

CONSTITUENTS = ("charged", "neutral", "candidates", "sv")


class Branch(NamedTuple):
    """One column of the events: a field of a table, or of the events themselves (no table)."""

    table: str
    field: str

    @property
    def name(self) -> str:
        """As the file calls it."""
        return f"{self.table}_{self.field}" if self.table else self.field

    def of(self, events: Any) -> Any:
        """The column, as awkward content.

        From the layout: coffea cannot build a record that lacks a coordinate of its vector, though nobody asked for it.
        """
        layout = ak.to_layout(events)
        return layout[self.table][self.field] if self.table else layout[self.field]

    def numbers(self, events: Any) -> npt.NDArray[Any]:
        """A column with one number an event; raises InputError for any other."""
        return numbers_of(self.of(events), self.name)


@dataclass(frozen=True)
class Quantity:
    """One row of the vocabulary.

    Attributes
    ----------
    fields : tuple of str
        The names that files use for it, first found wins. A quantity of events may sit in a table ("Rho.x").
    made_from : tuple of str
        Quantities of the same kind that it is made from where a file has none of these.
    make : callable, optional
        Makes it: takes their flat columns, in this order.
    on_links : bool
        Whether it belongs to a jet and a constituent together: a column of the table that links them.
    bounds : (float, float), optional
        What it can be at all, both included, marks such as -1 for "none" included; see `outside`. Generous: beyond it
        no detector has measured it. None where files have NaN and infinity for what is not there, and a network says
        what it takes instead.
    """

    fields: tuple[str, ...]
    made_from: tuple[str, ...] = ()
    make: Callable[..., Array] | None = None
    on_links: bool = False
    bounds: tuple[float, float] | None = _FINITE


def _stored(*fields: str, bounds: tuple[float, float] = _FINITE) -> Quantity:
    return Quantity(fields, bounds=bounds)


def _on_links(*fields: str) -> Quantity:
    return Quantity(fields, on_links=True, bounds=None)


def _uncorrected(value: Array, raw_factor: Array) -> Array:
    """``rawFactor`` is 1 - raw/corrected."""
    return (value * (1.0 - raw_factor.astype(np.float64))).astype(np.float32)


def _azimuth(px: Array, py: Array) -> Array:
    return np.asarray(np.arctan2(py, px))


def _pseudorapidity(px: Array, py: Array, pz: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.arcsinh(pz / np.hypot(px, py)))


_SUBJET: Mapping[str, Quantity] = {
    "subjet_pt": _stored("SubJet.pt", bounds=_MOMENTUM),
    "subjet_eta": _stored("SubJet.eta", bounds=_ETA),
    "subjet_phi": _stored("SubJet.phi", bounds=_PHI),
    "subjet_mass": _stored("SubJet.mass", bounds=_MASS),
    "subjet_raw_factor": _stored("SubJet.rawFactor"),
}
SUBJETS = tuple(_SUBJET)
"""Quantities of the subjets of large jets, which `soft_drop_mass` is made from."""

_JET: Mapping[str, Quantity] = {
    # Jets that this package corrected before carry their raw momentum.
    "pt_raw": Quantity(("pt_raw",), ("pt", "raw_factor"), _uncorrected, bounds=_MOMENTUM),
    "mass_raw": Quantity(("mass_raw",), ("mass", "raw_factor"), _uncorrected, bounds=_MASS),
    "pt": _stored("pt", bounds=_MOMENTUM),
    "mass": _stored("mass", bounds=_MASS),
    "raw_factor": _stored("rawFactor"),
    # What the file had, whatever was applied since.
    "pt_stored": _stored("pt_orig", "pt", bounds=_MOMENTUM),
    "mass_stored": _stored("mass_orig", "mass", bounds=_MASS),
    "eta": _stored("eta", bounds=_ETA),
    "phi": _stored("phi", bounds=_PHI),
    "area": _stored("area", bounds=(0.0, 100.0)),
    "charged_hadron_fraction": _stored("chHEF", bounds=_FRACTION),
    "neutral_hadron_fraction": _stored("neHEF", bounds=_FRACTION),
    "charged_em_fraction": _stored("chEmEF", bounds=_FRACTION),
    "neutral_em_fraction": _stored("neEmEF", bounds=_FRACTION),
    "muon_fraction": _stored("muEF", bounds=_FRACTION),
    # Of the raw pT, and how far muons turn the jet.
    "muon_pt_fraction": _stored("muonSubtrFactor", bounds=_FRACTION),
    "muon_delta_phi": _stored("muonSubtrDeltaPhi", bounds=_PHI),
    "n_muons": _stored("nMuons", bounds=_NUMBER),
    "n_electrons": _stored("nElectrons", bounds=_NUMBER),
    "em_fraction": _stored("EmEF", bounds=_FRACTION),
    "n_constituents": _stored("nConstituents", bounds=_NUMBER),
    # Weighted by PUPPI; since NanoAODv13.
    "charged_multiplicity": _stored("chMultiplicity", bounds=_NUMBER),
    "neutral_multiplicity": _stored("neMultiplicity", bounds=_NUMBER),
    # Of large jets: the mass of their subjets before those were corrected, 0 without any. `JetChunk` makes it.
    "soft_drop_mass": Quantity(("msoftdrop_raw",), SUBJETS, bounds=(0.0, 1e5)),
    **_SUBJET,
    # Bits: 2 tight, 4 with a veto of leptons.
    "jet_id": _stored("jetId", bounds=_NUMBER),
}

_EVENT: Mapping[str, Quantity] = {
    "rho": _stored("fixedGridRhoFastjetAll", "Rho.fixedGridRhoFastjetAll", bounds=(0.0, 1e4)),
    "n_pv": _stored("PV.npvsGood", bounds=_NUMBER),
    "n_pv_all": _stored("PV.npvs", bounds=_NUMBER),
    "run": _stored("run"),
    "luminosity_block": _stored("luminosityBlock"),
    "event": _stored("event"),
}

_CANDIDATE: Mapping[str, Quantity] = {
    "pt": Quantity(("pt",), ("px", "py"), np.hypot, bounds=_MOMENTUM),
    "eta": Quantity(("eta",), ("px", "py", "pz"), _pseudorapidity, bounds=_ETA),
    "phi": Quantity(("phi",), ("px", "py"), _azimuth, bounds=_PHI),
    "pdg_id": _stored("pdgId", bounds=(-1e7, 1e7)),
    "dxy": _stored("d0", bounds=_LENGTH),
    "dxy_err": _stored("d0Err", bounds=_LENGTH),
    "dz": _stored("dz", bounds=_LENGTH),
    "norm_chi2": _stored("trkChi2", bounds=_NUMBER),
    "lost_hits": _stored("lostInnerHits", bounds=_NUMBER),
    "pv_assoc": _stored("pvAssocQuality", bounds=_NUMBER),
    # BTVNano of CMSSW 12_4_8 has a typing error.
    "n_hits": _stored("numberOfHits", "numberOFHits", "nHits", bounds=_NUMBER),
    "n_pixel_hits": _stored("numberOfPixelHits", "nPixelHits", bounds=_NUMBER),
    "hcal_frac": _stored("hcalFraction", "hcal_fraction", bounds=_FRACTION),
    "puppi_weight": _stored("puppiWeight", "puppi_weight", bounds=_FRACTION),
    "px": _stored("px"),
    "py": _stored("py"),
    "pz": _stored("pz"),
    # As the detector has it, where pT in the jet is weighted by PUPPI.
    "pt_unweighted": Quantity(("pt",), ("px", "py"), np.hypot, bounds=_MOMENTUM),
    "mass": _stored("mass", bounds=_MASS),
    "charge": _stored("charge", bounds=_NUMBER),
    "dz_err": _stored("dzErr", bounds=_LENGTH),
    "track_quality": _stored("trkQuality", bounds=_NUMBER),
    "n_strip_hits": _stored("numberOfStripHits", "nStripHits", bounds=_NUMBER),
    "track_eta_rel": _on_links("btagEtaRel"),
    "track_pt_ratio": _on_links("btagPtRatio"),
    "track_parallel_ratio": _on_links("btagPParRatio"),
    "track_sip_3d": _on_links("btagSip3dVal"),
    "track_sip_3d_significance": _on_links("btagSip3dSig"),
    "track_jet_distance": _on_links("btagJetDistVal"),
    "track_decay_length": _on_links("btagDecayLenVal"),
}

_VERTEX: Mapping[str, Quantity] = {
    "mass": _stored("mass", bounds=_MASS),
    "pt": _stored("pt", bounds=_MOMENTUM),
    "eta": _stored("eta", bounds=_ETA),
    "phi": _stored("phi", bounds=_PHI),
    "flight_distance": _stored("dlen", "d3d", bounds=_LENGTH),
    "flight_significance": _stored("dlenSig", "d3dsig", bounds=_SIGNIFICANCE),
    "n_tracks": _stored("ntracks", bounds=_NUMBER),
    # NanoAOD's chi2 of a vertex is the reduced one; PFNano's links have both.
    "norm_chi2": _stored("normchi2", "chi2", bounds=_NUMBER),
    "transverse_distance": _stored("dxy", bounds=_LENGTH),
    "transverse_significance": _stored("dxySig", "dxysig", bounds=_SIGNIFICANCE),
    "cos_pointing_angle": _on_links("costhetasvpv"),
}

QUANTITIES: Mapping[str, Mapping[str, Quantity]] = {
    "jet": _JET,
    "event": _EVENT,
    "charged": _CANDIDATE,
    "neutral": _CANDIDATE,
    "candidates": _CANDIDATE,
    "sv": _VERTEX,
}
"""Kind -> quantity -> where it is and what it is made from."""

OWN_FIELD = "field:"
"""What a quantity begins with that this vocabulary does not have: ``field:vtxChi2`` is the table's own vtxChi2."""


def quantity_of(kind: str, name: str) -> Quantity:
    """The row of a quantity; of a field of the table that is named as such (`OWN_FIELD`), a row of its own."""
    if name.startswith(OWN_FIELD):
        return Quantity((name.removeprefix(OWN_FIELD),), bounds=None)
    return QUANTITIES[kind][name]


def outside(kind: str, quantity: str, values: Array) -> npt.NDArray[np.bool_]:
    """Where a column holds what the quantity cannot be: NaN, infinite, or beyond its bounds."""
    bounds = quantity_of(kind, quantity).bounds
    if bounds is None:
        return np.zeros(len(values), np.bool_)
    low, high = bounds
    return ~((values >= low) & (values <= high))


def kind_of_jet_quantity(quantity: str) -> str:
    """``jet``, or ``event`` for what all jets of an event share."""
    return "jet" if quantity in _JET or quantity.startswith(OWN_FIELD) else "event"


# pT regression stored per jet -> what it gives -> the fields whose product it is. UParT with neutrinos is one factor
# (documentation of the branches before NanoAODv15 says to multiply both). bReg and cReg multiply corrected pT.
REGRESSIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "PNet": {
        "visible": ("PNetRegPtRawCorr",),
        "neutrino": ("PNetRegPtRawCorr", "PNetRegPtRawCorrNeutrino"),
    },
    "UParT": {
        "visible": ("UParTAK4RegPtRawCorr",),
        "neutrino": ("UParTAK4RegPtRawCorrNeutrino",),
    },
    "UParTV1": {
        "visible": ("UParTAK4V1RegPtRawCorr",),
        "neutrino": ("UParTAK4V1RegPtRawCorrNeutrino",),
    },
    "bReg": {"visible": (), "neutrino": ("bRegCorr",)},
    "cReg": {"visible": (), "neutrino": ("cRegCorr",)},
}

# The width of its target that a regression stores, and the factor that it is relative to: half the distance of the
# quantiles .16 and .84 of generator over raw pT (documentation of the branches), which the visible factor makes
# relative to corrected pT; bReg's and cReg's are relative already.
REGRESSION_WIDTHS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "PNet": ("PNetRegPtRawRes", ("PNetRegPtRawCorr",)),
    "UParT": ("UParTAK4RegPtRawRes", ("UParTAK4RegPtRawCorr",)),
    "UParTV1": ("UParTAK4V1RegPtRawRes", ("UParTAK4V1RegPtRawCorr",)),
    "bReg": ("bRegRes", ()),
    "cReg": ("cRegRes", ()),
}
"""Regression -> field of the width, and fields whose product it is relative to."""

NEUTRINO_FACTORS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "PNet": (("PNetRegPtRawCorrNeutrino",), ()),
    "UParT": (("UParTAK4RegPtRawCorrNeutrino",), ("UParTAK4RegPtRawCorr",)),
    "UParTV1": (("UParTAK4V1RegPtRawCorrNeutrino",), ("UParTAK4V1RegPtRawCorr",)),
}
"""Regression -> the fields whose ratio is pT with neutrinos over visible pT."""
