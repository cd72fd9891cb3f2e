"""Named inputs of the networks, each computed in exactly one place. No awkward here."""

from __future__ import annotations

from coffea_mljec.features.catalogue import CATALOGUE, COLLECTIONS, Feature
from coffea_mljec.features.compute import compute
from coffea_mljec.features.schema import FEATURE_SETS, JETS, PFNANO, THESIS, FeatureSet

__all__ = ["CATALOGUE", "COLLECTIONS", "FEATURE_SETS", "JETS", "PFNANO", "THESIS", "Feature", "FeatureSet", "compute"]
