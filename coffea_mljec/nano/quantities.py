"""The vocabulary: every quantity of jets, events and constituents, the branches that hold it, and what it is made from.

One word for one thing, here and in features, payloads and cards. Kinds are ``jet``, ``event`` and the constituents
``charged``, ``neutral``, ``candidates`` (both) and ``sv`` (secondary vertices).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "CONSTITUENTS",
    "NEUTRINO_FACTORS",
    "OWN_FIELD",
    "QUANTITIES",
    "REGRESSIONS",
    "REGRESSION_WIDTHS",
    "Branch",
    "Quantity",
    "kind_of_jet_quantity",
    "quantity_of",
]

Array = npt.NDArray[Any]

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
        """The column."""
        return events[self.table][self.field] if self.table else events[self.field]


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
    """

    fields: tuple[str, ...]
    made_from: tuple[str, ...] = ()
    make: Callable[..., Array] | None = None
    on_links: bool = False


def _stored(*fields: str) -> Quantity:
    return Quantity(fields)


def _on_links(*fields: str) -> Quantity:
    return Quantity(fields, on_links=True)


def _uncorrected(value: Array, raw_factor: Array) -> Array:
    """``rawFactor`` is 1 - raw/corrected."""
    return (value * (1.0 - raw_factor.astype(np.float64))).astype(np.float32)


def _azimuth(px: Array, py: Array) -> Array:
    return np.asarray(np.arctan2(py, px))


def _pseudorapidity(px: Array, py: Array, pz: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.arcsinh(pz / np.hypot(px, py)))


_JET: Mapping[str, Quantity] = {
    # Jets that this package corrected before carry their raw momentum.
    "pt_raw": Quantity(("pt_raw",), ("pt", "raw_factor"), _uncorrected),
    "mass_raw": Quantity(("mass_raw",), ("mass", "raw_factor"), _uncorrected),
    "pt": _stored("pt"),
    "mass": _stored("mass"),
    "raw_factor": _stored("rawFactor"),
    # What the file had, whatever was applied since.
    "pt_stored": _stored("pt_orig", "pt"),
    "mass_stored": _stored("mass_orig", "mass"),
    "eta": _stored("eta"),
    "phi": _stored("phi"),
    "area": _stored("area"),
    "charged_hadron_fraction": _stored("chHEF"),
    "neutral_hadron_fraction": _stored("neHEF"),
    "charged_em_fraction": _stored("chEmEF"),
    "neutral_em_fraction": _stored("neEmEF"),
    "muon_fraction": _stored("muEF"),
    "n_constituents": _stored("nConstituents"),
}

_EVENT: Mapping[str, Quantity] = {
    "rho": _stored("fixedGridRhoFastjetAll", "Rho.fixedGridRhoFastjetAll"),
    "n_pv": _stored("PV.npvsGood"),
    "run": _stored("run"),
    "luminosity_block": _stored("luminosityBlock"),
    "event": _stored("event"),
}

_CANDIDATE: Mapping[str, Quantity] = {
    "pt": Quantity(("pt",), ("px", "py"), np.hypot),
    "eta": Quantity(("eta",), ("px", "py", "pz"), _pseudorapidity),
    "phi": Quantity(("phi",), ("px", "py"), _azimuth),
    "pdg_id": _stored("pdgId"),
    "dxy": _stored("d0"),
    "dxy_err": _stored("d0Err"),
    "dz": _stored("dz"),
    "norm_chi2": _stored("trkChi2"),
    "lost_hits": _stored("lostInnerHits"),
    "pv_assoc": _stored("pvAssocQuality"),
    # BTVNano of CMSSW 12_4_8 has a typing error.
    "n_hits": _stored("numberOfHits", "numberOFHits", "nHits"),
    "n_pixel_hits": _stored("numberOfPixelHits", "nPixelHits"),
    "hcal_frac": _stored("hcalFraction", "hcal_fraction"),
    "puppi_weight": _stored("puppiWeight", "puppi_weight"),
    "px": _stored("px"),
    "py": _stored("py"),
    "pz": _stored("pz"),
    # As the detector has it, where pT in the jet is weighted by PUPPI.
    "pt_unweighted": Quantity(("pt",), ("px", "py"), np.hypot),
    "mass": _stored("mass"),
    "charge": _stored("charge"),
    "dz_err": _stored("dzErr"),
    "track_quality": _stored("trkQuality"),
    "n_strip_hits": _stored("numberOfStripHits", "nStripHits"),
    "track_eta_rel": _on_links("btagEtaRel"),
    "track_pt_ratio": _on_links("btagPtRatio"),
    "track_parallel_ratio": _on_links("btagPParRatio"),
    "track_sip_3d": _on_links("btagSip3dVal"),
    "track_sip_3d_significance": _on_links("btagSip3dSig"),
    "track_jet_distance": _on_links("btagJetDistVal"),
    "track_decay_length": _on_links("btagDecayLenVal"),
}

_VERTEX: Mapping[str, Quantity] = {
    "mass": _stored("mass"),
    "pt": _stored("pt"),
    "eta": _stored("eta"),
    "phi": _stored("phi"),
    "flight_distance": _stored("dlen", "d3d"),
    "flight_significance": _stored("dlenSig", "d3dsig"),
    "n_tracks": _stored("ntracks"),
    # NanoAOD's chi2 of a vertex is the reduced one.
    "norm_chi2": _stored("chi2"),
    "transverse_distance": _stored("dxy"),
    "transverse_significance": _stored("dxySig", "dxysig"),
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
        return Quantity((name.removeprefix(OWN_FIELD),))
    return QUANTITIES[kind][name]


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
