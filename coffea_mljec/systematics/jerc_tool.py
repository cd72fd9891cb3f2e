"""The JERC group's own smearing tool, a correctionlib file that comes with every campaign."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.numerics.columns import flat_columns
from coffea_mljec.payloads.library import LibraryCorrection
from coffea_mljec.payloads.payload import payload_content
from coffea_mljec.systematics.smearing import MIN_ENERGY, N_SIGMA, NO_MATCH

__all__ = ["JERSmear"]

FloatArray = npt.NDArray[np.float64]

CORRECTION = "JERSmear"
NAMES = {
    "JetPt": "pt", "JetEta": "eta", "GenPt": "pt_gen", "Rho": "rho", "EventID": "event", "JER": "sigma",
    "JERSF": "scale_factor",
}  # fmt: skip
EVENT_BITS = np.uint64(0x7FFFFFFF)


class JERSmear:
    """The JERC group's own smearing, ``jer_smear.json.gz``, evaluated by correctionlib.

    Its random numbers are a hash of pT, eta, rho and event: they do not depend on the chunk, but on pT, so jets shifted
    by a JES source draw others.

    Parameters
    ----------
    path : str or Path
        ``jer_smear.json.gz``. Its text is kept and pickled; workers need no access to the file.

    Raises
    ------
    PayloadError
        The file is unreadable or holds no ``JERSmear``.

    Attributes
    ----------
    inputs : tuple of str
        Names of the columns that `factor` reads: ``pt eta pt_gen rho event sigma scale_factor``.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._library = LibraryCorrection(_read(self.path), CORRECTION)
        names = self._names()
        unknown = [name for name in names if name not in NAMES]
        if unknown:
            raise PayloadError(
                f"{self.path.name}: {CORRECTION} needs {', '.join(unknown)}, which is not known here (known: "
                f"{', '.join(NAMES)}): take the file of the JERC group"
            )
        self.inputs = tuple(NAMES[name] for name in names)

    def __repr__(self) -> str:
        return f"JERSmear({self.path.name})"

    def factor(self, columns: Mapping[str, npt.ArrayLike], stochastic: npt.ArrayLike | None = None) -> FloatArray:
        """Return smeared / unsmeared pT of each jet.

        Parameters
        ----------
        columns : mapping of str to array_like, shape (n,)
            ``pt eta sigma scale_factor`` and ``pt_gen`` as of `smear_factor` (-1 for none), ``rho`` (GeV) and ``event``
            (of which the 31 lowest bits enter: correctionlib's integers end there, see correctionlib#298).
        stochastic : array_like of bool, shape (n,), optional
            As of `smear_factor`.

        Returns
        -------
        ndarray of float64, shape (n,)
            The generator jet counts within three sigma, which the file leaves to its user. Floor and invalid jets as of
            `smear_factor`.
        """
        flat = flat_columns(columns, self.inputs, repr(self))
        event = np.asarray(columns["event"])
        if event.dtype.kind not in "iu":
            raise InputError(f"event: expected integers (the event's, repeated for each jet), got {event.dtype}")
        flat["event"] = (event.astype(np.uint64) & EVENT_BITS).astype(np.float64)
        pt, sigma, pt_gen = flat["pt"], flat["sigma"], flat["pt_gen"]
        usable = pt > 0
        for column in flat.values():
            usable &= np.isfinite(column) | (column is pt_gen)
        matched = (pt_gen > 0) & (np.abs(pt - pt_gen) < N_SIGMA * sigma * pt)
        if stochastic is not None:
            usable &= matched | np.asarray(stochastic, dtype=np.bool_)
        flat["pt_gen"] = np.where(matched, pt_gen, NO_MATCH)
        factor = np.ones(pt.size, dtype=np.float64)
        given = {name: flat[NAMES[name]][usable] for name in self._library.inputs}
        floor = MIN_ENERGY / (pt[usable] * np.cosh(flat["eta"][usable]))
        factor[usable] = np.maximum(self._library.evaluate(given), floor)
        return factor

    def _names(self) -> tuple[str, ...]:
        try:
            return self._library.inputs
        except Exception as error:
            raise PayloadError(
                f"{self.path.name} holds no {CORRECTION} that correctionlib can read ({error}): expected the JERC "
                "group's jer_smear.json.gz"
            ) from None


def _read(path: Path) -> str:
    remedy = "expected jer_smear.json.gz; copy it again"
    try:
        return payload_content(path, remedy).decode()
    except UnicodeDecodeError:
        raise PayloadError(f"{path.name} is not a text file: {remedy}") from None
