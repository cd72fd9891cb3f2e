"""What the constituents of a file look like beside its jets: the figures that tell whether a network can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.nano.chunk import JetChunk
from coffea_mljec.nano.flat import FlatJets
from coffea_mljec.nano.links import compare_sums
from coffea_mljec.nano.momenta import constituent_sums
from coffea_mljec.status import Status

__all__ = ["QUANTILES", "Survey", "survey"]

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Survey:
    """Jets of a chunk by their constituents.

    Attributes
    ----------
    jets, complete, partial, without : int
        Jets; those whose constituents add up to the raw jet; those with a part of them; those with none.
    ratio : tuple of float or None
        `QUANTILES` of pT of the constituents' sum over raw pT, of the jets that have constituents; None without any.
    other_ratio : tuple of float or None
        The same with the PUPPI weights left out (where the jets' constituents are weighted) or put in (where they are
        not); None where the file has no weights.
    constituents : float
        Mean number of constituents of the jets that have any.
    """

    jets: int
    complete: int
    partial: int
    without: int
    ratio: tuple[float, ...] | None
    other_ratio: tuple[float, ...] | None
    constituents: float


def survey(chunk: JetChunk) -> Survey:
    """Group the constituents of a chunk and compare them with the jets.

    Raises
    ------
    MissingBranchError
        If the file has no candidates for these jets, or not what grouping them takes.
    """
    flat = chunk.asked_by("this survey").flat(constituents={"charged": (), "neutral": ()})
    without = (flat.flags & Status.NO_CONSTITUENTS) != 0
    partial = (flat.flags & Status.INCOMPLETE_CONSTITUENTS) != 0
    numbers = sum(np.diff(part.offsets) for part in flat.collections.values())
    filled = ~without
    return Survey(
        jets=len(flat),
        complete=int(np.count_nonzero(~without & ~partial)),
        partial=int(np.count_nonzero(partial)),
        without=int(np.count_nonzero(without)),
        ratio=_quantiles(flat, filled, {}),
        other_ratio=_quantiles(flat, filled, _other_pt(chunk)),
        constituents=float(np.mean(np.asarray(numbers)[filled])) if np.any(filled) else 0.0,
    )


def _quantiles(
    flat: FlatJets, filled: npt.NDArray[np.bool_], pt: dict[str, npt.NDArray[Any]] | None
) -> tuple[float, ...] | None:
    if pt is None or not np.any(filled):
        return None
    sums = np.zeros((len(flat), 3))
    for name, part in flat.collections.items():
        columns = part.columns
        sums += constituent_sums(part.index, part.offsets, pt.get(name, columns["pt"]), columns["eta"], columns["phi"])
    ratio, _ = compare_sums(sums, flat.jet["pt_raw"], flat.jet["eta"], flat.jet["phi"])
    return tuple(float(value) for value in np.quantile(ratio[filled], QUANTILES))


def _other_pt(chunk: JetChunk) -> dict[str, npt.NDArray[Any]] | None:
    """The candidates' pT with the weights that the layout leaves out, or without those that it puts in."""
    layout = chunk.layout
    if layout.split or any(layout.find("charged", name) is None for name in ("pt", "puppi_weight")):
        return None
    plain = chunk.unweighted("charged", "pt")
    if layout.puppi_weighting == "none":
        plain = plain * chunk.unweighted("charged", "puppi_weight")
    return {"charged": plain, "neutral": plain}
