"""coffea's ``JECStack`` and name map, read as the payloads of `FactorizedJEC`.

coffea's own evaluators are kept and called on flat columns, so the numbers are coffea's. Random numbers, the matching
of generator jets and the record are this package's (coffea seeds its random numbers chunk by chunk).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.library_level import ETA_LIMIT
from coffea_mljec.payloads.payload import CANONICAL

__all__ = ["read_stack"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_NAME = re.compile(r"(?P<tag>.+_(?:MC|DATA))_(?P<level>\w+)_(?P<algorithm>AK\d+\w+)")
_UNKNOWN = "unknown"


def read_stack(stack: Any, name_map: Mapping[str, str | None]) -> tuple[Payload, dict[str, Any]]:
    """Read a stack.

    Parameters
    ----------
    stack : JECStack or CorrectionLibJECStack
        With at least the correction.
    name_map : mapping of str to str
        coffea's; never changed. It must name what the stack reads, as for ``CorrectedJetsFactory``.

    Returns
    -------
    payload : Payload
    systematics : dict
        Options of `coffea_mljec.systematics.shifts.Systematics`.

    Raises
    ------
    InputError
        Not a stack, no correction in it, or a name map that lacks something.
    """
    parts = {name: getattr(stack, name, None) for name in ("jec", "junc", "jer", "jersf")}
    if parts["jec"] is None:
        raise InputError(
            f"expected coffea's JECStack (or CorrectionLibJECStack) with a correction; got {type(stack).__name__}"
            f"{' without one' if any(parts.values()) else ''}."
        )
    _check_map(parts, name_map)
    tag, algorithm = _identity(parts["jec"])
    payload = Payload((CoffeaLevel("JECStack", parts["jec"]),), tag, algorithm)
    systematics: dict[str, Any] = {}
    if parts["junc"] is not None:
        systematics["uncertainties"] = CoffeaUncertainties(parts["junc"], *_identity(parts["junc"], tag, algorithm))
    if parts["jer"] is not None and parts["jersf"] is not None:
        systematics["resolution"] = CoffeaResolution(parts["jer"], *_identity(parts["jer"], tag, algorithm))
        systematics["scale_factor"] = CoffeaScaleFactor(parts["jersf"], *_identity(parts["jersf"], tag, algorithm))
    if name_map.get("ptGenJet") is not None:
        systematics["generator_pt_field"] = name_map["ptGenJet"]
    elif "resolution" in systematics:
        systematics["smearing"] = "stochastic"  # what coffea does, with a warning
    return payload, systematics


def _check_map(parts: Mapping[str, Any], name_map: Mapping[str, str | None]) -> None:
    wanted = {"JetPt", "JetMass"} | {name for part in parts.values() if part is not None for name in part.signature}
    missing = sorted(name for name in wanted if name_map.get(name) is None)
    if missing:
        raise InputError(f"the name map does not map {', '.join(missing)}, which the stack reads.")
    for name, expected in (("JetPt", "pt"), ("JetMass", "mass")):
        if name_map[name] != expected:
            raise InputError(f"the name map has {name} as {name_map[name]!r}; jets are corrected in {expected!r} here.")
    if name_map.get("ptRaw") is None:
        raise InputError(
            "the name map has no ptRaw, so that coffea takes the jets' pt for raw; that of NanoAOD is corrected. Map "
            "ptRaw and massRaw (any name: raw pT comes from rawFactor here)."
        )
    unknown = sorted(wanted - {"JetMass"} - set(CANONICAL))
    if unknown:
        raise InputError(f"the stack reads {', '.join(unknown)}, which jets do not have here: {', '.join(CANONICAL)}.")


def _identity(part: Any, tag: str = _UNKNOWN, algorithm: str = _UNKNOWN) -> tuple[str, str]:
    """Tag and algorithm, from coffea's attributes or from the name of a correctionlib correction."""
    if hasattr(part, "_campaign"):
        era = "" if part._dataera == part._datatype else f"_{part._dataera}"
        return f"{part._campaign}{era}_{part._datatype}", part._jettype
    correction = getattr(part, "_correction", None)
    if correction is None and getattr(part, "_sources", None):
        correction = part._sources[0][1]
    match = _NAME.fullmatch(getattr(correction, "name", ""))
    return (match["tag"], match["algorithm"]) if match is not None else (tag, algorithm)


def _call(method: Any, part: Any, columns: Mapping[str, Any], pt: str) -> Any:
    """Evaluate one part of the stack on flat columns."""
    arguments = {
        name: ak.Array(np.asarray(columns[pt if name == "JetPt" else CANONICAL[name]], dtype=np.float64))
        for name in part.signature
    }
    try:
        return method(**arguments)
    except Exception as error:
        raise PayloadError(f"coffea cannot evaluate the stack: {type(error).__name__}: {error}") from None


def _usable(columns: Mapping[str, Any], names: tuple[str, ...], pt: str) -> BoolArray:
    usable: BoolArray = np.asarray(columns[pt]) > 0
    for name in names:
        usable = usable & np.isfinite(columns[name])
    if "eta" in names:
        usable = usable & (np.abs(columns["eta"]) < ETA_LIMIT)
    return usable


def _taken(columns: Mapping[str, Any], rows: BoolArray) -> dict[str, Any]:
    return {name: np.asarray(column)[rows] for name, column in columns.items()}


def _names(part: Any, pt: str) -> tuple[str, ...]:
    return tuple(pt if name == "JetPt" else CANONICAL[name] for name in part.signature)


@dataclass(frozen=True)
class CoffeaLevel:
    """All levels of a stack as one, `coffea_mljec.payloads.payload.Level`."""

    level: str
    part: Any = field(repr=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names."""
        return _names(self.part, "pt_raw")

    def evaluate(self, columns: Mapping[str, FloatArray]) -> tuple[FloatArray, BoolArray]:
        """Factor, and whether the jet is within the detector."""
        usable = _usable(columns, self.inputs, "pt_raw")
        factor = np.ones(usable.size)
        factor[usable] = np.asarray(_call(self.part.getCorrection, self.part, _taken(columns, usable), "pt_raw"))
        return factor, np.abs(columns["eta"]) < ETA_LIMIT if "eta" in self.inputs else np.ones(usable.size, np.bool_)


@dataclass(frozen=True)
class CoffeaUncertainties:
    """Sources of a stack."""

    part: Any = field(repr=False)
    tag: str
    algorithm: str

    @property
    def sources(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.part.levels)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical names."""
        return _names(self.part, "pt")

    def at(self, columns: Mapping[str, npt.ArrayLike]) -> CoffeaShifts:
        """Bind to jets."""
        return CoffeaShifts(self.part, {name: np.asarray(columns[name], np.float64) for name in self.inputs})


class CoffeaShifts:
    """Shifts of given jets: coffea evaluates all sources at once, on first use."""

    def __init__(self, part: Any, columns: dict[str, FloatArray]) -> None:
        self.part = part
        self.columns = columns
        self.usable = _usable(columns, tuple(columns), "pt")
        self.found: dict[str, npt.NDArray[Any]] | None = None

    def evaluate(self, source: str) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Relative shifts up and down, and where they are valid."""
        if self.found is None:
            pairs = _call(self.part.getUncertainty, self.part, _taken(self.columns, self.usable), "pt")
            self.found = {name: ak.to_numpy(values) for name, values in pairs}
        up, down = np.full(self.usable.size, np.nan), np.full(self.usable.size, np.nan)
        up[self.usable] = self.found[source][:, 0] - 1.0
        down[self.usable] = 1.0 - self.found[source][:, 1]
        return up, down, self.usable


@dataclass(frozen=True)
class CoffeaResolution:
    """The resolution of a stack."""

    part: Any = field(repr=False)
    tag: str
    algorithm: str

    def evaluate(self, columns: Mapping[str, npt.ArrayLike]) -> tuple[FloatArray, BoolArray]:
        """sigma(pT) / pT, NaN where not valid."""
        usable = _usable(columns, _names(self.part, "pt"), "pt")
        sigma = np.full(usable.size, np.nan)
        sigma[usable] = np.asarray(_call(self.part.getResolution, self.part, _taken(columns, usable), "pt"))
        return sigma, usable


@dataclass(frozen=True)
class CoffeaScaleFactor:
    """The scale factor of a stack: coffea's columns are nominal, up, down."""

    part: Any = field(repr=False)
    tag: str
    algorithm: str

    def evaluate(self, columns: Mapping[str, npt.ArrayLike], shift: str = "nominal") -> tuple[FloatArray, BoolArray]:
        """Resolution in data over simulation, NaN where not valid."""
        usable = _usable(columns, _names(self.part, "pt"), "pt")
        factor = np.full(usable.size, np.nan)
        values = ak.to_numpy(_call(self.part.getScaleFactor, self.part, _taken(columns, usable), "pt"))
        factor[usable] = values[:, ("nominal", "up", "down").index(shift)]
        return factor, usable
