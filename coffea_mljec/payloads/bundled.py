"""The closures, resolutions and scale factors that come with the package, by the name of their correction."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from coffea_mljec.errors import InputError
from coffea_mljec.payloads.payload import Payload
from coffea_mljec.payloads.resolution import Resolution, ScaleFactor
from coffea_mljec.payloads.resolution_files import read_resolution_text, read_scale_factor_text
from coffea_mljec.payloads.text import read_text
from coffea_mljec.support.suggestions import did_you_mean

__all__ = ["STANDARD", "closure", "is_bundled", "resolution", "scale_factor"]

STANDARD = "standard"
"""The standard path of the sample that comes with the package, CHS jets: it has a resolution, and no closure."""

_DATA = Path(str(files("coffea_mljec") / "data"))
_START, _END = "MLJECSim-", "_V1_MC"


def closure(name: str) -> Payload:
    """The closure of a bundled model: what is left of the bias of its response, in this project's simulation.

    Parameters
    ----------
    name : str
        Of the model (``mljec models``), such as ``"pfn-r-lite"``.

    Returns
    -------
    Payload
        For ``MLJEC(name, closure=...)``; a function of eta and of the network's corrected pT.

    Raises
    ------
    InputError
        If there is no such closure.
    """
    return read_text([_file(name, "MLClosure", "jec", "closure")])


def resolution(name: str) -> Resolution:
    """The pT resolution of a bundled model's jets, after its closure, or of the ``"standard"`` path, in simulation.

    Parameters
    ----------
    name : str
        Of the model (``mljec models``), or ``"standard"``.

    Returns
    -------
    Resolution
        sigma(pT) / pT, for ``MLJEC(name, resolution=..., scale_factor=mljec.scale_factor(name))``.

    Raises
    ------
    InputError
        If there is no such resolution.
    """
    return read_resolution_text(_file(name, "PtResolution", "jr", "resolution"))


def scale_factor(name: str) -> ScaleFactor:
    """The scale factor that belongs to `resolution`: resolution in data over simulation.

    The project's simulation has no data. The factor is an example, for studies of the method.

    Parameters
    ----------
    name : str
        Of the model (``mljec models``), or ``"standard"``.

    Raises
    ------
    InputError
        If there is no such scale factor.
    """
    return read_scale_factor_text(_file(name, "SF", "jersf", "scale factor"))


def is_bundled(name: str) -> bool:
    """Whether a correction of this name has payloads in the package."""
    return name == STANDARD or name in _models()


def _models() -> list[str]:
    found = (_DATA / "closures").glob(f"{_START}*{_END}_MLClosure_*.jec.txt")
    return sorted(path.name.removeprefix(_START).partition(f"{_END}_")[0] for path in found)


def _file(name: str, level: str, kind: str, what: str) -> Path:
    start = "MLJECSim" if name == STANDARD else f"{_START}{name}"
    folder = _DATA / ("jec" if name == STANDARD else "closures")
    known = _models() if level == "MLClosure" else [*_models(), STANDARD]
    # A model's name says its jets; the standard paths of all jets share theirs.
    jets = "AK4PFchs" if name == STANDARD else "*"
    found = sorted(folder.glob(f"{start}{_END}_{level}_{jets}.{kind}.txt")) if name in known else []
    if not found:
        raise InputError(
            f"no {what} of {name!r} comes with the package. {did_you_mean(str(name), known)}There are those of "
            f"{', '.join(known)}; your own: python -m training derive, and coffea_mljec.payloads reads them."
        )
    return found[0]
