"""What stands above every figure: whose jets these are, which, at what energy, of how many events."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Caption"]


@dataclass(frozen=True)
class Caption:
    """The head of a figure.

    Attributes
    ----------
    whose : str
        On the left; its first word is set as mplhep sets the experiment's name, the others as its status.
    jets : str or None
        Algorithm, as ``"AK4 CHS"``.
    energy : str or None
        Centre-of-mass energy, as ``"13 TeV"``; None where nobody said.
    events : int or None
    """

    whose: str
    jets: str | None = None
    energy: str | None = None
    events: int | None = None

    @property
    def right(self) -> str:
        """On the right: jets, energy and events, as far as they are known."""
        events = None if self.events is None else f"{self.events:,} events"
        return ", ".join(part for part in (self.jets, self.energy, events) if part)
