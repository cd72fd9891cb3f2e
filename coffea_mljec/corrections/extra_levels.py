"""Levels that follow any correction: the closure of its response in simulation, and residuals on data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.nano.algorithm import is_simulation
from coffea_mljec.nano.requirements import jet_branches
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.suitability import warn_of_runs
from coffea_mljec.status import STATUS_TYPE, Status, StatusArray, carries, mark

__all__ = ["ExtraLevels"]


@dataclass(frozen=True)
class ExtraLevels:
    """At most one closure and one residual; see `Provider`.

    Raises
    ------
    InputError
        If a payload was not read, or holds other levels.
    """

    closure: Payload | None
    residual: Payload | None

    def __post_init__(self) -> None:
        for name in ("closure", "residual"):
            payload = getattr(self, name)
            if payload is not None and not isinstance(payload, Payload):
                raise InputError(
                    f"{name} must be a payload (coffea_mljec.payloads.read_text([...]) or read_json(path, "
                    f"tag, algorithm, level)); got {payload!r}."
                )
        closure = self.closure
        if closure is not None and (len(closure.stack) != 1 or not set(closure.inputs) <= {"pt_raw", "eta"}):
            raise InputError(
                f"closure must be one level of eta and corrected pT; got {' x '.join(closure.levels)}, which reads "
                f"{', '.join(closure.inputs)}."
            )
        others = [] if self.residual is None else [name for name in self.residual.levels if "Residual" not in name]
        if self.residual is not None and others:
            raise InputError(
                f"residual must hold the residual level alone; {self.residual.tag} {self.residual.algorithm} was read "
                f"with {', '.join(others)}: read_json(path, tag, algorithm, 'L2L3Residual')."
            )

    @property
    def measured(self) -> dict[str, Payload]:
        """What was measured on jets of data, by name."""
        return {} if self.residual is None else {"residual": self.residual}

    def branches(self, layout: Layout, asker: str) -> Iterator[Branch]:
        """What is read; raises MissingBranchError."""
        for payload in self._for(layout):
            yield from jet_branches(layout, self._inputs(payload), asker)

    def _for(self, layout: Layout) -> tuple[Payload, ...]:
        residual = None if is_simulation(layout) else self.residual
        return tuple(payload for payload in (self.closure, residual) if payload is not None)

    def _inputs(self, payload: Payload) -> tuple[str, ...]:
        names = [name for name in payload.inputs if name != "pt_raw"]
        return tuple(dict.fromkeys([*names, *(["run"] if payload is self.residual else [])]))

    def multiply(
        self, chunk: JetChunk, factor: npt.NDArray[np.float64], status: StatusArray
    ) -> tuple[npt.NDArray[np.float64], StatusArray]:
        """Return factor and status with the levels, each evaluated at the pT corrected by what came before.

        Jets that a level does not cover lose APPLIED and get OUT_OF_DOMAIN.
        """
        for payload in self._for(chunk.layout):
            columns = chunk.jets(("pt_raw", *self._inputs(payload)))
            if payload is self.residual:
                warn_of_runs(payload, columns["run"])
            step, valid = payload.evaluate(columns | {"pt_raw": columns["pt_raw"].astype(np.float64) * factor})
            applied = carries(status, Status.APPLIED)
            status = np.where(applied & ~valid, status & ~STATUS_TYPE(Status.APPLIED), status).astype(STATUS_TYPE)
            mark(status, applied & ~valid, Status.OUT_OF_DOMAIN)
            factor = np.where(applied & valid, factor * step, factor)
        return factor, status
