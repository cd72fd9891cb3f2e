"""``--regression``: a stored regression by name, with neutrinos, by a b tag, and with its own JEC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from coffea_mljec.cli.standard_path import EraPath, FilePath
from coffea_mljec.errors import InputError

__all__ = ["HELP", "NamedRegression"]

HELP = "A regression that the files store: PNet, PNet+neutrino, or PNet+neutrino@btagPNetB=0.245 for b jets alone."

_TEXT = re.compile(r"(?P<name>\w+)(?P<plus>\+neutrino)?(@(?P<field>\w+)=(?P<point>[0-9.eE+-]+))?")


@dataclass(frozen=True)
class NamedRegression:
    """What ``--regression`` names.

    Attributes
    ----------
    name : str
        Such as ``PNet``.
    neutrino : bool
        With neutrinos, in all jets or in those of the selection.
    selection : (str, float) or None
        Field of the jets and working point.
    """

    name: str
    neutrino: bool = False
    selection: tuple[str, float] | None = None

    @classmethod
    def of(cls, text: str) -> NamedRegression:
        """Read the option; raises InputError."""
        found = _TEXT.fullmatch(text)
        try:
            if found is None:
                raise ValueError
            selection = None if found["field"] is None else (found["field"], float(found["point"]))
        except ValueError:
            raise InputError(
                f"--regression {text}: expected a name alone or with +neutrino, such as PNet+neutrino, or with a b tag "
                "at or above which jets get their neutrinos, PNet+neutrino@btagPNetB=0.245."
            ) from None
        return cls(found["name"], found["plus"] is not None, selection)

    def algorithm(self, standard: FilePath | EraPath) -> tuple[str | None, bool]:
        """The algorithm of what was derived for these jets, and True; the plain one where there is no such."""
        dedicated = standard.dedicated(self.name, self.neutrino)
        return dedicated or standard.plain, dedicated is not None

    def provider(self, standard: FilePath | EraPath, fallback: Any = None, **systematics: Any) -> Any:
        """The stored regression, with the JEC that --jec-json has for its jets.

        Raises
        ------
        InputError
            If there is no such regression, or --jec-json has the JEC of one variant alone.
        PayloadError
            If it cannot be read.
        """
        from coffea_mljec import NanoRegression

        variants = (False, True) if self.selection is not None else (self.neutrino,)
        named = [standard.dedicated(self.name, variant) for variant in variants]
        payload: Any = None
        if any(named):
            if not all(named):
                raise InputError(
                    f"{standard.place} has {', '.join(filter(None, named))} and not that of the other variant of "
                    f"{self.name}: a selection needs both."
                )
            payload = tuple(standard.payload(str(one)) for one in named)
        selects: dict[str, Any] = (
            {"neutrino": True if self.neutrino else None} if self.selection is None else {"selection": self.selection}
        )
        return NanoRegression(self.name, payload=payload, fallback=fallback, **selects, **systematics)
