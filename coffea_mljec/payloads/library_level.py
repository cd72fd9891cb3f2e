"""A level that correctionlib evaluates: what our tables cannot hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import PayloadError

__all__ = ["ETA_LIMIT", "LibraryLevel"]

ETA_LIMIT = 5.191
"""Where the calorimeter ends and CMS payloads too: asked of levels that correctionlib evaluates, and of coffea's, which
clamp."""


@dataclass(frozen=True)
class LibraryLevel:
    """A level that correctionlib evaluates.

    Attributes
    ----------
    level, name : str
        ``L2Relative``; its whole name in the file.
    inputs : tuple of str
        Canonical names in the order in which the correction wants them.
    source : str
        The JSON text of the correction alone: pickled in place of correctionlib's object.
    """

    level: str
    name: str
    inputs: tuple[str, ...]
    source: str
    _built: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_built": {}}

    def evaluate(
        self, columns: Mapping[str, npt.NDArray[np.float64]]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Evaluate where the inputs are finite, pT is positive and |eta| < 5.191; see `FormulaTable.evaluate`."""
        correction = self._correction()
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
        arguments = [
            column[usable].astype(np.int64) if kind.type == "int" else column[usable]
            for column, kind in zip(wanted.values(), correction.inputs, strict=True)
        ]
        try:
            factor[usable] = correction.evaluate(*arguments)
        except Exception as error:
            seen = ", ".join(f"{n} {c.min():g} to {c.max():g}" for n, c in zip(self.inputs, arguments, strict=True))
            raise PayloadError(
                f"correctionlib cannot evaluate {self.name}: {error}; jets with {seen}: is the payload for this data?"
            ) from None
        return factor, covered

    def _correction(self) -> Any:
        if "correction" not in self._built:
            import correctionlib

            try:
                self._built["correction"] = correctionlib.CorrectionSet.from_string(self.source)[self.name]
            except Exception as error:
                raise PayloadError(f"correctionlib cannot read {self.name}: {error}: copy the file again") from None
        return self._built["correction"]
