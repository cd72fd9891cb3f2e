"""Which jets a collection holds, as far as a file tells: radius, pileup scheme, simulation or data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coffea_mljec.nano.layout import Layout

__all__ = ["PT_WITH_NEUTRINOS", "generator_jets", "is_simulation", "pileup_scheme", "radius", "scheme_of"]

PT_WITH_NEUTRINOS = "ptWithNeutrinos"
"""Field of generator jets: their pT with the neutrinos that belong to them, as ``python -m training simulate
--neutrinos`` writes it. NanoAOD has no such field."""

_RADIUS = {"Jet": 0.4, "JetCHS": 0.4, "JetPuppi": 0.4, "FatJet": 0.8}
_GENERATOR_JETS = {0.4: "GenJet", 0.8: "GenJetAK8"}
_NAMED_SCHEME = {"JetCHS": "chs", "JetPuppi": "Puppi", "FatJet": "Puppi"}
# Truth that no NanoAOD of data has.
_TRUTH = ("GenJet", "GenJetAK8", "GenPart", "Generator", "genWeight")


def radius(collection: str) -> float | None:
    """Return the radius of NanoAOD's jets of this name; None for other collections."""
    return _RADIUS.get(collection)


def generator_jets(collection: str) -> str:
    """Return the name of the generator jets of the same radius (``GenJet`` for collections of unknown radius)."""
    return _GENERATOR_JETS[_RADIUS.get(collection, 0.4)]


def pileup_scheme(layout: Layout) -> str | None:
    """Return ``"chs"`` or ``"Puppi"``; None where the file does not tell (see `scheme_of`)."""
    return scheme_of(layout.collection, layout.fields)


def scheme_of(collection: str, fields: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return ``"chs"`` or ``"Puppi"``; None where the collections and fields of a file do not tell.

    ``Jet`` is CHS up to NanoAODv9, where it carries the working points of the pileup identification, and PUPPI in
    Run 3, where it carries the tags of that time, or stands without that identification beside ``Rho`` (NanoAODv11 on).
    """
    if collection in _NAMED_SCHEME:
        return _NAMED_SCHEME[collection]
    if collection != "Jet":
        return None
    jet = fields["Jet"]
    if any(field.startswith(("PNetReg", "UParTAK4Reg", "btagPNet", "btagRobustParT", "btagUParT")) for field in jet):
        return "Puppi"
    if "puId" in jet:
        return "chs"
    return "Puppi" if "fixedGridRhoFastjetAll" in fields.get("Rho", ()) else None


def is_simulation(layout: Layout) -> bool:
    """Whether the events have generator truth."""
    return any(name in layout.fields for name in _TRUTH)
