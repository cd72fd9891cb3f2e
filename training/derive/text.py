"""The classic text files: a header with the formula, one row a bin, both signs of eta."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.derive.offset import FORMULA, PT_RANGE, Offset
from training.derive.response import Inversion

__all__ = ["write_payload"]

LARGEST_PT = 14_000.0
_EDGE = 5.191


def write_payload(
    folder: Path, name: str, algorithm: str, offset: Offset, edges: NDArray[np.float64], inversions: Sequence[Inversion]
) -> list[Path]:
    """Write L1FastJet, L2Relative and L3Absolute (1) and return their paths.

    L2Relative has bins in |eta| and, within each, in pT with a + b log10(pT): continuous, and clamped at both ends by
    the range of its variable.
    """
    header = f"{{1 JetEta 3 Rho JetPt JetA {FORMULA} Correction L1FastJet}}"
    levels = {"L1FastJet": [header, *_both_signs(offset.edges, _offset_rows(offset))]}
    header = "{2 JetEta JetPt 1 JetPt [0]+[1]*log10(x) Correction L2Relative}"
    levels["L2Relative"] = [header, *_both_signs(edges, [_inversion_rows(one) for one in inversions])]
    levels["L3Absolute"] = [
        "{1 JetEta 1 JetPt 1 Correction L3Absolute}",
        _row(-_EDGE, _EDGE, 2, 1.0, LARGEST_PT),
    ]
    paths = []
    for level, lines in levels.items():
        path = folder / f"{name}_{level}_{algorithm}.jec.txt"
        temporary = path.with_name(path.name + ".part")
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")
        temporary.replace(path)
        paths.append(path)
    return paths


def _row(*numbers: float) -> str:
    return " ".join(f"{number:.9g}".rjust(12) for number in numbers)


def _offset_rows(offset: Offset) -> list[list[list[float]]]:
    ranges = [0.0, 200.0, *PT_RANGE, 0.0, 10.0]
    return [
        [[9, *ranges, rho_0, slope, growth]]
        for rho_0, slope, growth in zip(offset.rho_0, offset.slope, offset.growth, strict=True)
    ]


def _inversion_rows(inversion: Inversion) -> list[list[float]]:
    x = np.log10(inversion.pt)
    slope = np.diff(inversion.factor) / np.diff(x)
    start = inversion.factor[:-1] - slope * x[:-1]
    low = np.concatenate([[0.0], inversion.pt[1:-1]])
    high = np.concatenate([inversion.pt[1:-1], [LARGEST_PT]])
    return [
        [low[i], high[i], 4, inversion.pt[i], inversion.pt[i + 1], start[i], slope[i]] for i in range(len(slope))
    ]


def _both_signs(edges: NDArray[np.float64], bins: Sequence[Sequence[Sequence[float]]]) -> list[str]:
    """Return the rows of all bins, negative eta first."""
    lines: list[str] = []
    for number in [*range(len(bins) - 1, -1, -1), *range(len(bins))]:
        positive = len(lines) >= sum(len(rows) for rows in bins)
        low, high = (edges[number], edges[number + 1]) if positive else (-edges[number + 1], -edges[number])
        lines += [_row(low, high, *row) for row in bins[number]]
    return lines
