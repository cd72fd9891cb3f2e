"""`Correction`: what gives a factor to each jet. Everything around it is the pipeline's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.payloads.suitability import Made
from coffea_mljec.status import StatusArray

__all__ = ["Correction", "Factors"]


class Factors(NamedTuple):
    """What a correction says of all jets of a chunk, flat; a jet's numbers count where APPLIED is set.

    Attributes
    ----------
    factor : ndarray of float64, shape (n_jets,)
        Corrected / raw pT.
    status : ndarray of `coffea_mljec.status.STATUS_TYPE`, shape (n_jets,)
    extras : mapping of str to ndarray of float64, shape (n_jets,)
        The correction's `Correction.extra_fields`. ``mass`` (GeV) is that of jets whose pT is raw pT times the factor.
    """

    factor: npt.NDArray[np.float64]
    status: StatusArray
    extras: Mapping[str, npt.NDArray[np.float64]] = MappingProxyType({})


class Correction(ABC):
    """A factor on the raw momentum of each jet: a network, levels of a payload, a regression that the file stores.

    To write one, implement these members and hand it to `Provider`, which adds fallback, further levels, variations,
    the record and the modes (eager, virtual, dask). Corrections are picklable and keep no state of the events.
    """

    @property
    @abstractmethod
    def summary(self) -> str:
        """What it applies, in a few words."""

    @property
    @abstractmethod
    def asker(self) -> str:
        """What messages call it: ``"model 'pfn-r-lite'"``."""

    @property
    @abstractmethod
    def algorithm(self) -> str | None:
        """The jets that it is for, such as ``AK4PFPuppi``; None where the file decides."""

    @property
    @abstractmethod
    def payloads(self) -> tuple[Made, ...]:
        """Payloads that it consists of."""

    @abstractmethod
    def measured_on_own_jets(self, made: Made) -> bool:
        """Whether a payload was measured on jets corrected by this."""

    @abstractmethod
    def check(self, layout: Layout) -> None:
        """Refuse (InputError) or warn of jets that it is not for."""

    @abstractmethod
    def branches(self, layout: Layout) -> Iterable[Branch]:
        """What `factor` reads, beyond raw momenta; raises MissingBranchError if the file lacks some of it."""

    def decided(self, layout: Layout) -> Correction:
        """The correction that these jets get: itself, unless it chooses among several."""
        del layout
        return self

    @abstractmethod
    def extra_fields(self, layout: Layout) -> tuple[str, ...]:
        """Fields of the jets that it gives beside a factor on pT: ``mass``, ``pt_resolution``, ``mljec_<class>``."""

    @abstractmethod
    def factor(self, chunk: JetChunk) -> Factors:
        """Factor and status of all jets of a concrete chunk, and the `extra_fields`."""
