"""Which tables and fields of a file type-1 MET is made from, NanoAODv9 to v15."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import Branch, Layout
from coffea_mljec.nano.algorithm import pileup_scheme, radius
from coffea_mljec.payloads.suitability import DEDICATED
from coffea_mljec.support.suggestions import nearest

__all__ = ["LOW_PT_TABLE", "METBranches", "find_branches"]

LOW_PT_TABLE = "CorrT1METJet"

# MET is made from the same particles as the jets: all of them (pileup included) for CHS jets, weighted ones for PUPPI.
# v9 to v14 call the first MET, v15 PFMET.
_TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "chs": (("MET", "RawMET"), ("PFMET", "RawPFMET")),
    "Puppi": (("PuppiMET", "RawPuppiMET"),),
}
_JET_FIELDS = ("eta", "phi", "muonSubtrFactor", "chEmEF", "neEmEF")
_LOW_PT_FIELDS = ("rawPt", "eta", "phi", "muonSubtrFactor")
_DELTAS = ("MetUnclustEnUpDeltaX", "MetUnclustEnUpDeltaY")
_SHIFTED = ("ptUnclusteredUp", "phiUnclusteredUp", "ptUnclusteredDown", "phiUnclusteredDown")


@dataclass(frozen=True)
class METBranches:
    """Where one file has what type-1 MET needs.

    Attributes
    ----------
    met, raw : str
        The collection that is corrected, and the raw one.
    scheme : {"chs", "Puppi"}
        Of the jets.
    jet_fields, low_pt_fields, met_fields : tuple of str
        What is read of the jets (beyond what the provider reads), of ``CorrT1METJet`` (empty: not used) and of ``met``.
    """

    met: str
    raw: str
    scheme: str
    collection: str
    jet_fields: tuple[str, ...]
    low_pt_fields: tuple[str, ...]
    met_fields: tuple[str, ...]

    @property
    def unclustered(self) -> tuple[str, ...]:
        """The fields that tell the unclustered energy's variation; empty where the file has none."""
        return tuple(name for name in self.met_fields if name in (*_DELTAS, *_SHIFTED))

    def branches(self) -> Iterator[Branch]:
        """Everything, with its table."""
        yield from (Branch(self.met, name) for name in self.met_fields)
        yield from (Branch(self.raw, name) for name in ("pt", "phi"))
        yield from (Branch(self.collection, name) for name in self.jet_fields)
        yield from (Branch(LOW_PT_TABLE, name) for name in self.low_pt_fields)


def find_branches(layout: Layout, algorithm: str | None, low_pt: bool) -> METBranches:
    """Find the MET of a jet collection from the fields that are there; nothing is read.

    Parameters
    ----------
    layout : Layout
        Of the jets.
    algorithm : str or None
        Of the payloads (``AK4PFchs``); decides where the file does not tell which jets it has.
    low_pt : bool
        Whether the jets below the threshold of the collection, ``CorrT1METJet``, are wanted.

    Raises
    ------
    InputError
        Jets that MET is not made with, or that nobody says the pileup scheme of.
    MissingBranchError
        Naming what was looked for and the nearest that the file has.
    """
    collection = layout.collection
    if radius(collection) not in (None, 0.4):
        raise InputError(
            f"type-1 MET is made with jets of radius 0.4; {collection} holds jets of radius {radius(collection):g}. "
            "Propagate the AK4 collection: apply(events, 'Jet')."
        )
    scheme = pileup_scheme(layout) or _scheme_of(algorithm)
    if scheme is None:
        raise InputError(
            f"nothing says whether {collection} holds CHS or PUPPI jets, and with it which MET they belong to: give "
            "Type1MET a standard path whose payload does, standard=FactorizedJEC.from_json(path, tag, 'AK4PFPuppi')."
        )
    asker = f"type-1 MET of {'PUPPI' if scheme == 'Puppi' else 'CHS'} jets"
    pairs = _TABLES[scheme]
    found = [(met, raw) for met, raw in pairs if _has(layout, met, ("pt", "phi")) and _has(layout, raw, ("pt", "phi"))]
    if not found:
        tried = [f"{table}_{field}" for pair in pairs for table in pair for field in ("pt", "phi")]
        raise _missing(layout, asker, tried, "MET starts from the raw one: keep both tables when you skim.")
    met, raw = found[0]
    if lacking := [name for name in _JET_FIELDS if name not in layout.fields[collection]]:
        tried = [f"{collection}_{name}" for name in lacking]
        raise _missing(layout, asker, tried, "Muons and electrons among the jets are told apart by them.")
    jet_fields = (*_JET_FIELDS, *_present(layout, collection, ("muonSubtrDeltaPhi",)))
    low_pt_fields: tuple[str, ...] = ()
    if low_pt and collection == "Jet":
        if lacking := [name for name in _LOW_PT_FIELDS if name not in layout.fields.get(LOW_PT_TABLE, ())]:
            tried = [f"{LOW_PT_TABLE}_{name}" for name in lacking]
            remedy = (
                "These are the jets that only corrections bring above 15 GeV; Type1MET(..., low_pt=False), or "
                "--no-met-low-pt, does without them."
            )
            raise _missing(layout, asker, tried, remedy)
        low_pt_fields = (*_LOW_PT_FIELDS, *_present(layout, LOW_PT_TABLE, ("muonSubtrDeltaPhi", "EmEF")))
    kept = tuple(name for name in ("pt_orig", "phi_orig") if name in layout.fields[met])
    unclustered = next((given for given in (_SHIFTED, _DELTAS) if _has(layout, met, given)), ())
    met_fields = (*(kept or ("pt", "phi")), *unclustered)
    return METBranches(met, raw, scheme, collection, jet_fields, low_pt_fields, met_fields)


def _scheme_of(algorithm: str | None) -> str | None:
    jets = algorithm or ""
    dedicated = DEDICATED.fullmatch(jets)
    jets = (dedicated["jets"] if dedicated else jets).lower()
    return "Puppi" if jets.endswith("puppi") else "chs" if jets.endswith("chs") else None


def _has(layout: Layout, table: str, names: tuple[str, ...]) -> bool:
    return set(names) <= set(layout.fields.get(table, ()))


def _present(layout: Layout, table: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name in layout.fields.get(table, ()))


def _missing(layout: Layout, asker: str, tried: list[str], remedy: str) -> MissingBranchError:
    have = [Branch(table, field).name for table, fields in layout.fields.items() for field in fields]
    absent = [name for name in tried if name not in have]
    close = next((near[0] for name in absent if (near := nearest(name, have))), None)
    lacks = f"{', '.join(absent)}{f' (nearest: {close})' if close else ''}"
    return MissingBranchError(f"{asker} needs {', '.join(tried)}: the file lacks {lacks}. {remedy}")
