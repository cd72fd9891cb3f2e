"""What happened to each jet: the codes of ``mljec_status``."""

from __future__ import annotations

from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["STATUS_TYPE", "Status", "StatusArray", "carries", "mark", "no_status"]

STATUS_TYPE = np.uint16
"""Of ``mljec_status``. Files written before version 0.2 hold the same bits in 8."""

StatusArray = npt.NDArray[np.uint16]


class Status(IntFlag):
    """Bits of the per-jet field ``mljec_status`` (`STATUS_TYPE`).

    A jet either has `APPLIED` (the provider's own factor), or `FALLBACK` (the fallback provider's factor), or neither:
    then it kept the pT that the file had. The other bits say why, or what to know about it.
    """

    APPLIED = 1
    """The provider's own factor was applied."""
    FALLBACK = 2
    """The provider could not treat the jet and the fallback provider's factor was applied."""
    OUT_OF_DOMAIN = 4
    """Raw pT, eta, rho or the number of vertices lie outside what the provider was made for; the stored regression has
    no value (not positive) for the jet."""
    NO_CONSTITUENTS = 8
    """The file links no constituent to this jet."""
    INCOMPLETE_CONSTITUENTS = 16
    """The linked constituents do not add up to the raw jet, or are not as many as it says: the file kept only a part
    of them; or links that lead nowhere, or to a vertex that is not the jet's."""
    NON_FINITE = 32
    """The provider's output was NaN or infinite."""
    BAD_INPUT = 64
    """Raw pT not positive, or a quantity of the jet or of its constituents that is NaN, infinite or impossible."""
    FOREIGN_SAMPLE = 128
    """The model was trained on parametrised simulation and the jet is not from it."""
    IMPLAUSIBLE = 256
    """The factor lay outside `coffea_mljec.defaults.FACTORS`: no jet is corrected by so much."""
    MISSING_BRANCH = 512
    """The file lacks a branch that the network reads; a warning names it."""
    REPLACED_INPUT = 1024
    """A feature of the jet was NaN or infinite and was replaced as the model's file says; the output counts."""

    def of(self, jets: Any) -> Any:
        """Return for each jet of a corrected collection whether all of these bits are set, in the collection's shape.

        Awkward refuses ``jets.mljec_status & Status.APPLIED``, because an enumeration is no plain number to it.
        """
        return (jets["mljec_status"] & int(self)) == int(self)


def no_status(n_jets: int) -> StatusArray:
    """The status of jets of which nothing is known yet, shape (n_jets,)."""
    return np.zeros(n_jets, STATUS_TYPE)


def mark(flags: StatusArray, where: npt.NDArray[Any], bits: Status) -> None:
    """Set bits in place for the jets selected by a mask or by indices.

    Parameters
    ----------
    flags : ndarray of STATUS_TYPE, shape (n_jets,)
    where : ndarray of bool or int
    bits : Status
    """
    flags[where] |= STATUS_TYPE(bits)


def carries(flags: StatusArray, bits: Status) -> npt.NDArray[np.bool_]:
    """Whether any of these bits is set, jet by jet."""
    return (flags & STATUS_TYPE(bits)) != 0
