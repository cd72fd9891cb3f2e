"""The branches of the output: name, type, kept mantissa bits and title, table by table.

Names and types follow PFNano on NanoAODv8 (CMS UL2017), with `numberOfHits`, `numberOfPixelHits` and `hcalFraction` as
later PFNano versions have them. With PUPPI jets, names are those of Run 3 (NanoAODv11 on). What only this project's
files carry: ``MLJEC_simulation``, ``MLJEC_process`` and ``MLJEC_scatter``.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

__all__ = [
    "EXTRAS",
    "FORMAT_VERSION",
    "RUN3_NAMES",
    "TABLES",
    "TABLES_OF",
    "Branch",
    "kind_of_jets",
    "layout_of",
    "rho_name",
]

FORMAT_VERSION = 1
"""Value of ``MLJEC_simulation``: raised whenever the meaning of a branch changes."""


class Branch(NamedTuple):
    """One branch.

    ``kind`` is a numpy type; ``bits`` the mantissa bits kept of a float32 (23 is all of them); ``title`` says what it
    is, with its unit.
    """

    kind: str
    title: str
    bits: int = 10


_ANGLE = 12
_FOUR_VECTOR = {
    "pt": Branch("f4", "transverse momentum in GeV"),
    "eta": Branch("f4", "pseudorapidity", _ANGLE),
    "phi": Branch("f4", "azimuth in radians", _ANGLE),
    "mass": Branch("f4", "mass in GeV"),
}
_GENERATOR_JET = _FOUR_VECTOR | {"pt": _FOUR_VECTOR["pt"]._replace(bits=16)}
_PARTICLES = {"nConstituents": Branch("i4", "number of particles")}
_FLAVOUR = {
    "partonFlavour": Branch("i4", "flavour from partons: b before c before the hardest"),
    "hadronFlavour": Branch("i4", "flavour from hadrons: 5 with a b hadron, else 4 with a c hadron, else 0"),
}
_JET = {
    "pt": Branch("f4", "transverse momentum in GeV after the standard correction, if one was given", 12),
    "eta": _FOUR_VECTOR["eta"],
    "phi": _FOUR_VECTOR["phi"],
    "mass": Branch("f4", "mass in GeV, corrected like pt", 12),
    "rawFactor": Branch("f4", "1 - raw pT / pt", 16),
    "area": Branch("f4", "catchment area in (rapidity, phi)"),
    "nConstituents": Branch("i4", "number of constituents"),
    "chHEF": Branch("f4", "fraction of the raw energy in charged hadrons"),
    "neHEF": Branch("f4", "fraction of the raw energy in neutral hadrons and hadronic HF candidates"),
    "chEmEF": Branch("f4", "fraction of the raw energy in electrons"),
    "neEmEF": Branch("f4", "fraction of the raw energy in photons and electromagnetic HF candidates"),
    "muEF": Branch("f4", "fraction of the raw energy in muons"),
    "muonSubtrFactor": Branch("f4", "share of the raw pT that muons carry"),
    "nElectrons": Branch("i4", "number of electrons"),
    "nMuons": Branch("i4", "number of muons"),
    "jetId": Branch("i4", "jet ID of UL: bit 1 tight, bit 2 tight and lepton veto"),
    "nBHadrons": Branch("i4", "number of b hadrons"),
    "nCHadrons": Branch("i4", "number of c hadrons"),
    **_FLAVOUR,
}
_ISOLATION = {"pfRelIso03_all": Branch("f4", "pT of the other candidates within 0.3, less pileup, over pt")}
_LEPTON = {
    **_GENERATOR_JET,
    **_ISOLATION,
    "charge": Branch("i4", "electric charge"),
    "pdgId": Branch("i4", "particle id: -11 or -13 for positive charge"),
}
# PFNano repeats the candidate's pt here, a seventh of such a file: left out.
_LINK = {"pFCandsIdx": Branch("i4", "index in PFCands")}
_VERTEX_LINK = {
    "sVIdx": Branch("i4", "index in SV"),
    "pt": Branch("f4", "transverse momentum of the vertex in GeV"),
    "mass": Branch("f4", "mass of the vertex in GeV"),
    "deltaR": Branch("f4", "angular distance from the jet"),
    "enration": Branch("f4", "energy of the vertex over the jet's raw energy"),
}

TABLES: dict[str, dict[str, Branch]] = {
    "": {
        "run": Branch("u4", "run: 1, as in simulated CMS data"),
        "luminosityBlock": Branch("u4", "shard of the production, from 1"),
        "event": Branch("u8", "event number: seed times 10^9 plus a running number, unique over the whole production"),
        "genWeight": Branch("f4", "generator weight", 23),
        "Generator_weight": Branch("f4", "generator weight", 23),
        "Generator_binvar": Branch("f4", "pT of the hard scatter in GeV"),
        "Pileup_nPU": Branch("i4", "number of pileup interactions"),
        "Pileup_nTrueInt": Branch("f4", "mean number of interactions of the event's Poisson distribution"),
        "PV_x": Branch("f4", "primary vertex x in cm"),
        "PV_y": Branch("f4", "primary vertex y in cm"),
        "PV_z": Branch("f4", "primary vertex z in cm"),
        "PV_npvs": Branch("i4", "number of reconstructed primary vertices"),
        "PV_npvsGood": Branch("i4", "number of good reconstructed primary vertices"),
        "fixedGridRhoFastjetAll": Branch("f4", "rho in GeV: median of a grid of cells over all candidates, |y| < 5"),
        "RawMET_pt": Branch("f4", "missing momentum of all particle-flow candidates in GeV", 16),
        "RawMET_phi": Branch("f4", "its azimuth in radians", 16),
        "RawMET_sumEt": Branch("f4", "scalar sum of the candidates' pT in GeV"),
        "MET_pt": Branch("f4", "the same: no type-1 correction", 16),
        "MET_phi": Branch("f4", "the same: no type-1 correction", 16),
        "GenMET_pt": Branch("f4", "transverse momentum of the neutrinos in GeV", 16),
        "GenMET_phi": Branch("f4", "its azimuth in radians", 16),
        "MLJEC_simulation": Branch("i4", "this project's parametrised simulation, not CMS: version of its format"),
        "MLJEC_process": Branch("i4", "process: training.simulate.settings.PROCESSES"),
        "MLJEC_scatter": Branch("u8", "event number of the first event made from the same hard scatter"),
    },
    "Jet": {**_JET, "genJetIdx": Branch("i4", "index of the matched GenJet (one to one within 0.4), -1 for none")},
    "FatJet": {
        **_JET,
        "genJetAK8Idx": Branch("i4", "index of the matched GenJetAK8 (one to one within 0.8), -1 for none"),
    },
    "GenJet": {
        **_GENERATOR_JET,
        **_PARTICLES,
        **_FLAVOUR,
        "hadronFlavour": _FLAVOUR["hadronFlavour"]._replace(kind="u1"),
    },
    "GenJetAK8": {
        **_GENERATOR_JET,
        **_PARTICLES,
        **_FLAVOUR,
        "hadronFlavour": _FLAVOUR["hadronFlavour"]._replace(kind="u1"),
    },
    "GenPart": {
        **_FOUR_VECTOR,
        "pdgId": Branch("i4", "PDG id"),
        "status": Branch("i4", "Pythia 8 status"),
        "statusFlags": Branch("i4", "bits as in NanoAOD: 7 isHardProcess, 8 fromHardProcess, 13 isLastCopy"),
        "genPartIdxMother": Branch("i4", "index of the mother in GenPart, -1 for none"),
    },
    "Electron": _LEPTON,
    "Muon": _LEPTON,
    # NanoAOD from v9 on stores no mass of a photon; coffea adds one of zero.
    "Photon": {name: branch for name, branch in _GENERATOR_JET.items() if name != "mass"} | _ISOLATION,
    "GenDressedLepton": {**_GENERATOR_JET, "pdgId": Branch("i4", "PDG id")},
    "GenIsolatedPhoton": _GENERATOR_JET,
    "PFCands": {
        **_FOUR_VECTOR,
        "pdgId": Branch("i4", "particle id: 211, 130, 22, 11, 13, 1 (hadronic HF), 2 (electromagnetic HF)"),
        "charge": Branch("i4", "electric charge"),
        "d0": Branch("f4", "transverse impact parameter in cm"),
        "d0Err": Branch("f4", "its error in cm", 8),
        "dz": Branch("f4", "longitudinal impact parameter in cm"),
        "dzErr": Branch("f4", "its error in cm", 8),
        "trkChi2": Branch("f4", "normalised chi2 of the track", 8),
        "vtxChi2": Branch("f4", "normalised chi2 of the vertex", 8),
        "lostInnerHits": Branch("i4", "lost inner hits"),
        "pvAssocQuality": Branch("i4", "quality of the association with the primary vertex"),
        "trkQuality": Branch("i4", "track quality mask"),
        "numberOfHits": Branch("i4", "hits of the track"),
        "numberOfPixelHits": Branch("i4", "pixel hits of the track"),
        "hcalFraction": Branch("f4", "fraction of the energy in the hadron calorimeter", 8),
        "puppiWeight": Branch("f4", "PUPPI weight", 8),
        "fromPV": Branch("i4", "0: removed by charged-hadron subtraction, 1 to 3: kept"),
    },
    "JetPFCands": {"jetIdx": Branch("i4", "index of the jet in Jet"), **_LINK},
    "FatJetPFCands": {"jetIdx": Branch("i4", "index of the jet in FatJet"), **_LINK},
    "SV": {
        **_FOUR_VECTOR,
        "x": Branch("f4", "vertex x in cm"),
        "y": Branch("f4", "vertex y in cm"),
        "z": Branch("f4", "vertex z in cm"),
        "dlen": Branch("f4", "flight distance in cm"),
        "dlenSig": Branch("f4", "significance of the flight distance"),
        "dxy": Branch("f4", "transverse flight distance in cm"),
        "dxySig": Branch("f4", "significance of the transverse flight distance"),
        "ntracks": Branch("u1", "number of tracks"),
        "chi2": Branch("f4", "chi2 over degrees of freedom"),
        "ndof": Branch("f4", "degrees of freedom"),
        "pAngle": Branch("f4", "angle between momentum and flight direction in radians"),
    },
    "JetSVs": {"jetIdx": Branch("i4", "index of the jet in Jet"), **_VERTEX_LINK},
    "FatJetSVs": {"jetIdx": Branch("i4", "index of the jet in FatJet"), **_VERTEX_LINK},
}
"""Table -> field -> branch, for CHS jets; the table "" holds one number an event."""

RUN3_NAMES = {
    "fixedGridRhoFastjetAll": "Rho_fixedGridRhoFastjetAll",
    "RawMET_pt": "RawPuppiMET_pt",
    "RawMET_phi": "RawPuppiMET_phi",
    "RawMET_sumEt": "RawPuppiMET_sumEt",
    "MET_pt": "PuppiMET_pt",
    "MET_phi": "PuppiMET_phi",
}
"""Name of an event's number with CHS jets -> its name with PUPPI jets."""

_RUN3_TITLES = {
    "RawMET_pt": "missing momentum of all particle-flow candidates in GeV, weighted by PUPPI",
    "RawMET_sumEt": "scalar sum of the candidates' pT in GeV, weighted by PUPPI",
}
_RUN3_JET = {"jetId": _JET["jetId"]._replace(title="jet ID of Run 3: bit 1 tight, bit 2 tight and lepton veto")}

TABLES_OF: dict[str, dict[str, dict[str, Branch]]] = {
    "chs": TABLES,
    "puppi": TABLES
    | {
        "": {
            RUN3_NAMES.get(name, name): branch._replace(title=_RUN3_TITLES.get(name, branch.title))
            for name, branch in TABLES[""].items()
        }
    }
    | {name: TABLES[name] | _RUN3_JET for name in ("Jet", "FatJet")},
}
"""Kind of the AK4 jets, ``chs`` or ``puppi`` -> tables."""

_SUBJET = _FOUR_VECTOR | {
    "rawFactor": Branch("f4", "1 - raw pT / pt: 0, subjets are not corrected"),
    "nBHadrons": Branch("u1", "number of b hadrons"),
    "nCHadrons": Branch("u1", "number of c hadrons"),
    "hadronFlavour": _FLAVOUR["hadronFlavour"]._replace(kind="u1"),
    "subGenJetAK8Idx": Branch("i4", "index of the matched SubGenJetAK8 (one to one within 0.4), -1 for none"),
}
_WITH_NEUTRINOS = {
    f"{name}WithNeutrinos": branch._replace(title=branch.title + ", of the jet and the neutrinos that belong to it")
    for name, branch in _GENERATOR_JET.items()
}

EXTRAS: dict[str, dict[str, dict[str, Branch]]] = {
    "soft_drop": {
        "FatJet": {
            "msoftdrop": Branch("f4", "soft-drop mass in GeV (z > 0.1, beta 0), not corrected"),
            "subJetIdx1": Branch("i4", "index of the harder subjet in SubJet, -1 for none"),
            "subJetIdx2": Branch("i4", "index of the softer subjet in SubJet, -1 for none"),
        },
        "SubJet": _SUBJET,
        "SubGenJetAK8": _FOUR_VECTOR,
    },
    "neutrinos": {"GenJet": _WITH_NEUTRINOS, "GenJetAK8": _WITH_NEUTRINOS},
}
"""What a production may have beside (fields of `training.simulate.tables.JetSelection`) -> table -> field -> branch."""
_TELLING = {"soft_drop": "FatJet_msoftdrop", "neutrinos": "GenJet_ptWithNeutrinos"}


def layout_of(names: Container[str]) -> dict[str, dict[str, Branch]]:
    """Return the tables of a file with these branches, with those of `EXTRAS` that it has."""
    layout = dict(TABLES_OF[kind_of_jets(names)])
    for extra, tables in EXTRAS.items():
        if _TELLING[extra] in names:
            layout |= {table: layout.get(table, {}) | fields for table, fields in tables.items()}
    return layout


def kind_of_jets(names: Container[str]) -> str:
    """Return the kind of the AK4 jets, ``chs`` or ``puppi``, in events with these branches."""
    return "puppi" if "Rho_fixedGridRhoFastjetAll" in names else "chs"


def rho_name(names: Container[str]) -> str:
    """Return which of these branches is rho."""
    name = "fixedGridRhoFastjetAll"
    return RUN3_NAMES[name] if kind_of_jets(names) == "puppi" else name
