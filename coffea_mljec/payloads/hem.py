"""HEM15/16: a part of the hadron calorimeter was off in the second half of 2018; its effect as a source of shifts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from coffea_mljec.payloads.table import Axis
from coffea_mljec.payloads.uncertainty import Uncertainties

__all__ = ["HEMIssue", "with_hem_issue"]

FloatArray = npt.NDArray[np.float64]

PHI = (-1.57, -0.87)
LOSSES = (((-2.5, -1.3), 0.20), ((-3.0, -2.5), 0.35))
"""Range of eta -> what its jets lose."""

LEAST_PT = 15.0


@dataclass(frozen=True)
class HEMIssue:
    """Jets of simulation in the region, as the detector of 2018 would have measured them: down 20 or 35 %, up nothing.

    JetMET's recipe (hypernews JetMET/2000), in CMSJMECalculators' form; that asks for jets with a tight identification.
    """

    axes: tuple[Axis, ...] = ()
    inputs: tuple[str, ...] = ("phi",)

    def shifts(self, columns: Mapping[str, FloatArray], rows: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """Return the shifts up and down."""
        eta, phi = columns["eta"], columns["phi"]
        inside = (columns["pt"] > LEAST_PT) & (phi > PHI[0]) & (phi < PHI[1])
        down = np.zeros(eta.size)
        for (low, high), loss in LOSSES:
            down[inside & (eta > low) & (eta < high)] = loss
        down[rows < 0] = np.nan
        return np.where(rows < 0, np.nan, 0.0), down


def with_hem_issue(uncertainties: Uncertainties) -> Uncertainties:
    """The same sources, and ``HEMIssue``."""
    return replace(uncertainties, table={**uncertainties.table, "HEMIssue": HEMIssue()})
