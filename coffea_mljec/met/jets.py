"""The jets of one collection, corrected and ready to be propagated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.met.branches import LOW_PT_TABLE
from coffea_mljec.met.propagation import counting_jets, event_bits, propagated_sums
from coffea_mljec.nano import JetChunk
from coffea_mljec.nano.jagged import flat_column, offsets_of, with_columns
from coffea_mljec.nano.quantities import outside
from coffea_mljec.status import STATUS_TYPE, Status, StatusArray, mark

__all__ = ["PropagatedJets", "check_corrected_jets", "check_number", "unsmeared_over_raw", "with_low_pt_jets"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PropagatedJets:
    """What one collection adds to MET.

    Attributes
    ----------
    chunk : JetChunk
        The jets as the events have them.
    jets : ak.Array
        The same, corrected by a provider.
    factor : ndarray of float64, shape (n_jets,)
        Corrected / raw pT, not smeared; NaN for jets that nothing corrects.
    level1 : ndarray of float64, shape (n_jets,)
        See `propagated_sums`.
    status : ndarray of `coffea_mljec.status.STATUS_TYPE`, shape (n_jets,)
        `Status` bits.
    smeared : bool
        Whether the nominal MET takes the smeared jets.
    """

    chunk: JetChunk
    jets: ak.Array
    factor: FloatArray
    level1: FloatArray
    status: StatusArray
    smeared: bool

    def _corrected(self, name: str) -> FloatArray:
        return flat_column(self.jets[name], name).astype(np.float64)

    def _column(self, name: str) -> FloatArray:
        return self.chunk.field(name).astype(np.float64)

    def _optional(self, name: str) -> FloatArray:
        return self._column(name) if name in self._fields else np.zeros(self.factor.size)

    @property
    def _fields(self) -> tuple[str, ...]:
        return self.chunk.layout.fields[self.chunk.layout.collection]

    @cached_property
    def pt_raw(self) -> FloatArray:
        """With muons (GeV)."""
        return self._corrected("pt_raw")

    @cached_property
    def phi(self) -> FloatArray:
        """Without muons; files before NanoAODv15 do not tell how far these turn the jet."""
        return self._column("phi") + self._optional("muonSubtrDeltaPhi")

    @cached_property
    def muon_fraction(self) -> FloatArray:
        """Of the raw pT."""
        return self._column("muonSubtrFactor")

    @cached_property
    def em_fraction(self) -> FloatArray:
        """Of the energy; 0 for the low-pT jets of files before NanoAODv15, which do not tell."""
        if "chEmEF" in self._fields:
            return self._column("chEmEF") + self._column("neEmEF")
        return self._optional("EmEF")

    @cached_property
    def broken(self) -> npt.NDArray[np.bool_]:
        """Jets of which something cannot be so: whether and what they add to MET is not known."""
        found = outside("jet", "pt_raw", self.pt_raw) | outside("jet", "eta", self._column("eta"))
        for quantity, values in (
            ("phi", self.phi), ("muon_pt_fraction", self.muon_fraction), ("em_fraction", self.em_fraction),
        ):  # fmt: skip
            found |= outside("jet", quantity, values)
        return found

    @cached_property
    def counting(self) -> npt.NDArray[np.bool_]:
        """Which jets are propagated."""
        counting = counting_jets(
            self.pt_raw, self._column("eta"), self.muon_fraction, self.em_fraction, self.factor, self.level1
        )
        return np.asarray(counting & ~self.broken)

    def bits(self) -> StatusArray:
        """Per event, the status bits of the jets that are propagated or, for want of a correction, lost."""
        status = self.status.copy()
        mark(status, self.broken, Status.BAD_INPUT)
        seen = self.counting | self.broken | np.isnan(self.factor) | np.isnan(self.level1)
        return event_bits(self.chunk.offsets, np.where(seen, status, STATUS_TYPE(0)))

    def sums(self, name: str | None = None, direction: str = "up") -> FloatArray:
        """px and py (GeV) of a variation of the jets, or the nominal ones, to be subtracted from the raw MET."""
        return propagated_sums(
            self.chunk.offsets,
            self.counting,
            self.pt_raw,
            self.phi,
            self.muon_fraction,
            self.factor,
            self.level1,
            self._scale(name, direction),
        )

    def _scale(self, name: str | None, direction: str) -> FloatArray:
        """Varied / nominal pT; in an unsmeared MET, varied and nominal jets are both smeared."""
        reference = "pt_jec" if self.smeared and "pt_jec" in self.jets.fields else "pt"
        if name is None and reference == "pt":
            return np.ones(self.factor.size)
        varied = self._corrected("pt") if name is None else flat_column(self.jets[name][direction]["pt"], name)
        before = self._corrected(reference)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            scale = varied / before
        return np.where(np.isfinite(scale), scale, 1.0)


def with_low_pt_jets(events: Any) -> Any:
    """Return events whose ``CorrT1METJet`` is a jet collection that a provider can correct.

    It holds raw jets, of which NanoAOD keeps neither a corrected pT nor, before v15, a mass.
    """
    table = events[LOW_PT_TABLE]
    pt = flat_column(table["rawPt"], f"{LOW_PT_TABLE}.rawPt")
    nothing = np.zeros(pt.size, np.float32)
    jets = with_columns(table, {"pt": pt, "mass": nothing, "rawFactor": nothing})
    return ak.with_field(events, jets, LOW_PT_TABLE)


def check_corrected_jets(jets: Any, names: tuple[str, ...], collection: str) -> None:
    """Refuse (InputError) jets that no provider has corrected, or not with these variations."""
    fields = getattr(jets, "fields", ())
    lacking = [name for name in ("pt_raw", "mljec_status", *names) if name not in fields]
    if lacking:
        raise InputError(
            f"jets must be the {collection} that the provider corrected, jets=provider.apply(events); they lack "
            f"{', '.join(lacking)}. Leave jets out, and the provider corrects them here."
        )


def unsmeared_over_raw(jets: ak.Array) -> FloatArray:
    """Corrected / raw pT of corrected jets, shape (n_jets,)."""
    field = "pt_jec" if "pt_jec" in jets.fields else "pt"
    pt, pt_raw = (flat_column(jets[name], name).astype(np.float64) for name in (field, "pt_raw"))
    ratio: FloatArray = pt / pt_raw
    return ratio


def check_number(jets: Any, chunk: JetChunk) -> None:
    """Refuse (InputError) jets that are not all those of the events."""
    if not np.array_equal(offsets_of(jets, "jets"), chunk.offsets):
        raise InputError(
            f"jets and events.{chunk.layout.collection} differ in number: MET needs all jets of these events. "
            "Propagate before cutting."
        )
