"""A payload as a table of numbers, independent of the format in which it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CLOSURE", "LARGEST_PT", "Level", "Row", "mirrored", "rounded", "unit_level"]

#: The level that flattens what a provider leaves, as `coffea_mljec` calls it.
CLOSURE = "MLClosure"
LARGEST_PT = 14_000.0


def rounded(number: float) -> float:
    """Return a number as a text file gives it: text and JSON hold the same numbers, to the last bit."""
    return float(f"{number:.9g}")


@dataclass(frozen=True)
class Row:
    """One bin: (low, high) of each binned quantity, (low, high) of each variable, and the parameters."""

    bins: tuple[tuple[float, float], ...]
    ranges: tuple[tuple[float, float], ...]
    parameters: tuple[float, ...]

    @classmethod
    def create(
        cls,
        bins: Sequence[tuple[float, float]],
        ranges: Sequence[tuple[float, float]] = (),
        parameters: Sequence[float] = (),
    ) -> Row:
        """Round all numbers to what is written."""
        return cls(
            tuple((rounded(low), rounded(high)) for low, high in bins),
            tuple((rounded(low), rounded(high)) for low, high in ranges),
            tuple(rounded(value) for value in parameters),
        )


@dataclass(frozen=True)
class Level:
    """A payload.

    Attributes
    ----------
    level : str
        ``L1FastJet``, ``PtResolution``, ``SF``, ...: what file names and JSON names say.
    kind : str
        What the header of the text file says: ``Correction``, ``Resolution`` or ``ScaleFactor``.
    binned, variables : tuple of str
        CMS's names; the variables are the formula's x, y, z.
    formula : str
        Empty for scale factors, whose parameters are nominal, down, up.
    rows : tuple of Row
        Ordered by their bins.
    """

    level: str
    kind: str
    binned: tuple[str, ...]
    variables: tuple[str, ...]
    formula: str
    rows: tuple[Row, ...]


def mirrored(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows of both signs of eta, given those of |eta| (the first binned quantity)."""

    def flipped(row: Row) -> Row:
        low, high = row.bins[0]
        # Not -0.0, which a text file would show.
        return Row(((-high, -low if low else 0.0), *row.bins[1:]), row.ranges, row.parameters)

    return tuple(sorted((*map(flipped, rows), *rows), key=lambda row: row.bins))


def unit_level(level: str, edge: float) -> Level:
    """Return a level that is 1 up to |eta| = ``edge``."""
    row = Row.create([(-edge, edge)], [(1.0, LARGEST_PT)])
    return Level(level, "Correction", ("JetEta",), ("JetPt",), "1", (row,))
