"""The neutrinos of a jet on top of a correction to its visible pT: a factor that NanoAOD stores."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.correction import Correction, Factors
from coffea_mljec.corrections.stored_regression import Selection, checked_selection
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.nano.quantities import NEUTRINO_FACTORS, REGRESSIONS
from coffea_mljec.payloads.suitability import Made

__all__ = ["WithNeutrinos"]


class WithNeutrinos(Correction):
    """A correction times a regression's factor for neutrinos, pT with them over visible pT.

    Jets that have no such factor (not positive, not finite) keep their visible pT.

    Parameters
    ----------
    visible : Correction
        Corrects to the pT of generator jets without neutrinos, as the networks of this project do.
    regression : str
        A key of `coffea_mljec.nano.quantities.NEUTRINO_FACTORS`.
    selection : (str, float) or None
        Field of the jets and working point: only where the field is at or above it.

    Raises
    ------
    InputError
        If the regression has no factor for neutrinos alone.
    """

    def __init__(self, visible: Correction, regression: str, selection: Selection | None) -> None:
        if regression not in NEUTRINO_FACTORS:
            reason = (
                f"{regression} is one factor for neutrinos and all else, trained on jets with the standard correction: "
                "on jets of a network it is not defined. NanoRegression applies it to standard jets."
                if regression in REGRESSIONS
                else f"no stored regression {regression!r}."
            )
            raise InputError(f"neutrinos: {reason} Neutrinos alone are in {', '.join(NEUTRINO_FACTORS)}.")
        self.visible = visible
        self.regression = regression
        self.selection = checked_selection(selection)

    @property
    def summary(self) -> str:
        """That of the correction, and the regression."""
        return f"{self.visible.summary}, neutrinos of {self.regression}"

    @property
    def asker(self) -> str:
        """What messages call it."""
        return self.visible.asker

    @property
    def algorithm(self) -> str | None:
        """The jets that it is for."""
        return self.visible.algorithm

    @property
    def payloads(self) -> tuple[Made, ...]:
        """Those of the correction."""
        return self.visible.payloads

    def measured_on_own_jets(self, made: Made) -> bool:
        """As of the correction to visible pT."""
        return self.visible.measured_on_own_jets(made)

    def check(self, layout: Layout) -> None:
        """As of the correction."""
        self.visible.check(layout)

    def branches(self, layout: Layout) -> Iterable[Branch]:
        """Those of the correction, of the factor and of the selection; raises MissingBranchError."""
        collection = layout.collection
        above, below = NEUTRINO_FACTORS[self.regression]
        wanted = [*above, *below, *([] if self.selection is None else [self.selection[0]])]
        if missing := [field for field in wanted if field not in layout.fields[collection]]:
            raise MissingBranchError(
                f"the neutrinos of {self.regression} need {collection}_{missing[0]}, and the file lacks it. Without "
                "neutrinos= the network corrects to visible pT."
            )
        return [*self.visible.branches(layout), *(Branch(collection, field) for field in wanted)]

    def decided(self, layout: Layout) -> Correction:
        """On top of what the correction decides."""
        other = copy.copy(self)
        other.visible = self.visible.decided(layout)
        return other

    def extra_fields(self, layout: Layout) -> tuple[str, ...]:
        """Those of the correction."""
        return self.visible.extra_fields(layout)

    def factor(self, chunk: JetChunk) -> Factors:
        """The product; a network's mass scales alike."""
        found = self.visible.factor(chunk)
        step = self._step(chunk)
        extras = dict(found.extras)
        if "mass" in extras:
            extras["mass"] = extras["mass"] * step
        return Factors(found.factor * step, found.status, extras)

    def _step(self, chunk: JetChunk) -> npt.NDArray[np.float64]:
        above, below = (
            np.prod([chunk.field(field).astype(np.float64) for field in fields], axis=0)
            for fields in NEUTRINO_FACTORS[self.regression]
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            step = above / below
            usable = np.isfinite(step) & (step > 0) & (above > 0)
            if self.selection is not None:
                usable &= chunk.field(self.selection[0]) >= self.selection[1]
        return np.where(usable, step, 1.0)
