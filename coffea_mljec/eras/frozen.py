"""A residual that stays what it is at some pT below it, in a range of eta."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.payload import Level

__all__ = ["FrozenBelow", "with_frozen_residual"]

FloatArray = npt.NDArray[np.float64]

LOWEST = 30.001
"""GeV: just above the edge of a bin at 30."""

ABS_ETA = (2.0, 2.5)


@dataclass(frozen=True)
class FrozenBelow:
    """A level, evaluated at no less than `LOWEST` GeV where `ABS_ETA` says, both bounds excluded."""

    inner: Level

    @property
    def level(self) -> str:
        """Its name."""
        return self.inner.level

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names of what is read."""
        return tuple(dict.fromkeys((*self.inner.inputs, "pt_raw", "eta")))

    def evaluate(self, columns: Mapping[str, FloatArray]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """See `FormulaTable.evaluate`."""
        away = np.abs(columns["eta"])
        frozen = (away > ABS_ETA[0]) & (away < ABS_ETA[1])
        pt = np.where(frozen, np.maximum(columns["pt_raw"], LOWEST), columns["pt_raw"])
        return self.inner.evaluate({**columns, "pt_raw": pt})


def with_frozen_residual(payload: Payload) -> Payload:
    """The payload with its residual frozen: JERC's recommendation for data of 2024."""
    stack = tuple(FrozenBelow(level) if level.level.endswith("Residual") else level for level in payload.stack)
    return replace(payload, stack=stack)
