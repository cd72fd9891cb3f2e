"""Masks of jets and events: identification, jet veto maps."""

from __future__ import annotations

from coffea_mljec.selection.jet_id import JetID
from coffea_mljec.selection.veto_map import JetVetoMap

__all__ = ["JetID", "JetVetoMap"]
