"""The jets before any correction of ours, as a provider: what the others are compared with."""

from __future__ import annotations

import awkward as ak

from coffea_mljec.status import STATUS_TYPE

__all__ = ["Uncorrected"]


class Uncorrected:
    """Raw jets, or those of the file, as one more provider.

    Parameters
    ----------
    raw : bool
        Take the corrections of the file away (by ``rawFactor``); otherwise jets stay as they are stored.
    """

    def __init__(self, raw: bool = True) -> None:
        self.raw = raw

    @property
    def name(self) -> str:
        """``"raw"`` or ``"as stored"``."""
        return "raw" if self.raw else "as stored"

    def apply(self, events: ak.Array, collection: str = "Jet") -> ak.Array:
        """Return the collection with an ``mljec_status`` of 0: nothing was corrected."""
        jets = events[collection]
        status = ak.values_astype(ak.zeros_like(jets["pt"]), STATUS_TYPE)
        if self.raw:
            scaled = {name: jets[name] * (1 - jets["rawFactor"]) for name in ("pt", "mass") if name in jets.fields}
            for name, column in scaled.items():
                jets = ak.with_field(jets, column, name)
        return ak.with_field(jets, status, "mljec_status")
