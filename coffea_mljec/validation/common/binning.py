"""The binning of the validation: every number of a table or plot is an exact sum of these bins.

The transverse momentum axis is the union of the fine bins, geomspace(20, 3000, 20), and the edges of the broad
intervals, so that a fine bin and an interval are both sums over neighbouring bins. Jets above 3000 GeV are in the
overflow, which belongs to the open intervals. The response is binned finely where it is narrow (see
`numerics.quantiles` for what that means for a quantile) and coarsely in the tails; underflow and overflow are kept.
One provider with 30 replicas takes about 30 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import hist
import numpy as np
import numpy.typing as npt

__all__ = [
    "FINE_EDGES",
    "FLAVOURS",
    "FLAVOUR_GROUPS",
    "INTERVALS",
    "PT_EDGES",
    "REGIONS",
    "REGION_EDGES",
    "RESPONSE_EDGES",
    "SIX_FLAVOURS",
    "flavour_code",
    "flavour_index",
    "jet_histogram",
    "open_limits",
    "pt_slice",
    "replica_histogram",
    "response_histogram",
    "steps",
]

FINE_EDGES: npt.NDArray[np.float64] = np.geomspace(20.0, 3000.0, 20)
"""Edges of the fine bins of pt_gen (GeV)."""

INTERVALS: dict[str, tuple[float, float]] = {
    ">30": (30.0, np.inf),
    "30-50": (30.0, 50.0),
    "50-100": (50.0, 100.0),
    "100-300": (100.0, 300.0),
    "300-1000": (300.0, 1000.0),
    ">1000": (1000.0, np.inf),
}
"""Broad intervals of pt_gen (GeV), by name."""

PT_EDGES: npt.NDArray[np.float64] = np.unique(
    np.concatenate([FINE_EDGES, [edge for pair in INTERVALS.values() for edge in pair if np.isfinite(edge)]])
)
"""Edges of the pt_gen axis (GeV): fine bins and intervals are both sums over it."""

REGIONS = ("central", "forward")
REGION_EDGES = (0.0, 2.5, 5.0)
"""Regions of |eta_gen| and their edges."""

FLAVOURS = ("d", "u", "s", "c", "b", "g", "unknown")
"""Categories of the flavour axis; ``unknown`` is code 0 and whatever is neither a quark d to b nor a gluon."""

SIX_FLAVOURS = ("u", "d", "s", "c", "b", "g")
"""The flavours over which the flavour dependence is summed."""

FLAVOUR_GROUPS: dict[str, tuple[str, ...]] = {
    "all": FLAVOURS,
    "uds": ("u", "d", "s"),
    **{flavour: (flavour,) for flavour in SIX_FLAVOURS},
}
"""Groups that are reported; ``all`` holds the unknown ones too."""


def steps(*pieces: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Return edges from (start, stop, width) pieces, rounded, so that neighbouring pieces share their edge exactly."""
    points = [start + width * np.arange(round((stop - start) / width) + 1) for start, stop, width in pieces]
    return np.unique(np.round(np.concatenate(points), 6))


RESPONSE_EDGES: npt.NDArray[np.float64] = steps(
    (0.0, 0.2, 0.1),
    (0.2, 0.5, 0.02),
    (0.5, 0.8, 0.005),
    (0.8, 1.2, 0.0025),
    (1.2, 1.5, 0.005),
    (1.5, 2.0, 0.02),
    (2.0, 4.0, 0.1),
)
"""Edges of the response axis."""

_CODES = {1: "d", 2: "u", 3: "s", 4: "c", 5: "b", 21: "g"}
_INDEX_OF_CODE = np.full(22, FLAVOURS.index("unknown"), np.int64)
for _code, _name in _CODES.items():
    _INDEX_OF_CODE[_code] = FLAVOURS.index(_name)


def flavour_code(
    hadron_flavour: npt.NDArray[np.integer], parton_flavour: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """PDG id without sign: the hadron flavour if it is not 0, else |parton flavour|."""
    hadron = np.abs(np.asarray(hadron_flavour).astype(np.int64))
    return np.where(hadron != 0, hadron, np.abs(np.asarray(parton_flavour).astype(np.int64)))


def flavour_index(
    hadron_flavour: npt.NDArray[np.integer], parton_flavour: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """Index of `flavour_code` into `FLAVOURS`; anything else is ``unknown``.

    Parameters
    ----------
    hadron_flavour, parton_flavour : ndarray of int, shape (n_jets,)
        NanoAOD's ``hadronFlavour`` (0, 4, 5) and ``partonFlavour`` (PDG id with sign, 0 if there is none).
    """
    code = flavour_code(hadron_flavour, parton_flavour)
    known = code < len(_INDEX_OF_CODE)
    return _INDEX_OF_CODE[np.where(known, code, 0)]


def replica_histogram(axes: Iterable[Any], providers: Sequence[str], replicas: int, weighted: bool) -> hist.Hist[Any]:
    """An empty histogram for a sample and its bootstrap replicas, one for each provider.

    Parameters
    ----------
    axes : iterable of hist axes
        Between the axes ``replica`` and ``provider``; that of the value that is measured comes first.
    providers : sequence of str
        Categories of the ``provider`` axis.
    replicas : int
        Replica 0 is the sample itself, 1 to `replicas` are bootstrap resamples. The axis is the first one, which is
        contiguous in memory: all replicas of an entry lie side by side.
    weighted : bool
        Sums of weights (Double) rather than exact counts (Int64).
    """
    return hist.Hist(
        hist.axis.Integer(0, replicas + 1, name="replica", label="bootstrap replica", flow=False),
        *axes,
        hist.axis.StrCategory(list(providers), name="provider", label="provider", overflow=False),
        storage="double" if weighted else "int64",
    )


def response_histogram(providers: Sequence[str], replicas: int, weighted: bool) -> hist.Hist[Any]:
    """An empty histogram of the response (see `replica_histogram`).

    Returns
    -------
    hist.Hist
        Axes ``replica``, ``response``, ``pt_gen``, ``abs_eta_gen``, ``flavour``, ``provider``.
    """
    value = hist.axis.Variable(RESPONSE_EDGES, name="response", label="corrected pT / generator pT")
    return replica_histogram((value, *_jet_axes()), providers, replicas, weighted)


def jet_histogram() -> hist.Hist[Any]:
    """An empty histogram of the jets judged, unweighted: axes ``pt_gen``, ``abs_eta_gen``, ``flavour``."""
    return hist.Hist(*_jet_axes(), storage="int64")


def _jet_axes() -> Iterable[Any]:
    return (
        hist.axis.Variable(PT_EDGES, name="pt_gen", label="generator pT (GeV)", underflow=False),
        hist.axis.Variable(REGION_EDGES, name="abs_eta_gen", label="|generator eta|", flow=False),
        hist.axis.StrCategory(list(FLAVOURS), name="flavour", label="flavour", overflow=False),
    )


def pt_slice(low: float, high: float) -> slice:
    """Bins of the pt_gen axis (overflow last) that make up [low, high); `high` may be infinite.

    Parameters
    ----------
    low, high : float
        Edges (GeV) out of `PT_EDGES`.
    """
    start = int(np.flatnonzero(low == PT_EDGES)[0])
    stop = len(PT_EDGES) if np.isinf(high) else int(np.flatnonzero(high == PT_EDGES)[0])
    return slice(start, stop)


def open_limits(edges: npt.NDArray[np.float64], number: int) -> list[float | None]:
    """Return the limits of a bin; the upper one of the bin beyond the last edge is None."""
    return [float(edges[number]), float(edges[number + 1]) if number + 1 < len(edges) else None]
