"""The balance of a jet against a Z boson or a photon."""

from __future__ import annotations

from coffea_mljec.validation.balance.figures import draw_balance
from coffea_mljec.validation.balance.processor import BalanceProcessor
from coffea_mljec.validation.balance.sections import about, sections
from coffea_mljec.validation.common.measurement import Measurement

__all__ = ["BALANCE"]

BALANCE = Measurement(
    "balance",
    BalanceProcessor,
    draw_balance,
    sections,
    about,
    needs_generator=False,
    summary_options=lambda _: {"coarse": True},
)
