"""What payloads can say at all, in one place: beyond it two quantities were exchanged, or a number is damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from coffea_mljec.payloads.table import FormulaTable

__all__ = ["LIMITS", "ORDINARY", "is_possible", "odd_factor", "reaches", "within"]

POSSIBLE: Mapping[str, tuple[float, float]] = {
    "JetPt": (0.0, 1e5), "JetEta": (-50.0, 50.0), "JetPhi": (-50.0, 50.0), "JetA": (0.0, 100.0), "Rho": (0.0, 1e3),
}  # fmt: skip
"""Quantity -> where its bins and ranges lie (published files have bins of eta up to 50)."""

REACH: Mapping[str, float] = {"JetPt": 100.0, "Rho": 20.0}
"""Quantity -> what the highest of its bins and ranges reaches at least. All 2,029 readable files of CMS's JRDatabase
reach pT of 2653 GeV and rho of 31 GeV."""

LIMITS: Mapping[str, tuple[float, float]] = {
    "resolution": (0.0, 5.0), "scale factor": (0.0, 10.0), "shift": (-0.9, 0.9),
}  # fmt: skip
"""What is evaluated -> its values, 0 excluded from the first two. Published ones of 2016 to 2023: resolutions of 0.01
to 0.84, scale factors of 0.017 (one, down) to 4.6, shifts of up to 0.22. Nine files of JRDatabase give some jets a
resolution of 8 to 1e154, such as Summer20UL16APV_JRV4 for AK4PFPuppi: those are not valid."""

ORDINARY: Mapping[str, float] = {"pt_raw": 100.0, "rho": 20.0, "area": 0.5, "phi": 0.1}
"""A jet that every correction is for, at |eta| < 2.4."""

FACTORS = (0.2, 5.0)
"""Of one level for that jet."""


def is_possible(quantity: str, edges: npt.ArrayLike) -> bool:
    """Whether edges of bins, or the range of a variable, can be those of a payload's quantity; infinite ones can."""
    low, high = POSSIBLE.get(quantity, (-np.inf, np.inf))
    finite = np.asarray(edges, np.float64)
    finite = finite[np.isfinite(finite)]
    return bool(((finite >= low) & (finite <= high)).all())


def reaches(quantity: str, edges: npt.ArrayLike) -> bool:
    """Whether the bins, or the ranges, of a whole file go as far as those of a payload's quantity do."""
    return bool(np.max(edges) >= REACH.get(quantity, -np.inf))


def within(what: str, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether values are within `LIMITS`, one by one."""
    low, high = LIMITS[what]
    numbers = np.asarray(values, np.float64)
    return (numbers > low) & (numbers <= high)


def odd_factor(table: FormulaTable) -> str | None:
    """The factor of a level for `ORDINARY` jets that none can have, in words; None if all are well."""
    if "run" in table.inputs:
        return None
    eta = np.linspace(-2.4, 2.4, 25)
    columns = {"eta": eta} | {name: np.full(eta.size, value) for name, value in ORDINARY.items()}
    factor, _ = table.evaluate(columns)
    odd = ~((factor >= FACTORS[0]) & (factor <= FACTORS[1]))
    if not odd.any():
        return None
    jet = int(np.argmax(odd))
    given = ", ".join(f"{name} {columns[name][jet]:.3g}" for name in table.inputs)
    return (
        f"it gives an ordinary jet ({given}) a factor of {factor[jet]:.3g}, expected {FACTORS[0]:g} to "
        f"{FACTORS[1]:g}: is a number damaged, or are two quantities exchanged?"
    )
