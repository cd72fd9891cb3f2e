"""The feature catalogue: every named input of a network, with its unit, formula, source and what it is made from.

Names are unique within a collection. "pt" of a jet is always the raw pT.
"""

from __future__ import annotations

from collections.abc import Mapping

from coffea_mljec.errors import InputError
from coffea_mljec.features import cmssw
from coffea_mljec.features.feature import NEAR_WIDTH, Feature
from coffea_mljec.nano.quantities import CONSTITUENTS
from coffea_mljec.support.suggestions import nearest

__all__ = ["CATALOGUE", "COLLECTIONS", "Feature", "alias_of", "feature_of_alias"]

COLLECTIONS = ("jet", *CONSTITUENTS)

_FORMULA_SOURCE = "Holmberg thesis, equations 6.2 to 6.5"
_COMPOSITION_SOURCE = "NanoAOD: what every jet carries of its constituents (CMS, reco::PFJet)"
_VERTEX_SOURCE = "Inputs of CMS's b-jet energy regression (arXiv:1912.06046), as trees can read them"
_NEAR_SOURCE = "Annotation of |eta|, ATLAS, arXiv:2311.08885; regions of CMS"


def _plain(collection: str, unit: str, name: str, formula: str) -> Feature:
    return Feature(name, collection, unit, formula, "gather", (name,))


def _relative(collection: str) -> tuple[Feature, ...]:
    formulas = {
        "pt": "pt_i / pt_jet",
        "eta": "sgn(eta_jet) (eta_i - eta_jet)",
        "phi": "phi_i - phi_jet in [-pi, pi)",
    }
    units = {"pt": "1", "eta": "1", "phi": "rad"}
    jet = {"pt": "pt_raw", "eta": "eta", "phi": "phi"}
    return tuple(
        Feature(
            f"rel_{name}", collection, units[name], formula, "relative", (name,), (jet[name],), source=_FORMULA_SOURCE
        )
        for name, formula in formulas.items()
    )


def _one_hot(collection: str, prefix: str, quantity: str, values: tuple[int, ...]) -> tuple[Feature, ...]:
    return tuple(
        Feature(f"{prefix}_{value}", collection, "1", f"{quantity} == {value}", "is_equal", (quantity,), value=value)
        for value in values
    )


def _own(name: str, unit: str, formula: str, quantity: str | None = None, kernel: str = "jet") -> Feature:
    return Feature(name, "jet", unit, formula, kernel, (quantity or name,))


def _composition(name: str, formula: str) -> Feature:
    return Feature(name, "jet", "1", formula, "jet", (name,), source=_COMPOSITION_SOURCE)


def _leading_vertex(name: str, unit: str, formula: str, quantity: str, jet: tuple[str, ...] = ()) -> Feature:
    return Feature(name, "jet", unit, formula, "leading_vertex", (quantity,), jet, source=_VERTEX_SOURCE)


def _near(*centres: float) -> tuple[Feature, ...]:
    return tuple(
        Feature(
            f"near_eta_{f'{centre:g}'.replace('.', 'p')}", "jet", "1",
            f"exp(-(|eta| - {centre:g})^2 / (2 x {NEAR_WIDTH}^2))", "near", ("eta",), value=round(100 * centre),
            source=_NEAR_SOURCE,
        )
        for centre in centres
    )  # fmt: skip


def _shape(name: str, formula: str, column: int) -> Feature:
    return Feature(name, "jet", "1", formula, "shape", ("pt", "eta", "phi"), ("eta", "phi"), column, _FORMULA_SOURCE)


_FEATURES: tuple[Feature, ...] = (
    _own("pt", "GeV", "raw pt", "pt_raw"),
    _own("eta", "1", "eta"),
    _own("phi", "rad", "phi"),
    _own("mass", "GeV", "raw mass", "mass_raw"),
    _own("soft_drop_mass", "GeV", "mass of the subjets before their correction; 0 without subjets"),
    _own("area", "1", "jet area"),
    _own("rho", "GeV", "median pT density of the event"),
    _own("n_pv", "1", "number of good primary vertices"),
    _own("log_pt", "1", "ln(raw pt / GeV)", "pt_raw", "log"),
    _shape("multiplicity", "number of constituents with pt > 1 GeV", 0),
    _shape("ptD", "sqrt(sum pt^2) / sum pt", 1),
    _shape("axis2", "minor axis of the pt^2-weighted covariance of (delta eta, delta phi)", 2),
    Feature("abs_eta", "jet", "1", "|eta|", "abs", ("eta",), source=_COMPOSITION_SOURCE),
    _composition("charged_hadron_fraction", "share of the raw energy in charged hadrons"),
    _composition("neutral_hadron_fraction", "share of the raw energy in neutral hadrons"),
    _composition("charged_em_fraction", "share of the raw energy in electrons"),
    _composition("neutral_em_fraction", "share of the raw energy in photons"),
    _composition("muon_fraction", "share of the raw energy in muons"),
    _composition("n_constituents", "number of constituents"),
    _composition("muon_pt_fraction", "share of the raw pT in muons"),
    _composition("n_muons", "number of muons"),
    _composition("n_electrons", "number of electrons"),
    Feature("n_sv", "jet", "1", "number of secondary vertices", "n_vertices", ("pt",), source=_VERTEX_SOURCE),
    _leading_vertex("sv_pt_ratio", "1", "pt of the hardest vertex / raw pt; 0 without one", "pt", ("pt_raw",)),
    _leading_vertex("sv_mass", "GeV", "mass of the hardest vertex; 0 without one", "mass"),
    _leading_vertex(
        "sv_flight_significance",
        "1",
        "decay length of the hardest vertex over its error; 0 without one",
        "flight_significance",
    ),
    _leading_vertex("sv_n_tracks", "1", "tracks of the hardest vertex; 0 without one", "n_tracks"),
    # Barrel, HCAL's crack, ECAL's crack, endcap, the tracker's edge, and the forward calorimeter's.
    *_near(0.0, 0.4, 0.8, 1.1, 1.3, 1.5, 1.75, 2.0, 2.25, 2.5, 3.0),
    _plain("charged", "GeV", "pt", "pt"),
    _plain("charged", "1", "eta", "eta"),
    _plain("charged", "rad", "phi", "phi"),
    _plain("charged", "cm", "dxy", "transverse impact parameter; -1 without track details"),
    Feature("dxy_sig", "charged", "1", "dxy / its error; -1 without track details", "significance", ("dxy", "dxy_err")),
    _plain("charged", "cm", "dz", "longitudinal impact parameter; -1 without track details"),
    _plain("charged", "1", "n_hits", "hits on the track"),
    _plain("charged", "1", "n_pixel_hits", "pixel hits on the track"),
    _plain("charged", "1", "lost_hits", "lost inner hits, -1 for a valid hit in the first pixel layer"),
    _plain("charged", "1", "norm_chi2", "chi2/ndof of the track; -1 without track details"),
    *_one_hot("charged", "id", "pdg_id", (-211, -13, -11, 11, 13, 211)),
    *_one_hot("charged", "pv_assoc", "pv_assoc", (0, 1, 4, 5, 6, 7)),
    *_relative("charged"),
    _plain("neutral", "GeV", "pt", "pt"),
    _plain("neutral", "1", "eta", "eta"),
    _plain("neutral", "rad", "phi", "phi"),
    _plain("neutral", "1", "hcal_frac", "share of the energy in the HCAL"),
    *_one_hot("neutral", "id", "pdg_id", (1, 2, 22, 130)),
    *_relative("neutral"),
    _plain("sv", "GeV", "mass", "mass of the vertex"),
    _plain("sv", "GeV", "pt", "pt"),
    _plain("sv", "1", "eta", "eta"),
    _plain("sv", "rad", "phi", "phi"),
    _plain("sv", "cm", "flight_distance", "three-dimensional decay length"),
    _plain("sv", "1", "flight_significance", "decay length over its error"),
    _plain("sv", "1", "n_tracks", "tracks of the vertex"),
    *_relative("sv"),
    *cmssw.FEATURES,
)

CATALOGUE: dict[str, dict[str, Feature]] = {
    collection: {feature.name: feature for feature in _FEATURES if feature.collection == collection}
    for collection in COLLECTIONS
}
"""Collection -> name -> `Feature`; the thesis set comes first, in its order. `register_feature` adds to it."""

_ALIASES: Mapping[str, tuple[str, str]] = cmssw.SHARED | {
    alias: (feature.collection, feature.name) for feature in _FEATURES for alias in feature.aliases
}


def alias_of(collection: str, name: str) -> str:
    """Return what weaver's and CMSSW's files call a feature; ``collection.name`` where they have no name for it."""
    own = (alias for alias, place in _ALIASES.items() if place == (collection, name))
    return next(own, f"{collection}.{name}")


def feature_of_alias(name: str) -> tuple[str, str]:
    """Return collection and feature of a variable of weaver's and CMSSW's files, or of one named by `alias_of`.

    Raises
    ------
    InputError
        If no NanoAOD flavour holds it; the message names the nearest ones.
    """
    if name in _ALIASES:
        return _ALIASES[name]
    collection, _, feature = name.partition(".")
    if feature in CATALOGUE.get(collection, {}):
        return collection, feature
    close = ", ".join(nearest(name, _ALIASES, most=3))
    raise InputError(
        f"no feature for the variable {name!r}: no NanoAOD flavour holds it{f' (nearest: {close})' if close else ''}. "
        "Say which feature it is (variables={'" + name + "': 'collection.feature'}), or register one of your own "
        "(coffea_mljec.register_feature)."
    )
