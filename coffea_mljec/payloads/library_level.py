"""A level that correctionlib evaluates: what our tables cannot hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads.library import LibraryCorrection

__all__ = ["ETA_LIMIT", "LibraryLevel"]

ETA_LIMIT = 5.191
"""Where the calorimeter ends and CMS payloads too: asked of levels that correctionlib evaluates, and of coffea's, which
clamp."""


@dataclass(frozen=True)
class LibraryLevel:
    """A level that correctionlib evaluates.

    Attributes
    ----------
    level : str
        ``L2Relative``.
    inputs : tuple of str
        Canonical names in the order in which the correction wants them.
    library : LibraryCorrection
    """

    level: str
    inputs: tuple[str, ...]
    library: LibraryCorrection

    def evaluate(
        self, columns: Mapping[str, npt.NDArray[np.float64]]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Evaluate where the inputs are finite, pT is positive and |eta| < 5.191; see `FormulaTable.evaluate`."""
        wanted = {name: columns[name] for name in self.inputs}
        size = columns["pt_raw"].size
        usable = np.ones(size, dtype=np.bool_)
        covered = np.ones(size, dtype=np.bool_)
        for column in wanted.values():
            usable &= np.isfinite(column)
        if "eta" in wanted:
            covered = np.abs(wanted["eta"]) < ETA_LIMIT
        usable &= covered & (columns["pt_raw"] > 0)
        factor = np.ones(size, dtype=np.float64)
        chosen = {name: column[usable] for name, column in wanted.items()}
        given = dict(zip(self._names(), chosen.values(), strict=True))
        try:
            factor[usable] = self.library.evaluate(given)
        except Exception as error:
            seen = ", ".join(f"{name} {column.min():g} to {column.max():g}" for name, column in chosen.items())
            raise PayloadError(
                f"correctionlib cannot evaluate {self.library.name}: {error}; jets with {seen}: is the payload for "
                "this data?"
            ) from None
        return factor, covered

    def _names(self) -> tuple[str, ...]:
        try:
            return self.library.inputs
        except Exception as error:
            raise PayloadError(f"correctionlib cannot read {self.library.name}: {error}: copy the file again") from None
