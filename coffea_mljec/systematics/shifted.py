"""Smearing and shifts of the jets of one chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from coffea_mljec.payloads.bounds import within
from coffea_mljec.systematics import JERSmear, smear_factor, standard_normal
from coffea_mljec.systematics.resolution_bins import RESOLUTION_BINS

if TYPE_CHECKING:
    from coffea_mljec.systematics.shifts import BoundSources, Systematics

__all__ = ["Direction", "Shifted"]

FloatArray = npt.NDArray[np.float64]
Direction = Literal["up", "down"]
Shift = Literal["nominal", "up", "down"]


@dataclass(frozen=True)
class Shifted:
    """Smearing and shifts of the jets of one chunk; each is evaluated when it is asked for.

    Attributes
    ----------
    systematics : Systematics
    columns : mapping of str to ndarray, shape (n,)
        eta, and phi, rho, run, luminosity_block, event where jets are smeared.
    pt : ndarray of float64, shape (n,)
        Corrected, before smearing (GeV).
    pt_gen : ndarray of float64, shape (n,), or None
        Of the generator jet; not positive for none.
    smears : bool
    own_resolution : ndarray of float64, shape (n,), or None
        sigma(pT) / pT of each jet, NaN where nothing gives it: instead of the payload's.
    """

    systematics: Systematics
    columns: Mapping[str, npt.NDArray[Any]]
    pt: FloatArray
    pt_gen: FloatArray | None
    smears: bool
    own_resolution: FloatArray | None = None

    @cached_property
    def resolution(self) -> FloatArray:
        """sigma(pT) / pT in simulation, NaN where neither the jet's own nor the payload's is there."""
        assert self.systematics.resolution is not None
        sigma = self.systematics.resolution.evaluate(self.columns | {"pt": self.pt})[0]  # type: ignore[operator]
        own = self.own_resolution
        return sigma if own is None else np.where(within("resolution", own), own, sigma)

    def scale_factor(self, shift: Shift) -> FloatArray:
        """Resolution in data over simulation, NaN where the payload does not reach."""
        assert self.systematics.scale_factor is not None
        return self.systematics.scale_factor.evaluate(self.columns | {"pt": self.pt}, shift)[0]  # type: ignore[operator]

    @cached_property
    def _normal(self) -> FloatArray:
        given = self.columns
        return standard_normal(
            given["run"], given["luminosity_block"], given["event"], given["eta"], given["phi"], self.systematics.seed
        )

    def smearing(self, shift: Shift) -> FloatArray:
        """Smeared / corrected pT; 1 for jets of data and jets that the payloads do not reach."""
        if not self.smears:
            return np.ones(self.pt.size)
        method = self.systematics.smearing
        allowed = None
        if self.systematics.unsmeared_eta is not None:
            low, high = self.systematics.unsmeared_eta
            away = np.abs(self.columns["eta"])
            allowed = ~((away > low) & (away < high))
        if isinstance(method, JERSmear):
            assert self.pt_gen is not None
            given = {"pt": self.pt, "pt_gen": self.pt_gen, "sigma": self.resolution}
            return method.factor({**self.columns, **given, "scale_factor": self.scale_factor(shift)}, allowed)
        return smear_factor(
            self.pt, self.columns["eta"], self.resolution, self.scale_factor(shift), self._normal, self.pt_gen, allowed
        )

    @cached_property
    def nominal(self) -> FloatArray:
        """Smeared / corrected pT."""
        return self.smearing("nominal")

    @cached_property
    def _sources(self) -> BoundSources:
        assert self.systematics.uncertainties is not None
        # At the pT that the record holds, in single precision.
        pt = (self.pt * self.nominal).astype(np.float32).astype(np.float64)
        return self.systematics.uncertainties.at({**self.columns, "pt": pt})

    def source(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Shifted / nominal pT of a source, up and down; 1 where the payload does not reach."""
        up, down, valid = self._sources.evaluate(name)
        return np.where(valid, 1.0 + up, 1.0), np.where(valid, 1.0 - down, 1.0)

    @property
    def n_resolution(self) -> int:
        """How many of `Systematics.names`, the first, are variations of the resolution."""
        if not self.smears:
            return 0
        return len(RESOLUTION_BINS) if self.systematics.split_resolution else 1

    def source_of(self, number: int) -> str | None:
        """The source of the variation `Systematics.names`[number]; None for those of the resolution."""
        if number < self.n_resolution or self.systematics.uncertainties is None:
            return None
        return self.systematics.uncertainties.sources[number - self.n_resolution]

    def resolution_variation(self, number: int, direction: Direction) -> FloatArray:
        """Varied / corrected (unsmeared) pT of one of the variations of the resolution."""
        varied = self.smearing(direction)
        if not self.systematics.split_resolution:
            return varied
        # nanoAOD-tools and CMSJMECalculators choose the bin by the smeared pT.
        inside = RESOLUTION_BINS[number].of(self.columns["eta"], self.pt * self.nominal)
        return np.where(inside, varied, self.nominal)

    def variation(self, number: int, direction: Direction) -> FloatArray:
        """Varied / corrected (unsmeared) pT of the variation `Systematics.names`[number]."""
        source = self.source_of(number)
        if source is None:
            return self.resolution_variation(number, direction)
        up, down = self.source(source)
        return self.nominal * (up if direction == "up" else down)
