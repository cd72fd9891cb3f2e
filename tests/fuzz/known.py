"""Causes that wait to be mended. Each has a reproduction that `test_quick` expects to fail: who mends one removes it.

The patterns are searched for in ``signature :: detail`` of a failure. They name what was broken and what was said, not
functions, because those move.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tests.fuzz.case import Case, Mutation


@dataclass(frozen=True)
class Known:
    """A cause.

    Attributes
    ----------
    reason : str
    case : Case
        The smallest reproduction.
    pattern : str
        A regular expression of the failures that it explains.
    """

    reason: str
    case: Case
    pattern: str


def explained(signature: str, detail: str = "") -> str | None:
    """The name of the known cause of a failure, or None."""
    text = f"{signature} :: {detail}"
    return next((name for name, known in KNOWN.items() if re.search(known.pattern, text)), None)


def _events(*mutations: Mutation, **setup: Any) -> Case:
    """In memory, the layout of PFNano, the bundled PFN."""
    usual = {
        "layout": "pfnano",
        "corrector": "pfn",
        "collection": "Jet",
        "via": "memory",
        "mode": "virtual",
        "skim": False,
        "method": "apply",
    }
    return Case("events", usual | setup, list(mutations))


def _model(*mutations: Mutation, base: str = "toy") -> Case:
    return Case("models", {"base": base, "digest renewed": True}, list(mutations))


def _payload(kind: str, *mutations: Mutation) -> Case:
    return Case("payloads", {"kind": kind}, list(mutations))


def _met(what: str, provider: str, *mutations: Mutation) -> Case:
    return Case("met", {"what": what, "provider": provider}, list(mutations))


KNOWN: dict[str, Known] = {
    # Wrong numbers without a word.
    "vertices cut, sorted or linked elsewhere": Known(
        "vertices and their links are believed",
        _events(["u_cut", "SV", "first"]),
        r"silent \| events \| .*\b(SV|JetSVs)\b",
    ),
    "a soft candidate too many or too few": Known(
        "the sum of the momenta does not see it",
        _events(["u_cut", "JetPFCands", "first"]),
        r"silent \| events \| .*(JetPFCands|PFCands (cut|shuffled|sorted)|exchange|cancel|repeat)",
    ),
    "candidates with impossible values": Known(
        "NaN, infinity and 1e30 in d0Err, pvAssocQuality, pdgId, d0, dz, mass go through comparisons and ratios",
        _events(["set", "PFCands", "d0Err", 3, "nan"]),
        r"silent \| events \| .*(PFCand|candidate of no pT|JetPFCands)",
    ),
    "impossible jets": Known(
        "a jet of 1e30 GeV is corrected by the standard path",
        _events(["set", "Jet", "pt", 3, "1e30"], corrector="standard"),
        r"silent \| events \| .*(Fat)?Jet\.\w+ = (huge|infinite|NaN)",
    ),
    "the order of links": Known(
        "sums run in the order of the file",
        _events(["permute_links", "JetPFCands", 1]),
        r"silent \| events \| .*(permute_links|shuffled|sorted)",
    ),
    "variations of impossible jets": Known(
        "phi and generator jets that are no numbers change the smearing",
        _met("variations", "varied", ["set", "GenJet", "pt", 3, "nan"]),
        r"silent \| met \| .*(Jet|GenJet)\.",
    ),
    "MET of impossible values": Known(
        "jets below the threshold and MET itself are believed",
        _met("met", "standard", ["set", "CorrT1METJet", "rawPt", 3, "1e30"]),
        r"silent \| met \| ",
    ),
    # Foreign exceptions.
    "a file cut to the branches that are read": Known(
        "coffea builds records of vectors that lack a coordinate when a collection is looked at",
        _events(skim=True),
        r"foreign \| events \| .*(requires the|missing \w+ coordinates|VertexArray|JetArray|PFCandArray)",
    ),
    "missing values": Known(
        "option types are not asked for",
        _events(["u_event", "fixedGridRhoFastjetAll", "option"]),
        r"foreign \| events \| .*cannot convert 'None'",
    ),
    "text for rho": Known(
        "types of event quantities are not asked for",
        _events(["u_event", "fixedGridRhoFastjetAll", "text"]),
        r"foreign \| events \| .*ufunc '\w+' (not supported|did not contain a loop)",
    ),
    "a single event": Known(
        "a record is no array",
        _events(["u_events", "record"]),
        r"foreign \| events \| .*no field named '_meta'",
    ),
    "types that numba does not take": Known(
        "float16, complex, dates and booleans reach the kernels",
        _events(["cast", "PFCands", "pdgId", "float16"]),
        r"foreign \| events \| .*(NotImplementedError: float16|TypingError|NumbaNotImplemented)",
    ),
}
