"""The options that name a standard path: text, correctionlib JSON, or all of an era's by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.cli.first import First
from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import level_files, tags_of
from coffea_mljec.payloads.suitability import DEDICATED
from coffea_mljec.support.paths import checked_path

__all__ = ["EraPath", "FilePath", "StandardPath"]


@dataclass(frozen=True)
class StandardPath:
    """The standard path, in one of its three forms."""

    jec: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|DIR",
            help="The standard path as text (.txt, .txt.gz): a file a level, repeated, or the folder with them.",
        ),
    ] = None
    jec_json: Annotated[
        str | None, typer.Option(metavar="FILE", help="The standard path as correctionlib JSON, with --tag and --algo.")
    ] = None
    tag: Annotated[
        str | None, typer.Option(metavar="T", help="Tag in --jec-json, such as Summer22_22Sep2023_V3_MC.")
    ] = None
    algo: Annotated[
        str | None,
        typer.Option(metavar="A", help="Jet algorithm in --jec-json, or in a folder --jec, such as AK4PFPuppi."),
    ] = None
    era: Annotated[
        str | None,
        typer.Option(metavar="ERA", help="The standard path of an era by its name, such as 2022EE: see mljec eras."),
    ] = None
    era_directory: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="CMS's JSON repository, for --era; by default MLJEC_JSONPOG or cvmfs."),
    ] = None

    @property
    def name(self) -> str | None:
        """What tables call it, or None without one."""
        return "standard" if self.jec or self.jec_json or self.era else None

    def chosen(self, first: First, collection: str) -> FilePath | EraPath:
        """What the options name for a collection of jets.

        Parameters
        ----------
        first : First
            With an era it tells whether the events are data.
        collection : str

        Raises
        ------
        InputError
            If the options do not belong together, or there is no such era.
        PayloadError
            If there are no payloads of the era.
        """
        from coffea_mljec import era

        if self.era is None:
            if self.era_directory is not None:
                raise InputError("--era-directory says where the payloads of --era are, and none is given.")
            return FilePath(self.jec, self.jec_json, self.tag, self.algo)
        others = {"--jec": self.jec, "--jec-json": self.jec_json, "--tag": self.tag, "--algo": self.algo}
        if given := [name for name, value in others.items() if value]:
            raise InputError(f"--era names the standard path with its tag and jets: leave out {', '.join(given)}.")
        era(self.era, directory=self.era_directory).algorithm_of(collection)  # refused before a file is opened
        return EraPath(era(self.era, first.is_data(collection), directory=self.era_directory), collection)


@dataclass(frozen=True)
class FilePath:
    """A standard path from files, or none; the attributes are those of `StandardPath`."""

    jec: list[str] | None
    jec_json: str | None
    tag: str | None
    algo: str | None

    @property
    def plain(self) -> str | None:
        """The algorithm, without what a regression adds to it: AK4PFPuppi of AK4PFPuppiPNetRegression."""
        dedicated = DEDICATED.fullmatch(self.algo or "")
        return dedicated["jets"] if dedicated else self.algo

    @property
    def place(self) -> str:
        """Where its payloads are, for messages."""
        return str(self.jec_json)

    def dedicated(self, regression: str, neutrino: bool) -> str | None:
        """The algorithm of what was derived for the jets of a regression, if --jec-json has its correction."""
        if self.jec_json is None or self.algo is None:
            return None
        wanted = _regressed(self.plain, regression, neutrino)
        return wanted if self.tag in tags_of(self.jec_json, "L1L2L3Res", wanted) else None

    def payload(self, algorithm: str) -> Any:
        """The correction of an algorithm in --jec-json."""
        from coffea_mljec import read_json

        return read_json(str(self.jec_json), str(self.tag), algorithm)

    def systematics(self, algorithm: str | None, sources: str | list[str], smearing: bool) -> dict[str, Any]:
        """None: other options name them."""
        return {}

    def provider(self, *, regressed: bool = False, **systematics: Any) -> Any:
        """The standard path that the options name, or None.

        Parameters
        ----------
        regressed : bool
            Take the plain jets, where --algo names those of a regression.
        **systematics
            As `coffea_mljec.FactorizedJEC` takes them.

        Raises
        ------
        InputError
            If the options do not belong together.
        PayloadError
            If a payload cannot be read.
        """
        from coffea_mljec import FactorizedJEC

        if self.jec and self.jec_json:
            raise InputError("--jec and --jec-json both name a standard path; give one of them.")
        if self.jec_json:
            if self.tag is None or self.algo is None:
                given = (("--tag", self.tag), ("--algo", self.algo))
                lacking = " and ".join(name for name, value in given if value is None)
                raise InputError(f"--jec-json holds many corrections: say which one with {lacking}.")
            algorithm = self.plain if regressed else self.algo
            return FactorizedJEC.from_json(self.jec_json, self.tag, str(algorithm), **systematics)
        if self.tag is not None:
            raise InputError("--tag chooses from a --jec-json file, and none is given.")
        if not self.jec:
            if self.algo is not None:
                raise InputError("--algo chooses from a --jec-json file or a folder --jec, and none is given.")
            return None
        algorithm = self.plain if regressed else self.algo
        levels = [level for path in self.jec for level in _levels(path, algorithm)]
        return FactorizedJEC.from_txt(levels, **systematics)


@dataclass(frozen=True)
class EraPath:
    """The standard path of an era, with the same members as `FilePath`.

    Attributes
    ----------
    era : coffea_mljec.eras.Era
    collection : str
    """

    era: Any
    collection: str

    @property
    def plain(self) -> str:
        """The algorithm of the collection."""
        return str(self.era.algorithm_of(self.collection))

    @property
    def algo(self) -> str:
        """The same."""
        return self.plain

    @property
    def tag(self) -> str:
        """The tag of simulation, under which uncertainties stand."""
        return str(self.era.tag)

    @property
    def place(self) -> str:
        """Where its payloads are, for messages."""
        return str(self.era.folder)

    def dedicated(self, regression: str, neutrino: bool) -> str | None:
        """The algorithm of what was derived for the jets of a regression, if the era has its correction."""
        wanted = _regressed(self.plain, regression, neutrino)
        try:
            self.era.tags_of(wanted)
        except PayloadError:
            return None
        return wanted

    def payload(self, algorithm: str) -> Any:
        """The correction of an algorithm; on data each jet gets the tag of its run."""
        return self.era.payload(algorithm)

    def systematics(self, algorithm: str | None, sources: str | list[str], smearing: bool) -> dict[str, Any]:
        """Uncertainties and resolution of an algorithm; none on data."""
        return {**self.era.systematics(algorithm, sources, smearing)}

    def provider(self, *, regressed: bool = False, **systematics: Any) -> Any:
        """The standard path; `regressed` changes nothing, an era's is for the plain jets."""
        from coffea_mljec import FactorizedJEC

        return FactorizedJEC(self.era.payload(self.plain), **systematics)


def _regressed(plain: str | None, regression: str, neutrino: bool) -> str:
    """The algorithm of jets that a regression corrects."""
    return f"{plain}{regression.removesuffix('V1')}Regression{'PlusNeutrino' if neutrino else ''}"


def _levels(given: str, algorithm: str | None) -> list[Path]:
    """The file itself, or the text payloads of a folder."""
    path = checked_path(given, "a text payload, or a folder with them")
    if not path.is_dir():
        return [path]
    levels = level_files(path, algorithm)
    if not levels:
        raise InputError(f"no text payloads in {path}: expected files named <tag>_<level>_<algorithm>.jec.txt.")
    return levels
