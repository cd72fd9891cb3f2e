"""The measurements that there are: report and command line go through this list."""

from __future__ import annotations

from coffea_mljec.validation.balance.measurement import BALANCE
from coffea_mljec.validation.common.measurement import Measurement
from coffea_mljec.validation.dijet.measurement import DIJETS
from coffea_mljec.validation.mass.measurement import MASSES
from coffea_mljec.validation.response.measurement import RESPONSE
from coffea_mljec.validation.width.measurement import WIDTHS

__all__ = ["MEASUREMENTS"]

MEASUREMENTS: dict[str, Measurement] = {
    measurement.name: measurement for measurement in (RESPONSE, WIDTHS, MASSES, DIJETS, BALANCE)
}
"""Name -> measurement, in the order of the page."""
