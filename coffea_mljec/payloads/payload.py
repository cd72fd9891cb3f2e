"""A factorized jet energy correction: levels applied one after the other, from whichever file they came."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import PayloadError
from coffea_mljec.numerics.columns import flat_columns
from coffea_mljec.support.paths import checked_path

__all__ = ["CANONICAL", "ROUNDING", "Level", "Payload", "payload_content", "payload_path"]

CANONICAL = {
    "JetPt": "pt_raw", "JetEta": "eta", "JetPhi": "phi", "JetA": "area", "Rho": "rho", "run": "run",
}  # fmt: skip
"""Names of inputs in JEC payloads -> ours."""

ROUNDING = 1e-3
"""Edges of neighbouring bins may differ by so much: files write them with three digits."""

PHI_ROUNDING = 1e-3
"""NanoAOD keeps 12 bits of phi: a jet just below pi is stored as 3.1416016, beyond payloads' last edge (3.1416)."""

LARGEST = 1 << 28
"""Bytes of a payload, unpacked; the largest published one has 32 MB."""

BLOCK = 8192
"""Jets treated at a time: the temporaries of a formula then stay in the processor's cache."""


def payload_path(path: str | Path) -> Path:
    """The path of a payload; raises InputError for what is no path."""
    return checked_path(path, "the path of a payload")


def payload_content(path: Path, remedy: str) -> bytes:
    """The content of a payload, unpacked where it is gzipped.

    Parameters
    ----------
    path : Path
    remedy : str
        Ends each message: what was expected, and where to get it.

    Raises
    ------
    PayloadError
        There is none, it is no plain file, cut short, not readable, or has more than `LARGEST` bytes.
    """
    if not path.exists():
        raise PayloadError(f"no such payload: {path}")
    if not path.is_file():
        raise PayloadError(f"{path} is no plain file: {remedy}")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(LARGEST + 1)
    except EOFError:
        raise PayloadError(f"{path.name}: the gzip stream is cut short: {remedy}") from None
    except Exception as error:  # zlib.error, OSError: none of them may reach coffea, whose skipbadfiles drops the chunk
        raise PayloadError(f"cannot read {path}: {type(error).__name__}: {error}: {remedy}") from None
    if len(data) > LARGEST:
        raise PayloadError(f"{path.name} has more than {LARGEST:,} bytes, unpacked: {remedy}")
    return data


class Level(Protocol):
    """One level: its name, its inputs (canonical names), its factor and whether the jet's eta is covered."""

    @property
    def level(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    def evaluate(
        self, columns: Mapping[str, npt.NDArray[np.float64]]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]: ...


@dataclass(frozen=True)
class Payload:
    """Levels in the order of application, and what they were derived for.

    A payload holds numbers only: it can be pickled, and workers need no access to its file.

    Attributes
    ----------
    stack : tuple of Level
    tag : str
        Campaign, version and kind, e.g. ``Summer22_22Sep2023_V3_MC``.
    algorithm : str
        The jets it is for, e.g. ``AK4PFPuppi``.
    """

    stack: tuple[Level, ...]
    tag: str
    algorithm: str

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels in the order of application."""
        return tuple(level.level for level in self.stack)

    @property
    def is_data(self) -> bool:
        """Whether it is for data (the tag ends in ``DATA``)."""
        return self.tag.endswith("_DATA")

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names of what `evaluate` needs: always ``pt_raw``, then any of eta, phi, area, rho, run."""
        needed = {name for level in self.stack for name in level.inputs} | {"pt_raw"}
        return tuple(name for name in ("pt_raw", "eta", "phi", "area", "rho", "run") if name in needed)

    def evaluate(self, columns: Mapping[str, npt.ArrayLike]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Evaluate the correction of every jet.

        Each level sees the pT corrected by the levels before (CMS, JINST 6 (2011) P11002, section 3).

        Parameters
        ----------
        columns : mapping of str to array_like, shape (n,)
            The columns named by `inputs`: ``pt_raw`` (GeV, before any correction), ``eta``, ``phi``, ``area``,
            ``rho`` (GeV, the event's value repeated for each jet), ``run``. Others are ignored.

        Returns
        -------
        factor : ndarray of float64, shape (n,)
            Corrected / raw pT; NaN where not valid.
        valid : ndarray of bool, shape (n,)
            False where an input is not finite, the raw pT is not positive, eta is outside the bins of the payload
            (|eta| >= 5.191 for CMS payloads), phi is no angle in [-pi, pi] (a rounding of 1e-3 is forgiven, and
            brought back to the edge), or the product is not a positive number. Outside the bins in another quantity
            a level counts as 1, as in CMSSW and coffea; formulas clamp pT, rho and area to their range.

        Raises
        ------
        InputError
            A column is missing, not flat or not numeric, or lengths differ.
        """
        flat = flat_columns(columns, self.inputs, f"{self.tag} {self.algorithm}")
        n = flat["pt_raw"].size
        factor = np.empty(n, dtype=np.float64)
        valid = np.empty(n, dtype=np.bool_)
        for start in range(0, n, BLOCK):
            block = slice(start, min(start + BLOCK, n))
            factor[block], valid[block] = self._evaluate_block({name: column[block] for name, column in flat.items()})
        return factor, valid

    def _evaluate_block(
        self, columns: dict[str, npt.NDArray[np.float64]]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        valid = columns["pt_raw"] > 0
        for column in columns.values():
            valid &= np.isfinite(column)
        if "phi" in columns:
            valid &= np.abs(columns["phi"]) <= np.pi + PHI_ROUNDING
            columns["phi"] = np.clip(columns["phi"], -np.pi, np.pi)
        raw = columns["pt_raw"]
        factor = np.ones(raw.size, dtype=np.float64)
        for level in self.stack:
            step, covered = level.evaluate(columns | {"pt_raw": raw * factor})
            factor *= step
            valid &= covered
        valid &= np.isfinite(factor) & (factor > 0)
        return np.where(valid, factor, np.nan), valid
