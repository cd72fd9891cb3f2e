"""Scale and smearing of a mass of large jets (JMS, JMR), with variations; its own correction before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import JetChunk
from coffea_mljec.nano.algorithm import generator_jets, is_simulation, radius
from coffea_mljec.nano.detection import is_dask
from coffea_mljec.nano.jagged import flat_column, offsets_of, with_columns
from coffea_mljec.numerics.matching import match_flat
from coffea_mljec.numerics.subjets import masses_of_subjets
from coffea_mljec.payloads import Payload
from coffea_mljec.systematics.randomness import standard_normal
from coffea_mljec.systematics.smearing import smear_factor

__all__ = ["JetMass"]

Floats = npt.NDArray[np.float64]
Triple = tuple[float, float, float]

_SUBJETS = "SubGenJetAK8"
_SOFT_DROP = "msoftdrop"
_FOUR = ("pt", "eta", "phi", "mass")


@dataclass(frozen=True)
class JetMass:
    """Corrects, scales and smears a mass of jets, as CMS's fatJetUncertainties does, and varies scale and resolution.

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
        if self.field not in ak.fields(jets):
            raise InputError(f"{collection} has no {self.field!r}: give the mass that it has, such as 'mass'.")
        if not np.array_equal(offsets_of(jets, "the jets"), chunk.offsets):
            raise InputError(f"the jets are not those of {collection} of these events: set the mass before cutting.")
        before = flat_column(jets[self.field], self.field).astype(np.float64)
        mass = self._corrected(jets, before)
        columns: dict[str, Any] = {f"{self.field}_before": before.astype(np.float32)}
        if not is_simulation(chunk.layout):
            return with_columns(jets, columns | {self.field: _stored(mass, before)})
        scales, smearings = self.scale or (1.0, 1.0, 1.0), self._smearings(chunk, mass)
        nominal = mass * scales[0] * smearings[0]
        result = with_columns(jets, columns | {self.field: _stored(nominal, before)})
        varied: dict[str, list[Floats]] = {}
        if self.scale is not None:
            varied["JMS"] = [mass * scale * smearings[0] for scale in scales[1:]]
        if self.resolution is not None:
            varied["JMR"] = [mass * scales[0] * smearing for smearing in smearings[1:]]
        records = {
            name: _record(
                result, {"up": {self.field: _stored(up, before)}, "down": {self.field: _stored(down, before)}}
            )
            for name, (up, down) in varied.items()
        }
        return with_columns(result, records)

    def _corrected(self, jets: ak.Array, mass: Floats) -> Floats:
        if self.correction is None:
            return mass
        columns = {"pt_raw": "pt", "eta": "eta"}
        given = {name: flat_column(jets[field], field).astype(np.float64) for name, field in columns.items()}
        factor, valid = self.correction.evaluate(given)
        return np.where(valid, mass * factor, mass)

    def _smearings(self, chunk: JetChunk, mass: Floats) -> list[Floats]:
        """Smeared over unsmeared mass, nominal, up and down."""
        if self.resolution is None:
            return [np.ones(len(mass))] * 3
        given = chunk.jets(("run", "luminosity_block", "event", "eta", "phi"))
        normal = standard_normal(
            given["run"], given["luminosity_block"], given["event"], given["eta"], given["phi"], self.seed
        )
        width, zero, true = np.full(len(mass), self.relative_width), np.zeros(len(mass)), self._generator_mass(chunk)
        factors = (np.full(len(mass), factor) for factor in self.resolution)
        return [smear_factor(mass, zero, width, factor, normal, true) for factor in factors]

    def _generator_mass(self, chunk: JetChunk) -> Floats:
        """The mass of each jet's generator jet, nearest within half the radius; 0 for none."""
        collection = chunk.layout.collection
        size, table = radius(collection) or 0.4, generator_jets(collection)
        wanted = [(table, name) for name in _FOUR]
        wanted += [(_SUBJETS, name) for name in _FOUR] if self.field == _SOFT_DROP else []
        lacking = [f"{one}_{name}" for one, name in wanted if name not in chunk.layout.fields.get(one, ())]
        if lacking:
            raise MissingBranchError(
                f"the smearing of {self.field} needs {', '.join(lacking)} for the generator's mass, and the file lacks "
                "it; without resolution= the mass is not smeared."
            )
        gen = chunk.table(table)
        mass = gen.flat("mass").astype(np.float64)
        if self.field == _SOFT_DROP:
            sub = chunk.table(_SUBJETS)
            parts = (sub.flat(name) for name in _FOUR)
            mass = masses_of_subjets(gen.flat("eta"), gen.flat("phi"), gen.offsets, *parts, sub.offsets, size)
        partner = match_flat(
            chunk.jet("eta"), chunk.jet("phi"), chunk.offsets, gen.flat("eta"), gen.flat("phi"), gen.offsets, size / 2
        )
        return np.nan_to_num(np.append(mass, 0.0)[partner], nan=0.0)


def _stored(mass: Floats, before: Floats) -> npt.NDArray[np.float32]:
    """Return the masses as they are kept; those that were not positive stay."""
    with np.errstate(over="ignore"):
        return np.where(before > 0.0, mass, before).astype(np.float32)


def _record(jets: ak.Array, ways: dict[str, dict[str, Any]]) -> ak.contents.Content:
    """Return a record of the jets with other columns, one a way."""
    varied = {way: ak.to_layout(with_columns(jets, columns)).content for way, columns in ways.items()}
    return ak.contents.RecordArray(list(varied.values()), list(varied))
