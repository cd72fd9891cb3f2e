"""Rows of the catalogue for networks of weaver and CMSSW: all candidates of a jet, and its vertices.

The aliases are the names that CMS's ``preprocess.json`` files have for them.
"""

from __future__ import annotations

from collections.abc import Callable

from coffea_mljec.features import functions
from coffea_mljec.features.feature import Feature

__all__ = ["FEATURES", "SHARED", "SOURCE"]

SOURCE = "CMSSW, RecoBTag/FeatureTools/plugins/DeepBoostedJetTagInfoProducer.cc"
_DIRECTION = ("eta", "phi")
_TRACK = ("charge", "norm_chi2")
_ENERGY = ("pt", "eta", "mass", "pt_unweighted")
_JET = ("pt_raw", "eta", "mass_raw")


def _made(
    collection: str,
    name: str,
    unit: str,
    formula: str,
    function: Callable[..., object],
    quantities: tuple[str, ...],
    jet: tuple[str, ...] = (),
    *aliases: str,
) -> Feature:
    return Feature(
        name, collection, unit, formula, "function", quantities, jet, source=SOURCE, aliases=aliases,
        function=function.__name__,
    )  # fmt: skip


def _stored(collection: str, name: str, unit: str, formula: str, *aliases: str) -> Feature:
    return Feature(name, collection, unit, formula, "gather", (name,), source=SOURCE, aliases=aliases)


def _is(name: str, ids: int, alias: str) -> Feature:
    return Feature(
        name, "candidates", "1", f"|pdg_id| == {ids}", "is_abs_equal", ("pdg_id",), value=ids, source=SOURCE,
        aliases=(f"pfcand_{alias}",),
    )  # fmt: skip


def _mask(collection: str, *aliases: str) -> Feature:
    return _made(collection, "mask", "1", "1 for every constituent", functions.one, ("eta",), (), *aliases)


def _relative(collection: str, prefix: str) -> tuple[Feature, ...]:
    """The angles to the jet, which our own networks read too."""
    return (
        Feature(
            "rel_eta", collection, "1", "sgn(eta_jet) (eta_i - eta_jet)", "relative", ("eta",), ("eta",),
            source=SOURCE, aliases=(f"{prefix}_etarel",),
        ),
        Feature(
            "rel_phi", collection, "rad", "phi_i - phi_jet in [-pi, pi)", "relative", ("phi",), ("phi",),
            source=SOURCE, aliases=(f"{prefix}_phirel",),
        ),
        _made(collection, "delta_r", "1", "distance to the jet's axis", functions.delta_r, _DIRECTION, _DIRECTION,
              f"{prefix}_deltaR"),
        _made(collection, "abs_eta", "1", "|eta|", functions.size, ("eta",), (), f"{prefix}_abseta"),
        _made(collection, "jet_minus_eta", "1", "eta_jet - eta_i", functions.jet_minus, ("eta",), ("eta",),
              f"jet_{prefix}_deta"),
        _made(collection, "jet_minus_phi", "rad", "phi_jet - phi_i in [-pi, pi)", functions.jet_minus_phi, ("phi",),
              ("phi",), f"jet_{prefix}_dphi"),
        _mask(collection, f"{prefix}_mask"),
    )  # fmt: skip


_CANDIDATES = (
    *_relative("candidates", "pfcand"),
    _stored("candidates", "pt", "GeV", "pT, weighted by PUPPI where the jets are", "pfcand_pt"),
    _stored("candidates", "pt_unweighted", "GeV", "pT without PUPPI weight", "pfcand_pt_nopuppi"),
    _stored("candidates", "eta", "1", "eta", "pfcand_eta", "jet_pfcand_eta"),
    _stored("candidates", "phi", "rad", "phi", "pfcand_phi"),
    _made("candidates", "px", "GeV", "pT cos(phi)", functions.px, ("pt", "phi"), (), "pfcand_px"),
    _made("candidates", "py", "GeV", "pT sin(phi)", functions.py, ("pt", "phi"), (), "pfcand_py"),
    _made("candidates", "pz", "GeV", "pT sinh(eta)", functions.pz, ("pt", "eta"), (), "pfcand_pz"),
    _made("candidates", "energy", "GeV", "energy, weighted like pT", functions.weighted_energy, _ENERGY, (),
          "pfcand_energy"),
    _made("candidates", "log_pt", "1", "ln(pT / GeV), weighted", functions.log, ("pt",), (), "pfcand_pt_log",
          "jet_pfcand_pt_log"),
    _made("candidates", "log_energy", "1", "ln(energy / GeV), weighted", functions.log_weighted_energy, _ENERGY, (),
          "pfcand_e_log", "jet_pfcand_energy_log"),
    _made("candidates", "log_pt_unweighted", "1", "ln(pT / GeV) without PUPPI weight", functions.log,
          ("pt_unweighted",), (), "pfcand_pt_log_nopuppi"),
    _made("candidates", "log_energy_unweighted", "1", "ln(energy / GeV) without PUPPI weight", functions.log_energy,
          ("pt_unweighted", "eta", "mass"), (), "pfcand_e_log_nopuppi"),
    _made("candidates", "rel_pt", "1", "pT / pt_jet", functions.ratio, ("pt",), ("pt_raw",), "pfcand_ptrel"),
    _made("candidates", "log_rel_pt", "1", "ln(pT / pt_jet)", functions.log_ratio, ("pt",), ("pt_raw",),
          "pfcand_ptrel_log"),
    _made("candidates", "rel_energy", "1", "energy / energy_jet", functions.energy_ratio, _ENERGY, _JET,
          "pfcand_erel"),
    _made("candidates", "log_rel_energy", "1", "ln(energy / energy_jet)", functions.log_energy_ratio, _ENERGY, _JET,
          "pfcand_erel_log"),
    _stored("candidates", "charge", "e", "electric charge", "pfcand_charge", "jet_pfcand_charge"),
    _is("is_electron", 11, "isEl"),
    _is("is_muon", 13, "isMu"),
    _is("is_photon", 22, "isGamma"),
    _is("is_charged_hadron", 211, "isChargedHad"),
    _is("is_neutral_hadron", 130, "isNeutralHad"),
    _stored("candidates", "puppi_weight", "1", "weight by PUPPI", "pfcand_puppiw", "jet_pfcand_puppiw"),
    _stored("candidates", "hcal_frac", "1", "share of the energy in the HCAL", "pfcand_hcalFrac",
            "jet_pfcand_hcalfraction"),
    _stored("candidates", "pv_assoc", "1", "quality of the association to the primary vertex", "pfcand_VTX_ass"),
    _stored("candidates", "lost_hits", "1", "lost inner hits, -1 for a valid hit in the first pixel layer",
            "pfcand_lostInnerHits", "jet_pfcand_nlostinnerhits"),
    _stored("candidates", "n_hits", "1", "hits on the track", "jet_pfcand_nhits"),
    _stored("candidates", "n_pixel_hits", "1", "pixel hits on the track", "jet_pfcand_npixhits"),
    _stored("candidates", "n_strip_hits", "1", "strip hits on the track", "jet_pfcand_nstriphits"),
    _made("candidates", "track_chi2", "1", "chi2/ndof of the track, rounded down; 999 without one",
          functions.track_chi2, ("norm_chi2", "charge"), (), "pfcand_normchi2", "jet_pfcand_track_chi2"),
    _made("candidates", "track_quality", "1", "quality mask of the track; 0 without one", functions.with_track,
          ("track_quality", *_TRACK), (), "pfcand_quality", "jet_pfcand_track_qual"),
    _made("candidates", "track_dz", "cm", "longitudinal impact parameter; 0 without a track", functions.with_track,
          ("dz", *_TRACK), (), "pfcand_dz", "jet_pfcand_dz"),
    _made("candidates", "track_dz_sig", "1", "the same over its error", functions.track_significance,
          ("dz", "dz_err", *_TRACK), (), "pfcand_dzsig", "jet_pfcand_dzsig"),
    _made("candidates", "track_dxy", "cm", "transverse impact parameter; 0 without a track", functions.with_track,
          ("dxy", *_TRACK), (), "pfcand_dxy", "jet_pfcand_dxy"),
    _made("candidates", "track_dxy_sig", "1", "the same over its error", functions.track_significance,
          ("dxy", "dxy_err", *_TRACK), (), "pfcand_dxysig", "jet_pfcand_dxysig"),
    _stored("candidates", "track_eta_rel", "1", "rapidity of the track along the jet's axis", "pfcand_btagEtaRel"),
    _stored("candidates", "track_pt_ratio", "1", "momentum across the jet's axis / momentum", "pfcand_btagPtRatio"),
    _stored("candidates", "track_parallel_ratio", "1", "momentum along the jet's axis / momentum",
            "pfcand_btagPParRatio"),
    _stored("candidates", "track_sip_3d", "cm", "signed three-dimensional impact parameter", "pfcand_btagSip3dVal",
            "jet_pfcand_trackjet_d3d"),
    _stored("candidates", "track_sip_3d_significance", "1", "the same over its error", "pfcand_btagSip3dSig",
            "jet_pfcand_trackjet_d3dsig"),
    _stored("candidates", "track_jet_distance", "cm", "distance of the track to the jet's axis",
            "pfcand_btagJetDistVal", "jet_pfcand_trackjet_dist"),
    _stored("candidates", "track_decay_length", "cm", "decay length along the jet's axis",
            "jet_pfcand_trackjet_decayL"),
    _made("candidates", "eta_rel", "1", "rapidity along the jet's axis, with the mass of a pion", functions.eta_rel,
          ("pt", *_DIRECTION), _DIRECTION, "jet_pfcand_etarel"),
    _made("candidates", "parallel_ratio", "1", "momentum along the jet's axis / momentum", functions.parallel_ratio,
          _DIRECTION, _DIRECTION, "jet_pfcand_ppara_ratio"),
    _made("candidates", "perpendicular_ratio", "1 / GeV", "sine of the angle to the jet's axis / momentum",
          functions.perpendicular_ratio, ("pt", *_DIRECTION), _DIRECTION, "jet_pfcand_pperp_ratio"),
)  # fmt: skip

_MOMENTUM = ("pt", "eta", "mass")
_VERTICES = (
    *(feature for feature in _relative("sv", "sv") if not feature.name.startswith("rel_")),
    _made("sv", "log_pt", "1", "ln(pt / GeV)", functions.log, ("pt",), (), "sv_pt_log", "jet_sv_pt_log"),
    _made("sv", "log_rel_pt", "1", "ln(pt / pt_jet)", functions.log_ratio, ("pt",), ("pt_raw",), "sv_ptrel_log"),
    _made("sv", "rel_energy", "1", "energy / energy_jet", functions.vertex_energy_ratio, _MOMENTUM, _JET, "sv_erel"),
    _made("sv", "log_rel_energy", "1", "ln(energy / energy_jet)", functions.log_vertex_energy_ratio, _MOMENTUM, _JET,
          "sv_erel_log"),
    _stored("sv", "norm_chi2", "1", "chi2/ndof of the vertex", "sv_normchi2", "jet_sv_chi2"),
    _stored("sv", "transverse_distance", "cm", "transverse decay length", "sv_dxy", "jet_sv_dxy"),
    _stored("sv", "transverse_significance", "1", "the same over its error", "sv_dxysig", "jet_sv_dxysig"),
    _stored("sv", "cos_pointing_angle", "1", "cosine of the angle between momentum and flight", "sv_costhetasvpv"),
)  # fmt: skip

FEATURES: tuple[Feature, ...] = (*_CANDIDATES, *_VERTICES, _mask("charged"), _mask("neutral"))

SHARED: dict[str, tuple[str, str]] = {
    "sv_etarel": ("sv", "rel_eta"),
    "sv_phirel": ("sv", "rel_phi"),
    "sv_ptrel": ("sv", "rel_pt"),
    "sv_mass": ("sv", "mass"),
    "jet_sv_mass": ("sv", "mass"),
    "sv_pt": ("sv", "pt"),
    "sv_eta": ("sv", "eta"),
    "jet_sv_eta": ("sv", "eta"),
    "sv_phi": ("sv", "phi"),
    "sv_ntracks": ("sv", "n_tracks"),
    "jet_sv_ntrack": ("sv", "n_tracks"),
    "sv_d3d": ("sv", "flight_distance"),
    "jet_sv_d3d": ("sv", "flight_distance"),
    "sv_d3dsig": ("sv", "flight_significance"),
    "jet_sv_d3dsig": ("sv", "flight_significance"),
}
"""Their names of features that our own networks read too -> collection and feature."""
