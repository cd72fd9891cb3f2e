"""`FactorizedJEC`: the standard path, L1FastJet x L2Relative x L3Absolute (x L2L3Residual on data)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Unpack, final

from coffea_mljec.corrections.coffea_stack import read_stack
from coffea_mljec.corrections.levels import LevelsCorrection
from coffea_mljec.corrections.provider import Provider, check_options
from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Payload, read_json, read_text
from coffea_mljec.systematics.shifts import SystematicOptions

__all__ = ["FactorizedJEC"]


@final
class FactorizedJEC(Provider):
    """The standard factorized jet energy correction.

    Each level is evaluated at the pT corrected by the levels before, beginning with raw pT (CMS, JINST 6 (2011)
    P11002). Jets that it cannot treat keep the pT that the file had: ``BAD_INPUT`` (raw pT not positive, an input not
    finite) or ``OUT_OF_DOMAIN`` (eta beyond the payload, 5.191 for CMS payloads). Within it, pT, rho and area beyond
    the fitted range count as the end of the range, as in CMSSW, coffea and correctionlib.

    Make one with `from_txt` or `from_json`.

    Parameters
    ----------
    payload : Payload
        The levels, read.
    name : str
        What tables and plots call it.
    closure : Payload, optional
        See `Provider`.
    **systematics
        Uncertainties and smearing, see `SystematicOptions`.

    Attributes
    ----------
    payload : Payload
        ``levels``, ``tag``, ``algorithm``, ``is_data`` and ``inputs`` of the correction.
    """

    def __init__(
        self,
        payload: Payload,
        name: str = "standard",
        *,
        closure: Payload | None = None,
        **systematics: Unpack[SystematicOptions],
    ) -> None:
        if not isinstance(payload, Payload):
            raise InputError(
                f"FactorizedJEC needs a payload, got {payload!r}: use FactorizedJEC.from_txt([...]) or "
                "FactorizedJEC.from_json(path, tag, algorithm)."
            )
        check_options(FactorizedJEC, systematics)
        self.payload = payload
        super().__init__(LevelsCorrection(payload), name=name, closure=closure, **systematics)

    @classmethod
    def from_txt(
        cls,
        paths: Sequence[str | PathLike[str]],
        name: str = "standard",
        *,
        closure: Payload | None = None,
        **systematics: Unpack[SystematicOptions],
    ) -> FactorizedJEC:
        """Read classic text payloads.

        Parameters
        ----------
        paths : sequence of str or path
            One file a level, in any order, plain or gzipped, with their original names
            (``Summer22_22Sep2023_V3_MC_L2Relative_AK4PFPuppi.jec.txt``).
        name : str
            What tables and plots call it.
        closure, **systematics
            See `FactorizedJEC`.

        Raises
        ------
        PayloadError
            If a file is missing, cut short, damaged or not a level, or files of different corrections are mixed.
        """
        if isinstance(paths, (str, PathLike)):
            raise InputError(f"from_txt takes a list of files, one a level; got {paths!r}: write from_txt([...]).")
        payload = read_text([Path(path) for path in paths])
        return cls(payload, name, closure=closure, **systematics)

    @classmethod
    def from_json(
        cls,
        path: str | PathLike[str],
        tag: str,
        algorithm: str,
        levels: str | Sequence[str] = "L1L2L3Res",
        name: str = "standard",
        *,
        closure: Payload | None = None,
        **systematics: Unpack[SystematicOptions],
    ) -> FactorizedJEC:
        """Read a correctionlib file.

        Parameters
        ----------
        path : str or path
            ``jet_jerc.json.gz`` or ``fatJet_jerc.json.gz``.
        tag, algorithm : str
            ``"Summer22_22Sep2023_V3_MC"``, ``"AK4PFPuppi"``.
        levels : str or sequence of str
            A compound or a level, or levels in the order of application. The default is the whole correction: its
            residual is 1 for simulation, and the tag of the run period has it for data.
        name : str
            What tables and plots call it.
        closure, **systematics
            See `FactorizedJEC`.

        Raises
        ------
        PayloadError
            If the file is unreadable or has no such tag, algorithm or level; the message names the nearest that it has.
        """
        return cls(read_json(Path(path), tag, algorithm, levels), name, closure=closure, **systematics)

    @classmethod
    def from_coffea(cls, stack: Any, name_map: Mapping[str, str | None], name: str = "standard") -> FactorizedJEC:
        """Take over coffea's ``JECStack`` (or ``CorrectionLibJECStack``) and the name map of its factory.

        The numbers are those of ``CorrectedJetsFactory(name_map, stack).build(jets)``: levels, uncertainties,
        resolution and scale factors are evaluated by coffea's own objects. Other than there, random numbers do not
        depend on the chunk; jets keep the pT of the file where no payload reaches (|eta| > 5.191, pT not positive);
        and if the jets do not carry the field that ``ptGenJet`` maps to, their generator jets are found here (nearest
        first within half the radius).

        Parameters
        ----------
        stack : JECStack or CorrectionLibJECStack
        name_map : mapping of str to str
            Not changed. ``JetPt`` and ``JetMass`` must be ``pt`` and ``mass``; raw pT comes from rawFactor, rho from
            the event, whatever their fields are called.
        name : str
            What tables and plots call it.

        Raises
        ------
        InputError
            Not a stack, no correction in it, or a name map that lacks what the stack reads.
        """
        payload, systematics = read_stack(stack, name_map)
        return cls(payload, name, **systematics)
