"""Levels of a payload as a correction, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from coffea_mljec.corrections.correction import Correction, Factors
from coffea_mljec.errors import InputError
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.nano.requirements import jet_branches
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.suitability import (
    DEDICATED,
    Made,
    check_algorithm,
    check_kind,
    warn_of_campaign,
    warn_of_runs,
)
from coffea_mljec.status import Status, mark, no_status

__all__ = ["LevelsCorrection"]


class LevelsCorrection(Correction):
    """See `coffea_mljec.FactorizedJEC`.

    Parameters
    ----------
    payload : Payload
    """

    def __init__(self, payload: Payload) -> None:
        self.payload = payload

    @property
    def summary(self) -> str:
        """Tag, algorithm and levels."""
        payload = self.payload
        return f"{payload.tag} {payload.algorithm}, {' x '.join(payload.levels)}"

    @property
    def asker(self) -> str:
        """What messages call it."""
        return f"the standard path {self.payload.tag} {self.payload.algorithm}"

    @property
    def algorithm(self) -> str:
        """The jets that the payload is for."""
        return self.payload.algorithm

    @property
    def payloads(self) -> tuple[Made, ...]:
        """The payload."""
        return (self.payload,)

    def measured_on_own_jets(self, made: Made) -> bool:
        """Everything but what was made for regressed jets."""
        return DEDICATED.fullmatch(made.algorithm) is None

    def check(self, layout: Layout) -> None:
        """Refuse payloads for regressed jets or jets of another size; warn of those for other jets or data."""
        dedicated = DEDICATED.fullmatch(self.algorithm)
        if dedicated is not None:
            raise InputError(
                f"{self.asker} is for regressed jets, not for those of the file: "
                f"NanoRegression({dedicated['network']!r}, neutrino={dedicated['neutrino'] is not None}, payload=...) "
                "regresses them first."
            )
        check_algorithm(self.algorithm, layout, self.asker)
        check_kind(self.payload.is_data, layout, self.asker)

    def branches(self, layout: Layout) -> Iterable[Branch]:
        """What the levels read."""
        return jet_branches(layout, [name for name in self._inputs if name != "pt_raw"], self.asker)

    def extra_fields(self, layout: Layout) -> tuple[str, ...]:
        """None."""
        return ()

    def factor(self, chunk: JetChunk) -> Factors:
        """The product of the levels."""
        columns = chunk.jets(self._inputs)
        factor, valid = self.payload.evaluate(columns)
        if self.payload.is_data:
            warn_of_runs(self.payload, columns["run"])
        else:
            warn_of_campaign(self.payload, chunk.source.places)
        status = no_status(factor.size)
        bad = chunk.bad(self._inputs)
        mark(status, valid & ~bad, Status.APPLIED)
        mark(status, bad, Status.BAD_INPUT)
        mark(status, ~valid & ~bad, Status.OUT_OF_DOMAIN)
        return Factors(np.where(bad, 1.0, factor), status)

    @property
    def _inputs(self) -> tuple[str, ...]:
        """Quantities that are read; the run of data tells whether the payload is for its year."""
        return tuple(dict.fromkeys((*self.payload.inputs, *(["run"] if self.payload.is_data else []))))
