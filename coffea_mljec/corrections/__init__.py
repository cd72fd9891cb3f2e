"""Jet energy corrections: what gives a factor (`Correction`), and the way of jets through it (`Pipeline`)."""

from __future__ import annotations

from coffea_mljec.corrections.correction import Correction, Factors
from coffea_mljec.corrections.evaluation import FastSimulationWarning
from coffea_mljec.corrections.factorized import FactorizedJEC
from coffea_mljec.corrections.mljec import MLJEC
from coffea_mljec.corrections.nano_regression import NanoRegression
from coffea_mljec.corrections.network import MissingBranchWarning
from coffea_mljec.corrections.outputs import Network
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.payloads.suitability import MismatchWarning, StandardJetsWarning

__all__ = [
    "MLJEC",
    "Correction",
    "FactorizedJEC",
    "Factors",
    "FastSimulationWarning",
    "MismatchWarning",
    "MissingBranchWarning",
    "NanoRegression",
    "Network",
    "Provider",
    "StandardJetsWarning",
]
