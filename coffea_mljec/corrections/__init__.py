"""Providers: objects that turn raw jets into corrected jets. One file a provider."""

from __future__ import annotations

from coffea_mljec.corrections.factorized import FactorizedJEC
from coffea_mljec.corrections.mljec import MLJEC, FastSimulationWarning
from coffea_mljec.corrections.nano_regression import NanoRegression
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.payloads.suitability import MismatchWarning, StandardJetsWarning

__all__ = [
    "MLJEC",
    "FactorizedJEC",
    "FastSimulationWarning",
    "MismatchWarning",
    "NanoRegression",
    "Provider",
    "StandardJetsWarning",
]
