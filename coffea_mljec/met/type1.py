"""`Type1MET`: the jets that a provider corrects, propagated to the missing transverse momentum."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections import FactorizedJEC, Provider
from coffea_mljec.errors import InputError
from coffea_mljec.met.branches import LOW_PT_TABLE, METBranches, find_branches
from coffea_mljec.met.dask_events import in_dask
from coffea_mljec.met.jets import (
    PropagatedJets,
    check_corrected_jets,
    check_number,
    unsmeared_over_raw,
    with_low_pt_jets,
)
from coffea_mljec.met.record import Vectors, met_meta, with_met
from coffea_mljec.met.standard import evaluate_level1, level1_of, refuse_neutrinos, standard_within, varied_like
from coffea_mljec.met.unclustered import unclustered_shift, vectors_of
from coffea_mljec.met.xy import METXY
from coffea_mljec.nano import Branch, JetChunk, Layout, detect
from coffea_mljec.nano.detection import is_dask
from coffea_mljec.nano.jagged import flat_column
from coffea_mljec.nano.quantities import outside
from coffea_mljec.status import STATUS_TYPE, Status, StatusArray, mark

__all__ = ["Type1MET"]

FloatArray = npt.NDArray[np.float64]

_UNCLUSTERED = "MET_UnclusteredEnergy"
_TREATED = STATUS_TYPE(Status.APPLIED | Status.FALLBACK)


class Type1MET:
    """Type-1 MET of any provider's jets: ``events["PuppiMET"] = Type1MET(provider, standard).apply(events)``.

    The raw MET of the file gets what correcting the jets has added to them: corrected minus L1-corrected pT for CHS
    jets (``MET``, ``PFMET``), corrected minus raw pT for PUPPI jets (``PuppiMET``). Muons are left out of the jets
    (``muonSubtrFactor``), jets with ``chEmEF + neEmEF >= 0.9`` or less than 15 GeV, corrected and without muons, are
    left out of MET's correction; see `coffea_mljec.met.propagation`.

    Jets that have no constituents in the file, ``CorrT1METJet``, take the standard path, and so do those of the
    collection that the provider leaves uncorrected (neither ``APPLIED`` nor ``FALLBACK`` in ``mljec_status``).

    Parameters
    ----------
    provider : Provider
        Corrects the jets.
    standard : FactorizedJEC, optional
        The standard path of the same jets. Not needed if the provider or its fallback is one.
    smeared : bool
        Whether the nominal MET takes the smeared jets. By default, as in coffea and CMSSW's default MET, only the
        variations know of the resolution: they scale each jet by its varied over its nominal pT.
    low_pt : bool
        Whether to propagate the jets below the threshold of the collection, ``CorrT1METJet`` (for ``Jet`` only; other
        collections have such jets themselves).
    xy : METXY, optional
        Shifts MET, nominal and varied, in x and y.

    Raises
    ------
    InputError
        No standard path where one is needed; a provider whose jets include neutrinos; ``smeared`` without a resolution.
    """

    def __init__(
        self,
        provider: Provider,
        standard: FactorizedJEC | None = None,
        *,
        smeared: bool = False,
        low_pt: bool = True,
        xy: METXY | None = None,
    ) -> None:
        if not isinstance(provider, Provider):
            raise InputError(
                f"Type1MET propagates the jets of a provider, such as MLJEC() or FactorizedJEC.from_txt([...]); got "
                f"{provider!r}."
            )
        refuse_neutrinos(provider)
        if standard is None:
            standard = standard_within(provider)
        elif not isinstance(standard, FactorizedJEC):
            raise InputError(f"standard must be the standard path, FactorizedJEC.from_txt([...]); got {standard!r}.")
        if standard is None and low_pt:
            raise InputError(
                f"type-1 MET of {provider.name!r} needs the standard path for {LOW_PT_TABLE}, which has no "
                "constituents: Type1MET(provider, standard=FactorizedJEC.from_json(path, tag, algorithm)); or leave "
                "those jets out with low_pt=False."
            )
        if smeared and provider.systematics.resolution is None:
            raise InputError(
                f"smeared=True, but {provider.name!r} does not smear its jets: give it a resolution and a scale factor."
            )
        self.provider = provider
        self.standard = standard
        self.smeared = smeared
        self.low_pt = low_pt
        self.xy = xy
        self._low_pt = None if standard is None else varied_like(standard, provider)

    def __repr__(self) -> str:
        return f"Type1MET({self.provider!r})"

    def apply(self, events: Any, collection: str = "Jet", jets: Any = None) -> Any:
        """Return the corrected MET collection: ``PuppiMET`` for PUPPI jets, ``MET`` or ``PFMET`` for CHS jets.

        Parameters
        ----------
        events : NanoEvents
            Eager, virtual or dask; not changed.
        collection : str
            The jets, AK4.
        jets : ak.Array or dask_awkward.Array, optional
            The jets as the provider has corrected them, whole: saves a second correction.

        Returns
        -------
        ak.Array or dask_awkward.Array
            One record an event, with record name, behaviours and fields of the file's, plus: ``pt``, ``phi``
            corrected; ``pt_raw``, ``phi_raw``; ``pt_orig``, ``phi_orig`` (what the file had); ``mljec_status``
            (the `Status` bits of all jets that were propagated, together with those of jets that nothing could
            correct). Variations as coffea's: ``MET_UnclusteredEnergy.up.pt``, where the file tells it, and those of
            the jets, ``JES_<source>.up.pt``, ``JER.down.phi``; each is evaluated when it is read. Fields of the file
            that belong to its own MET (``covXX``, ``significance``, ``ptJESUp``) stay as they are.

        Raises
        ------
        InputError, MissingBranchError, JetsChangedError
            Those of `Provider.apply`; jets that are not those of the events; jets that MET is not made of; a file
            without the raw MET, without ``CorrT1METJet`` or without what tells muons and electrons among the jets.
        """
        if is_dask(events):
            return in_dask(self, self._names(detect(events, collection)), events, collection, jets)
        chunk = JetChunk.of(events, collection, "type-1 MET")
        branches, names = self._branches(chunk.layout), self._names(chunk.layout)
        if ak.backend(events) == "typetracer":
            return self._meta(events, branches, names, jets)
        if jets is None:
            jets = self.provider.pipeline.jets(self.provider.pipeline.checked(chunk))
        else:
            check_corrected_jets(jets, names, collection)
            check_number(jets, chunk)
        parts = [(self._jets(chunk, branches, jets), dict(zip(names, names, strict=True)))]
        if branches.low_pt_fields:
            parts.append(self._low_pt_jets(chunk, branches))
        return self._corrected(events, branches, parts, names)

    __call__ = apply

    def table(self, events: Any, collection: str = "Jet") -> str:
        """The collection of the file that `apply` corrects: ``PuppiMET``, ``MET`` or ``PFMET``; errors are its own."""
        return self._branches(detect(events, collection)).met

    def required_branches(self, events: Any, collection: str = "Jet") -> tuple[str, ...]:
        """List the branches of this file that `apply` may read, counters included, sorted.

        Raises
        ------
        InputError, MissingBranchError
            See `apply`.
        """
        branches = self._branches(detect(events, collection))
        found = {branch.name for branch in branches.branches()}
        if branches.low_pt_fields:
            found |= {f"n{LOW_PT_TABLE}", *(f"{LOW_PT_TABLE}_{name}" for name in self._low_pt_inputs())}
        if self.xy is not None:
            found |= {branch.name for branch in self.xy.branches(detect(events, collection))}
        for pipeline in (self.provider.pipeline, self._low_pt):
            if pipeline is not None:
                found |= set(pipeline.required_branches(events, collection))
        return tuple(sorted(found))

    def _names(self, layout: Layout) -> tuple[str, ...]:
        """Variations of the jets."""
        systematics = self.provider.systematics
        return systematics.names(layout) if systematics.payloads else ()

    def _low_pt_inputs(self) -> set[str]:
        """Fields of ``CorrT1METJet`` that the standard path reads beyond those of `find_branches`."""
        assert self.standard is not None
        return {"area"} & set(self.standard.payload.inputs)

    def _branches(self, layout: Layout) -> METBranches:
        algorithms = [given.algorithm for given in (self.provider, self.standard) if given is not None]
        branches = find_branches(layout, next(filter(None, algorithms), None), self.low_pt)
        if branches.scheme == "chs" and (self.standard is None or level1_of(self.standard) is None):
            given = "none was given" if self.standard is None else f"{self.standard!r} has none"
            raise InputError(
                f"type-1 MET of CHS jets needs their L1 correction, and {given}: Type1MET(provider, "
                "standard=FactorizedJEC.from_txt([..._L1FastJet_AK4PFchs.txt, ...]))."
            )
        return branches

    def _jets(self, chunk: JetChunk, branches: METBranches, jets: ak.Array) -> PropagatedJets:
        """The jets of the collection, the provider's or else the standard path's."""
        status = flat_column(jets["mljec_status"], "mljec_status").copy()
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.where(status & _TREATED, unsmeared_over_raw(jets), np.nan)
        left = (status & _TREATED) == 0
        if left.any() and self.standard is not None and self.standard is not self.provider:
            other = self.standard.pipeline.correct(self.standard.pipeline.checked(chunk))
            taken = left & ((other.status & _TREATED) != 0)
            factor[taken] = other.factor.astype(np.float32)[taken]
            mark(status, taken, Status.FALLBACK)
        level1 = self._level1(chunk, branches, status)
        return PropagatedJets(chunk, jets, factor, level1, status, self.smeared)

    def _low_pt_jets(self, chunk: JetChunk, branches: METBranches) -> tuple[PropagatedJets, dict[str, str]]:
        """``CorrT1METJet``, by the standard path, and the names of its variations for those of the jets."""
        pipeline = self._low_pt
        assert pipeline is not None
        low = pipeline.chunk(with_low_pt_jets(chunk.events), LOW_PT_TABLE)
        jets = pipeline.jets(low)
        status = flat_column(jets["mljec_status"], "mljec_status").copy()
        treated = (status & _TREATED) != 0
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.where(treated, unsmeared_over_raw(jets), np.nan)
        if self.standard is not self.provider:
            status[treated] = STATUS_TYPE(Status.FALLBACK)
        level1 = self._level1(low, branches, status)
        mine, theirs = (one.systematics for one in (pipeline, self.provider))
        names, others = mine.names(low.layout), self._names(chunk.layout)
        first, their_first = (len(one.resolution_names(of.layout)) for one, of in ((mine, low), (theirs, chunk)))
        renamed = dict(zip(others[their_first:], names[first:], strict=True))
        renamed |= dict(zip(others[:their_first], names[:first], strict=False))
        return PropagatedJets(low, jets, factor, level1, status, self.smeared), renamed

    def _level1(self, chunk: JetChunk, branches: METBranches, status: StatusArray) -> FloatArray:
        """L1 / raw pT of the jets of a collection; see `evaluate_level1`."""
        if branches.scheme == "Puppi":
            return np.ones(len(chunk))
        assert self.standard is not None
        return evaluate_level1(self.standard, chunk, status)

    def _corrected(
        self,
        events: Any,
        branches: METBranches,
        parts: list[tuple[PropagatedJets, dict[str, str]]],
        names: tuple[str, ...],
    ) -> ak.Array:
        met = events[branches.met]
        raw = {name: Branch(branches.raw, name).numbers(events) for name in ("pt", "phi")}
        start = vectors_of(raw["pt"], raw["phi"])
        nominal = start - sum(jets.sums() for jets, _ in parts)
        if self.xy is not None:
            shift = self.xy.shift(events, parts[0][0].chunk.layout, branches.scheme, nominal)
            start, nominal = start + shift, nominal + shift
        status = np.bitwise_or.reduce([jets.bits() for jets, _ in parts])
        mark(status, outside("jet", "pt", raw["pt"]) | outside("jet", "phi", raw["phi"]), Status.BAD_INPUT)
        kept = {name: f"{name}_orig" if f"{name}_orig" in met.fields else name for name in raw}
        original = {name: Branch(branches.met, field).numbers(events) for name, field in kept.items()}
        columns = {
            "pt": np.hypot(nominal[:, 0], nominal[:, 1]),
            "phi": np.arctan2(nominal[:, 1], nominal[:, 0]),
            "mljec_status": status,
        }
        for name in raw:
            columns |= {f"{name}_raw": raw[name], f"{name}_orig": original[name]}

        def varied(name: str, direction: str) -> Vectors:
            return lambda: start - sum(jets.sums(known.get(name), direction) for jets, known in parts)

        def unclustered(direction: str) -> Vectors:
            return lambda: nominal + unclustered_shift(events, branches, original, direction)

        directions = ("up", "down")
        variations = {_UNCLUSTERED: {way: unclustered(way) for way in directions}} if branches.unclustered else {}
        variations |= {name: {way: varied(name, way) for way in directions} for name in names}
        return with_met(met, columns, variations)

    def _meta(self, events: Any, branches: METBranches, names: tuple[str, ...], jets: Any) -> ak.Array:
        """The type of what `apply` returns; tells dask-awkward which columns will be read."""
        if jets is None:
            self.provider.apply(events, branches.collection)
        else:
            read = ["pt", "pt_raw", "mljec_status", *(["pt_jec"] if "pt_jec" in jets.fields else [])]
            varied = [jets[name][way]["pt"] for name in names for way in ("up", "down")]
            for column in [*(jets[name] for name in read), *varied]:
                ak.typetracer.touch_data(column)
        if self._low_pt is not None:
            self._low_pt.apply(events, branches.collection)
        read_too = [*branches.branches()]
        if branches.low_pt_fields:
            read_too += [Branch(LOW_PT_TABLE, name) for name in self._low_pt_inputs()]
        if self.xy is not None:
            read_too += self.xy.branches(detect(events, branches.collection))
        for branch in read_too:
            ak.typetracer.touch_data(branch.of(events))
        return met_meta(events[branches.met], (*((_UNCLUSTERED,) if branches.unclustered else ()), *names))
