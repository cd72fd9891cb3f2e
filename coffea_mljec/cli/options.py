"""The options that several commands share, and the providers that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.errors import InputError

__all__ = [
    "Algo",
    "Collection",
    "Inputs",
    "Jec",
    "JecJson",
    "Output",
    "Tag",
    "Tree",
    "Workers",
    "standard_path",
    "stored_regression",
]

Inputs = Annotated[
    list[str], typer.Argument(metavar="IN...", help="NanoAOD files (PFNano for the network); local or root://.")
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write to; made if absent.")]
Jec = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE|DIR",
        help="The standard path as classic text (.txt, .txt.gz): a file a level, repeated, or the folder with them.",
    ),
]
JecJson = Annotated[
    str | None, typer.Option(metavar="FILE", help="The standard path as correctionlib JSON, with --tag and --algo.")
]
Tag = Annotated[str | None, typer.Option(metavar="T", help="Tag in --jec-json, such as Summer22_22Sep2023_V3_MC.")]
Algo = Annotated[str | None, typer.Option(metavar="A", help="Jet algorithm in --jec-json, such as AK4PFPuppi.")]
Collection = Annotated[str, typer.Option(help="Jet collection.")]
Tree = Annotated[str, typer.Option(help="Name of the tree.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes to run on.")]


def standard_path(jec: list[str] | None, jec_json: str | None, tag: str | None, algo: str | None) -> Any:
    """The standard path that the options name, or None.

    Raises
    ------
    InputError
        If the options do not belong together.
    PayloadError
        If a payload cannot be read.
    """
    from coffea_mljec import FactorizedJEC

    if jec and jec_json:
        raise InputError("--jec and --jec-json both name a standard path; give one of them.")
    if jec_json:
        if tag is None or algo is None:
            lacking = " and ".join(name for name, value in (("--tag", tag), ("--algo", algo)) if value is None)
            raise InputError(f"--jec-json holds many corrections: say which one with {lacking}.")
        return FactorizedJEC.from_json(jec_json, tag, algo)
    if tag is not None or algo is not None:
        raise InputError("--tag and --algo choose from a --jec-json file, and none is given.")
    return FactorizedJEC.from_txt([level for path in jec for level in _levels(Path(path))]) if jec else None


def stored_regression(text: str, fallback: Any = None) -> Any:
    """The stored regression that the text names: ``PNet``, or ``PNet+neutrino``.

    Raises
    ------
    InputError
        If there is no such regression.
    """
    from coffea_mljec import NanoRegression

    regression, plus, variant = text.partition("+")
    if plus and variant != "neutrino":
        raise InputError(f"--regression {text}: expected a name alone or with +neutrino, such as PNet+neutrino.")
    return NanoRegression(regression, neutrino=True if plus else None, fallback=fallback)


def _levels(path: Path) -> list[Path]:
    """The file itself, or the text payloads of a folder."""
    if not path.is_dir():
        return [path]
    levels = sorted(file for file in path.iterdir() if file.name.endswith((".jec.txt", ".jec.txt.gz")))
    if not levels:
        raise InputError(f"no text payloads in {path}: expected files named <tag>_<level>_<algorithm>.jec.txt.")
    return levels
