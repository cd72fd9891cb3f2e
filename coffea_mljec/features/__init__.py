"""Named inputs of the networks, each computed in exactly one place. No awkward here."""

from __future__ import annotations

from coffea_mljec.features.catalogue import CATALOGUE, COLLECTIONS, Feature, alias_of, feature_of_alias
from coffea_mljec.features.compute import compute
from coffea_mljec.features.registry import register, register_feature, registered
from coffea_mljec.features.schema import FEATURE_SETS, JETS, KINEMATICS, KINEMATICS_PV, PFNANO, THESIS, FeatureSet
from coffea_mljec.features.selection import select

__all__ = [
    "CATALOGUE",
    "COLLECTIONS",
    "FEATURE_SETS",
    "JETS",
    "KINEMATICS",
    "KINEMATICS_PV",
    "PFNANO",
    "THESIS",
    "Feature",
    "FeatureSet",
    "alias_of",
    "compute",
    "feature_of_alias",
    "register",
    "register_feature",
    "registered",
    "select",
]
