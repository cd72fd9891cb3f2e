"""A correction as correctionlib evaluates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LibraryCorrection"]


@dataclass(frozen=True)
class LibraryCorrection:
    """One correction of a correctionlib file.

    Attributes
    ----------
    source : str
        The JSON text of a file that has it: pickled in place of correctionlib's object.
    name : str
    """

    source: str
    name: str

    def __getstate__(self) -> dict[str, str]:
        return {"source": self.source, "name": self.name}

    @cached_property
    def correction(self) -> Any:
        """correctionlib's object, built when it is first asked for; raises whatever correctionlib raises."""
        import correctionlib

        return correctionlib.CorrectionSet.from_string(self.source)[self.name]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in correctionlib's order."""
        return tuple(quantity.name for quantity in self.correction.inputs)

    def evaluate(self, given: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Evaluate on columns of one length, or texts, by the names of the inputs."""
        arguments = [
            np.asarray(given[one.name]).astype(np.int64) if one.type == "int" else given[one.name]
            for one in self.correction.inputs
        ]
        return np.asarray(self.correction.evaluate(*arguments), np.float64)
