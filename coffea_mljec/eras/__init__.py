"""CMS's eras of data taking: payloads, tags and options by name."""

from __future__ import annotations

from coffea_mljec.eras.era import Era, era
from coffea_mljec.eras.table import CAMPAIGNS, Campaign

__all__ = ["CAMPAIGNS", "Campaign", "Era", "era"]
