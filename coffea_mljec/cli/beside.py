"""What friend trees hold beside the nominal jets: variations, MET, and which jets and events an era's map vetoes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from coffea_mljec.cli.standard_path import EraPath, FilePath
from coffea_mljec.errors import InputError

__all__ = ["Beside"]


@dataclass(frozen=True)
class Beside:
    """What is written beside the nominal jets."""

    variations: Annotated[
        bool, typer.Option("--variations", help="Write varied jets and MET too, such as Jet_pt_jesTotalUp.")
    ] = False
    met: Annotated[bool, typer.Option("--met", help="Propagate the jets to MET, and write it.")] = False
    low_pt: Annotated[
        bool, typer.Option("--met-low-pt/--no-met-low-pt", help="With the jets of CorrT1METJet, by the standard path.")
    ] = True
    met_xy: Annotated[bool, typer.Option("--met-xy", help="Shift --met by the xy correction of --era.")] = False
    veto_map: Annotated[
        bool,
        typer.Option("--veto-map", help="Write Jet_vetoed and Flag_JetVetoed by the jet veto map of --era."),
    ] = False

    def check(self, standard: FilePath | EraPath) -> None:
        """Refuse (InputError) options that belong to others that were not given."""
        if self.met_xy and not self.met:
            raise InputError("--met-xy shifts the MET of --met: give it too.")
        given = [name for name, value in (("--met-xy", self.met_xy), ("--veto-map", self.veto_map)) if value]
        if not given:
            return
        if not isinstance(standard, EraPath):
            raise InputError(f"{' and '.join(given)}: payloads of an era, which --era names, such as --era 2022EE.")
        if self.veto_map and standard.collection != "Jet":
            raise InputError(f"--veto-map is made for AK4 jets, Jet; got --collection {standard.collection}.")

    def type1(self, corrector: Any, other: Any, standard: FilePath | EraPath) -> Any:
        """Type-1 MET of a provider's jets, or None where it is not wanted.

        Parameters
        ----------
        corrector : Provider
        other : FactorizedJEC or None
            The standard path where the corrector is none.
        standard : FilePath or EraPath

        Raises
        ------
        InputError
            As `coffea_mljec.Type1MET`.
        PayloadError
            If the era has no xy correction.
        """
        from coffea_mljec import Type1MET

        if not self.met:
            return None
        xy = standard.era.met_xy() if self.met_xy and isinstance(standard, EraPath) else None
        return Type1MET(corrector, other, low_pt=self.low_pt, xy=xy)

    def veto(self, standard: FilePath | EraPath) -> Any:
        """The era's jet veto map, or None where it is not wanted; PayloadError if the era has none."""
        return standard.era.veto_map() if self.veto_map and isinstance(standard, EraPath) else None
