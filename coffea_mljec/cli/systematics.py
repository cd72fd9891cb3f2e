"""The options that vary jets: uncertainties, smearing, and a network's closure, from files or by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.cli.standard_path import EraPath, FilePath
from coffea_mljec.errors import InputError
from coffea_mljec.payloads import bundled as named
from coffea_mljec.payloads import (
    read_resolution_json,
    read_resolution_text,
    read_scale_factor_json,
    read_scale_factor_text,
    read_text,
    read_uncertainties_json,
    read_uncertainties_text,
    tags_of,
)
from coffea_mljec.support.paths import checked_path

__all__ = ["Systematics"]

_GROUPS = ("all", "total", "regrouped")


@dataclass(frozen=True)
class Systematics:
    """What varies the jets."""

    uncertainties: Annotated[
        str | None, typer.Option(metavar="FILE", help="JES uncertainties: text (.junc.txt, .junc.txt.gz) or JSON.")
    ] = None
    sources: Annotated[
        str | None,
        typer.Option(
            metavar="S",
            help="Of --uncertainties or --era: total, all, regrouped, or names with commas. Default: total; regrouped "
            "of an era.",
        ),
    ] = None
    resolution: Annotated[
        str | None,
        typer.Option(metavar="FILE|NAME", help="Smear by this resolution: .jr.txt, JSON, or a bundled correction's."),
    ] = None
    scale_factor: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Its scale factor, .jersf.txt; by default the one beside --resolution."),
    ] = None
    jer_tag: Annotated[
        str | None, typer.Option(metavar="T", help="Tag in a JSON --resolution, if it has more than one.")
    ] = None
    unsmeared_eta: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="|eta| where jets without generator jet are left alone (Run 3: 2.5 3)."),
    ] = None
    jet_resolution: Annotated[
        bool, typer.Option("--jet-resolution", help="Smear each jet by its own resolution where the model gives it.")
    ] = False
    standard_jets: Annotated[
        bool, typer.Option("--standard-jets", help="Allow uncertainties of standard jets for a network's jets.")
    ] = False
    smearing: Annotated[
        bool, typer.Option("--smearing/--no-smearing", help="Smear simulation by the resolution of --era.")
    ] = True
    closure: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="Closure of the correction: text, or a bundled model's.")
    ] = None

    def check_varied(self, standard: FilePath | EraPath, own: bool, met: bool) -> None:
        """Refuse --variations where there will be none; see `options`. MET has some of its own.

        Raises
        ------
        InputError
        """
        if met or self.uncertainties is not None or self.resolution is not None:
            return
        if not isinstance(standard, EraPath):
            raise InputError(
                "--variations: there are none without --uncertainties, --resolution, --era or --met; give one."
            )
        if not (own or self.standard_jets):
            raise InputError(
                "--variations: those of --era are for jets of the standard path: allow them for these jets with "
                "--standard-jets, or give --uncertainties or --resolution."
            )

    def options(self, standard: FilePath | EraPath, algorithm: str | None, *, own: bool) -> dict[str, Any]:
        """The same, read, as every provider takes it.

        Parameters
        ----------
        standard : FilePath or EraPath
            An era's has uncertainties and a resolution, which other options replace. In JSON files they are looked up
            under its tag.
        algorithm : str or None
            Of the corrected jets, in JSON files and the era.
        own : bool
            Whether those of an era were derived for these jets. Without, they are taken with --standard-jets alone.

        Raises
        ------
        InputError
            If the options do not belong together.
        PayloadError
            If a payload cannot be read.
        """
        if self.uncertainties is None and self.sources is not None and not isinstance(standard, EraPath):
            raise InputError("--sources chooses from --uncertainties or --era, and none are given.")
        if not self.smearing and not isinstance(standard, EraPath):
            raise InputError("--no-smearing leaves out that of --era, and none is given.")
        if self.resolution is None and (self.scale_factor or self.jer_tag or self.unsmeared_eta or self.jet_resolution):
            raise InputError(
                "--scale-factor, --jer-tag, --unsmeared-eta and --jet-resolution belong to --resolution: give it too."
            )
        found: dict[str, Any] = {}
        if own or self.standard_jets:
            found = standard.systematics(algorithm, self._sources("regrouped"), self.smearing)
        if self.uncertainties is not None:
            found["uncertainties"] = self._uncertainties(self.uncertainties, standard.tag, algorithm)
        if self.resolution is not None:
            found.pop("unsmeared_eta", None)
            found |= self._smearing(self.resolution, algorithm)
        if self.unsmeared_eta is not None:
            found["unsmeared_eta"] = self.unsmeared_eta
        if self.jet_resolution:
            found["jet_resolution"] = True
        if self.standard_jets:
            found["standard_jets"] = True
        if self.closure is not None:
            given = self.closure
            found["closure"] = named.closure(given) if _is_name(given) else read_text([_file(given)])
        return found

    def _sources(self, default: str) -> str | list[str]:
        sources = self.sources or default
        return sources if sources in _GROUPS else sources.split(",")

    def _uncertainties(self, given: str, tag: str | None, algorithm: str | None) -> Any:
        sources = self._sources("total")
        if not _is_json(given):
            return read_uncertainties_text(_file(given), sources)
        algorithm = _checked(given, algorithm)
        # They stand under the tag of simulation, for data too.
        return read_uncertainties_json(given, _tag(given, "Total", algorithm, tag, "--tag"), algorithm, sources)

    def _smearing(self, given: str, algorithm: str | None) -> dict[str, Any]:
        other = self.scale_factor
        if _is_name(given):
            return {
                "resolution": named.resolution(given),
                "scale_factor": named.scale_factor(given) if other is None else read_scale_factor_text(_file(other)),
            }
        if _is_json(given):
            algorithm = _checked(given, algorithm)
            tag = _tag(given, "PtResolution", algorithm, self.jer_tag, "--jer-tag")
            resolution = read_resolution_json(given, tag, algorithm)
            if other is None or _is_json(other):
                beside = read_scale_factor_json(other or given, tag, algorithm)
                return {"resolution": resolution, "scale_factor": beside}
        else:
            resolution = read_resolution_text(_file(given))
        if other is None:
            raise InputError(f"--resolution {given} is without its scale factor: give --scale-factor *_SF_*.jersf.txt.")
        return {"resolution": resolution, "scale_factor": read_scale_factor_text(_file(other))}


def _is_json(given: str) -> bool:
    return given.endswith((".json", ".json.gz"))


def _is_name(given: str) -> bool:
    """A bundled correction's name, and no file; also a name that nothing has, for its message."""
    return named.is_bundled(given) or not (_is_json(given) or Path(given).suffix in (".txt", ".gz"))


def _file(given: str) -> Path:
    return checked_path(given, "a text payload")


def _checked(given: str, algorithm: str | None) -> str:
    if algorithm is None:
        raise InputError(f"{given} holds many algorithms: say which one with --algo, such as AK4PFPuppi.")
    return algorithm


def _tag(given: str, what: str, algorithm: str, wanted: str | None, option: str) -> str:
    """The wanted tag if the file has it, else the only one that it has."""
    tags = tags_of(given, what, algorithm)
    if wanted in tags or (option == "--jer-tag" and wanted is not None):
        return str(wanted)
    if len(tags) == 1:
        return tags[0]
    raise InputError(
        f"{given} has {what} of {algorithm} under {', '.join(tags) or 'no tag'}: "
        + (f"say which with {option}." if tags else "give another file or --algo.")
    )
