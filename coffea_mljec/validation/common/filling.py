"""Fills histograms: each entry into its cell of all bootstrap replicas at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hist
import numpy as np
import numpy.typing as npt

from coffea_mljec.numerics.jit import njit

__all__ = ["base_cells", "count", "fill", "fill_jets", "fill_responses"]

Coordinate = npt.NDArray[Any] | str
"""Where entries lie on an axis: values (float), numbers of bins (int64), or the name of a category for all of them."""


def fill(
    histogram: hist.Hist[Any],
    value: npt.NDArray[np.floating],
    coordinates: Mapping[str, Coordinate],
    event: npt.NDArray[np.int64],
    weights: npt.NDArray[Any],
    replica_weights: npt.NDArray[np.uint8],
) -> None:
    """Add entries to all replicas of a histogram in one pass.

    Parameters
    ----------
    histogram : hist.Hist
        Axes ``replica``, the one of `value`, and those that `coordinates` names; filled in place.
    value : ndarray, shape (n,)
        No NaN; under- and overflow are kept.
    coordinates : mapping of str to ndarray or str
        One for each further axis, in any order.
    event : ndarray of int64, shape (n,)
        Row of the entry's event in `weights` and `replica_weights`.
    weights : ndarray of int64 or float64, shape (n_events,)
        Event weights, of the type of the histogram's storage.
    replica_weights : ndarray of uint8, shape (n_events, replicas)
        From `replicas.poisson_weights`.

    Raises
    ------
    ValueError
        If an entry lies outside an axis without under- or overflow: entries must be selected before.
    """
    base = _cells(list(histogram.axes)[2:], coordinates, len(value))
    _fill(_columns(histogram), value, histogram.axes[1].edges, base, event, weights, replica_weights)


def _columns(histogram: hist.Hist[Any]) -> npt.NDArray[Any]:
    """The contents as a view of one column a cell, one row a replica: the first axis is stored contiguously."""
    view = histogram.view(flow=True)
    return view.reshape((view.shape[0], -1), order="F")


def count(histogram: hist.Hist[Any], coordinates: Mapping[str, Coordinate], size: int) -> None:
    """Count `size` entries in a histogram of integers; `coordinates` as in `fill`, one for each axis."""
    cells = histogram.view(flow=True).reshape(-1, order="F")
    cells += np.bincount(_cells(list(histogram.axes), coordinates, size), minlength=len(cells))


def _cells(axes: list[Any], coordinates: Mapping[str, Coordinate], size: int) -> npt.NDArray[np.int64]:
    """Flat index of each entry in these axes, flow bins included, the first axis running fastest."""
    indices = []
    for axis in axes:
        where = coordinates[axis.name]
        if isinstance(where, str):
            indices.append(np.full(size, axis.index(where), np.int64))
        elif where.dtype.kind == "f":
            # x belongs to the bin whose lower edge is not above it, as in hist; NaN would end up in the overflow.
            place = np.searchsorted(axis.edges, where, side="right") - 1
            indices.append(place + int(axis.traits.underflow))
        else:
            indices.append(where + int(axis.traits.underflow))
    return np.ravel_multi_index(tuple(indices), tuple(axis.extent for axis in axes), order="F").astype(np.int64)


def base_cells(
    pt_gen: npt.NDArray[np.floating],
    abs_eta_gen: npt.NDArray[np.floating],
    flavour: npt.NDArray[np.int64],
    histogram: hist.Hist[Any],
) -> npt.NDArray[np.int64]:
    """Flat index of each jet's cell in (pt_gen, abs_eta_gen, flavour).

    Parameters
    ----------
    pt_gen : ndarray, shape (n_jets,)
        Generator pT (GeV), at least the first edge of the axis.
    abs_eta_gen : ndarray, shape (n_jets,)
        |eta| of the generator jet, below the last edge of the axis.
    flavour : ndarray of int64, shape (n_jets,)
        Index into `binning.FLAVOURS`.
    histogram : hist.Hist
        Any histogram with these axes.

    Raises
    ------
    ValueError
        If a jet lies outside the axes: jets must be selected before.
    """
    pt_axis, eta_axis = histogram.axes["pt_gen"], histogram.axes["abs_eta_gen"]
    pt_bin = np.searchsorted(pt_axis.edges, pt_gen, side="right") - 1
    eta_bin = np.searchsorted(eta_axis.edges, abs_eta_gen, side="right") - 1
    return np.ravel_multi_index(
        (pt_bin, eta_bin, flavour), (pt_axis.extent, eta_axis.extent, histogram.axes["flavour"].extent), order="F"
    ).astype(np.int64)


def fill_jets(histogram: hist.Hist[Any], base: npt.NDArray[np.int64]) -> None:
    """Count jets in the histogram of `binning.jet_histogram`."""
    cells = histogram.view(flow=True).reshape(-1, order="F")
    cells += np.bincount(base, minlength=len(cells))


def fill_responses(
    histogram: hist.Hist[Any],
    provider: str,
    response: npt.NDArray[np.floating],
    base: npt.NDArray[np.int64],
    event: npt.NDArray[np.int64],
    weights: npt.NDArray[Any],
    replica_weights: npt.NDArray[np.uint8],
) -> None:
    """Add the responses of one provider to the histogram of `binning.response_histogram`, all replicas in one pass.

    Parameters
    ----------
    histogram : hist.Hist
        Filled in place.
    provider : str
        A category of its provider axis.
    response : ndarray, shape (n_jets,)
        Corrected / generator pT; no NaN.
    base : ndarray of int64, shape (n_jets,)
        From `base_cells`.
    event, weights, replica_weights : ndarray
        Of the jets and of the events, as in `fill`.
    """
    columns = _columns(histogram)
    first = histogram.axes["provider"].index(provider) * int(np.prod(histogram.view(flow=True).shape[2:5]))
    _fill(columns, response, histogram.axes["response"].edges, base + first, event, weights, replica_weights)


@njit()
def _fill(
    columns: npt.NDArray[Any],
    response: npt.NDArray[np.floating],
    edges: npt.NDArray[np.float64],
    base: npt.NDArray[np.int64],
    event: npt.NDArray[np.int64],
    weights: npt.NDArray[Any],
    replica_weights: npt.NDArray[np.uint8],
) -> None:
    stride = len(edges) + 1
    for jet in range(len(response)):
        # Bin 0 is the underflow, as in hist: x belongs to the bin whose lower edge is not above it.
        cell = base[jet] * stride + np.searchsorted(edges, response[jet], side="right")
        row = event[jet]
        weight = weights[row]
        columns[0, cell] += weight
        for replica in range(replica_weights.shape[1]):
            columns[replica + 1, cell] += weight * replica_weights[row, replica]
