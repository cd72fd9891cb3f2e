"""Scale and smearing of a mass of jets (JMS, JMR), with variations; its own correction before them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.nano.algorithm import generator_jets, is_simulation, radius
from coffea_mljec.nano.detection import is_dask
from coffea_mljec.nano.jagged import flat_column, offsets_of, with_columns
from coffea_mljec.nano.requirements import jet_branches
from coffea_mljec.numerics.matching import match_flat
from coffea_mljec.numerics.subjets import masses_of_subjets
from coffea_mljec.payloads import Payload
from coffea_mljec.systematics.randomness import standard_normal
from coffea_mljec.systematics.smearing import smear_factor

__all__ = ["JetMass", "MassFactors", "stored_mass"]

Floats = npt.NDArray[np.float64]
Triple = tuple[float, float, float]

_SUBJETS = "SubGenJetAK8"
_SOFT_DROP = "msoftdrop"
_FOUR = ("pt", "eta", "phi", "mass")


@dataclass(frozen=True)
class MassFactors:
    """What a mass of each jet is multiplied by.

    Attributes
    ----------
    nominal : ndarray of float64, shape (n_jets,)
    varied : dict of str to (ndarray, ndarray)
        ``JMS``, ``JMR`` -> the same up and down.
    """

    nominal: Floats
    varied: dict[str, tuple[Floats, Floats]]


@dataclass(frozen=True)
class JetMass:
    """Corrects, scales and smears a mass of jets, as CMS's fatJetUncertainties does, and varies scale and resolution.

    It is an option of every provider (`coffea_mljec.systematics.shifts.SystematicOptions`), or applied by itself.

    Scale and smearing are for simulation; on data the mass gets its correction only. The smearing is hybrid: a jet
    with a generator mass within three widths is scaled, others get a random number that belongs to the jet. The
    generator's soft-drop mass is that of the subjets of its jet.

    Parameters
    ----------
    field : str
        The mass: ``msoftdrop``, or ``mass`` of the whole jet.
    correction : Payload, optional
        As a function of eta and corrected pT: `coffea_mljec.payloads.read_soft_drop_text`.
    scale : (nominal, up, down), optional
        Mass in data over simulation.
    resolution : (nominal, up, down), optional
        Relative width in data over simulation.
    relative_width : float
        Of the mass in simulation: sigma(m) / m.
    seed : int
        Of the random numbers; another one than that of the smearing of pT, with which they must not go together.

    Raises
    ------
    InputError
        If factors are not three positive numbers, or up is below down; if the width lies not between 0 and 1.
    """

    field: str = _SOFT_DROP
    correction: Payload | None = None
    scale: Triple | None = None
    resolution: Triple | None = None
    relative_width: float = 0.1
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("scale", "resolution"):
            values = getattr(self, name)
            if values is None:
                continue
            given = np.asarray(values, dtype=np.float64)
            if given.shape != (3,) or not np.all(np.isfinite(given) & (given > 0.0)):
                raise InputError(f"{name} must be three positive numbers (nominal, up, down), got {values!r}.")
            # nanoAOD-tools lists scales as nominal, down, up, and resolutions as nominal, up, down.
            if given[1] < given[2]:
                raise InputError(f"{name} {values!r} has up below down: the order is nominal, up, down.")
        if not 0.0 < self.relative_width < 1.0:
            raise InputError(f"relative_width must lie between 0 and 1, got {self.relative_width!r}; 0.1 is usual.")
        if self.correction is not None and not isinstance(self.correction, Payload):
            raise InputError(f"correction must be read first (payloads.read_soft_drop_text), got {self.correction!r}.")

    def apply(self, events: ak.Array, jets: ak.Array | None = None, collection: str = "FatJet") -> ak.Array:
        """Return jets with the mass of `field` set.

        Parameters
        ----------
        events : NanoEvents
            Eager or virtual; not changed.
        jets : ak.Array, optional
            The collection as a provider returned it; by default as the file has it.
        collection : str

        Returns
        -------
        ak.Array
            The jets with ``<field>`` corrected, scaled and smeared, ``<field>_before`` as it was, and, on simulation,
            records of varied jets: ``JMS.up``, ``JMS.down`` with a scale, ``JMR.up``, ``JMR.down`` with a resolution.
            A mass that is not positive stays, in all of them, as does one whose correction does not reach the jet.

        Raises
        ------
        InputError
            If the events are dask's, the jets lack the field, or are not those of the collection.
        MissingBranchError
            If the smearing needs something that the file lacks.
        """
        if is_dask(events):
            raise InputError("JetMass needs eager or virtual events: map it over the partitions of dask's.")
        chunk = JetChunk.of(events, collection, "JetMass")
        jets = events[collection] if jets is None else jets
        self._check_field(ak.fields(jets), collection)
        if not np.array_equal(offsets_of(jets, "the jets"), chunk.offsets):
            raise InputError(f"the jets are not those of {collection} of these events: set the mass before cutting.")
        before, pt = (flat_column(jets[name], name).astype(np.float64) for name in (self.field, "pt"))
        factors = self.factors(chunk, before, pt)
        columns: dict[str, Any] = {f"{self.field}_before": before.astype(np.float32)}
        result = with_columns(jets, columns | {self.field: stored_mass(before, factors.nominal)})
        records = {
            name: _record(result, self.field, [stored_mass(before, factor) for factor in pair])
            for name, pair in factors.varied.items()
        }
        return with_columns(result, records)

    def check_field(self, layout: Layout) -> None:
        """Raise InputError where the jets have no such mass."""
        self._check_field(layout.fields[layout.collection], layout.collection)

    def _check_field(self, fields: Collection[str], collection: str) -> None:
        if self.field not in fields:
            raise InputError(f"{collection} has no {self.field!r}: give the mass that it has, such as 'mass'.")

    def names(self, layout: Layout) -> tuple[str, ...]:
        """Names of the variations, ``JMS`` and ``JMR``; none for data."""
        if not is_simulation(layout):
            return ()
        given = {"JMS": self.scale, "JMR": self.resolution}
        return tuple(name for name, factors in given.items() if factors is not None)

    def branches(self, layout: Layout, asker: str) -> Iterator[Branch]:
        """What is read beyond the jets' pT; raises MissingBranchError, or InputError where there is no such mass."""
        self.check_field(layout)
        yield Branch(layout.collection, self.field)
        if self.correction is not None:
            yield from jet_branches(layout, ("eta",), asker)
        if "JMR" in self.names(layout):
            self._check_generator(layout)
            yield from jet_branches(layout, ("run", "luminosity_block", "event", "eta", "phi"), asker)
            yield from (Branch(*place) for place in self._generator_fields(layout))

    def factors(self, chunk: JetChunk, mass: Floats, pt: Floats) -> MassFactors:
        """Return what the masses of the jets of a chunk are multiplied by: 1 where a mass is not positive.

        Parameters
        ----------
        chunk : JetChunk
        mass : ndarray of float64, shape (n_jets,)
            Before (GeV).
        pt : ndarray of float64, shape (n_jets,)
            Corrected (GeV).

        Raises
        ------
        MissingBranchError
            If the smearing needs something that the file lacks.
        """
        corrected = self._correction(chunk, pt)
        names = self.names(chunk.layout)
        scales = (self.scale or (1.0, 1.0, 1.0)) if names else (1.0, 1.0, 1.0)
        smearings = self._smearings(chunk, mass * corrected) if "JMR" in names else [np.ones(len(mass))] * 3
        varied: dict[str, tuple[Floats, Floats]] = {}
        if "JMS" in names:
            varied["JMS"] = (corrected * scales[1] * smearings[0], corrected * scales[2] * smearings[0])
        if "JMR" in names:
            varied["JMR"] = (corrected * scales[0] * smearings[1], corrected * scales[0] * smearings[2])
        return MassFactors(corrected * scales[0] * smearings[0], varied)

    def _correction(self, chunk: JetChunk, pt: Floats) -> Floats:
        if self.correction is None:
            return np.ones(len(pt))
        factor, valid = self.correction.evaluate({"pt_raw": pt, "eta": chunk.jet("eta").astype(np.float64)})
        return np.where(valid, factor, 1.0)

    def _smearings(self, chunk: JetChunk, mass: Floats) -> list[Floats]:
        """Smeared over unsmeared mass, nominal, up and down."""
        assert self.resolution is not None
        given = chunk.jets(("run", "luminosity_block", "event", "eta", "phi"))
        normal = standard_normal(
            given["run"], given["luminosity_block"], given["event"], given["eta"], given["phi"], self.seed
        )
        width, zero, true = np.full(len(mass), self.relative_width), np.zeros(len(mass)), self._generator_mass(chunk)
        factors = (np.full(len(mass), factor) for factor in self.resolution)
        return [smear_factor(mass, zero, width, factor, normal, true) for factor in factors]

    def _generator_fields(self, layout: Layout) -> list[tuple[str, str]]:
        """Table and field of what the generator's mass is made from."""
        wanted = [(generator_jets(layout.collection), name) for name in _FOUR]
        return wanted + ([(_SUBJETS, name) for name in _FOUR] if self.field == _SOFT_DROP else [])

    def _check_generator(self, layout: Layout) -> None:
        places = self._generator_fields(layout)
        lacking = [f"{one}_{name}" for one, name in places if name not in layout.fields.get(one, ())]
        if lacking:
            raise MissingBranchError(
                f"the smearing of {self.field} needs {', '.join(lacking)} for the generator's mass, and the file lacks "
                "it; without resolution= the mass is not smeared."
            )

    def _generator_mass(self, chunk: JetChunk) -> Floats:
        """The mass of each jet's generator jet, nearest within half the radius; 0 for none."""
        self._check_generator(chunk.layout)
        collection = chunk.layout.collection
        size = radius(collection) or 0.4
        gen = chunk.table(generator_jets(collection))
        mass = gen.flat("mass").astype(np.float64)
        if self.field == _SOFT_DROP:
            sub = chunk.table(_SUBJETS)
            parts = (sub.flat(name) for name in _FOUR)
            mass = masses_of_subjets(gen.flat("eta"), gen.flat("phi"), gen.offsets, *parts, sub.offsets, size)
        partner = match_flat(
            chunk.jet("eta"), chunk.jet("phi"), chunk.offsets, gen.flat("eta"), gen.flat("phi"), gen.offsets, size / 2
        )
        return np.nan_to_num(np.append(mass, 0.0)[partner], nan=0.0)


def stored_mass(before: npt.NDArray[Any], factor: Floats) -> npt.NDArray[np.float32]:
    """Return masses times a factor as they are kept; those that were not positive stay."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(before > 0.0, before * factor, before).astype(np.float32)


def _record(jets: ak.Array, field: str, columns: list[Any]) -> ak.contents.Content:
    """Return a record of the jets with another column, up and down."""
    varied = [ak.to_layout(with_columns(jets, {field: column})).content for column in columns]
    return ak.contents.RecordArray(varied, ["up", "down"])
