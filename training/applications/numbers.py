"""Numbers with their errors: from replicas, and as text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["with_error", "written"]


def with_error(replicas: NDArray[np.float64]) -> tuple[float, float]:
    """Return a number, which stands first, and the spread of its replicas."""
    return float(replicas[0]), float(np.std(replicas[1:], ddof=1))


def written(value: tuple[float, float], digits: int = 1) -> str:
    """Return a number and its error, with so many decimals."""
    return f"{value[0]:.{digits}f} ± {value[1]:.{digits}f}"
