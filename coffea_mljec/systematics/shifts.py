"""The options of every provider that vary its jets, and their values for one chunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict, get_args

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.nano.algorithm import generator_jets, is_simulation, radius
from coffea_mljec.nano.quantities import outside
from coffea_mljec.nano.requirements import jet_branches
from coffea_mljec.payloads import Resolution, ScaleFactor, Uncertainties
from coffea_mljec.payloads.suitability import Made
from coffea_mljec.systematics import JERSmear, generator_pt
from coffea_mljec.systematics.jet_mass import JetMass
from coffea_mljec.systematics.resolution_bins import RESOLUTION_BINS
from coffea_mljec.systematics.shifted import Shifted

__all__ = ["BoundSources", "SystematicOptions", "Systematics"]

FloatArray = npt.NDArray[np.float64]
Method = Literal["hybrid", "stochastic"]


class BoundSources(Protocol):
    """Uncertainty sources bound to jets."""

    def evaluate(self, source: str) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        """Relative shifts up and down, and where they are valid."""


class Sources(Made, Protocol):
    """Uncertainties of the jet energy scale (`Uncertainties`, or coffea's)."""

    @property
    def sources(self) -> tuple[str, ...]: ...

    def at(self, columns: Mapping[str, npt.ArrayLike]) -> BoundSources:
        """Bind the sources to jets: ``pt`` (corrected) and the columns that they read."""


class SystematicOptions(TypedDict, total=False):
    """Options of every provider.

    Attributes
    ----------
    uncertainties : Uncertainties
        Sources of the jet energy scale; they are evaluated at the corrected (and smeared) pT.
    resolution, scale_factor : Resolution, ScaleFactor
        Smear jets of simulation to the resolution of data. Jets of data are never smeared.
    smearing : {"hybrid", "stochastic"} or JERSmear
        Scale jets with a generator jet and smear the others at random (the default), or smear all at random, or leave
        it to the JERC group's own tool.
    unsmeared_eta : (float, float)
        Range of |eta| in which jets without a generator jet are left alone: CMS recommends (2.5, 3.0) for Run 3.
    split_resolution : bool
        Vary the resolution in six bins of abs(eta) and pT, each by itself: ``JER_eta0to1p93_pt0toInf``, ... instead of
        ``JER`` (`coffea_mljec.systematics.resolution_bins`).
    jet_resolution : bool
        Smear each jet by its own resolution, the ``pt_resolution`` that the correction gives; by ``resolution`` those
        that have none, such as those of a fallback.
    seed : int
        Of the random numbers, which belong to the jet: run, luminosity block, event and direction.
    qualified : bool
        Names of variations end with the jet algorithm, ``JES_Total_AK4PFPuppi``, so that AK4 and AK8 vary separately.
    standard_jets : bool
        Allow payloads measured on standard jets for a provider whose jets respond differently, as an approximation.
    jet_mass : JetMass, or several
        Correct, scale and smear masses after the pT: with ``JMS`` and ``JMR`` among the variations. One of each field;
        all masses vary together.
    generator_pt_field : str
        Field of the jets with the pT of their generator jet (coffea's ``ptGenJet``). Without it, or where the jets lack
        it, generator jets are looked for: nearest first within half the radius.
    """

    uncertainties: Uncertainties | None
    resolution: Resolution | None
    scale_factor: ScaleFactor | None
    smearing: Method | JERSmear
    unsmeared_eta: tuple[float, float] | None
    split_resolution: bool
    jet_resolution: bool
    seed: int
    qualified: bool
    standard_jets: bool
    jet_mass: JetMass | Sequence[JetMass] | None
    generator_pt_field: str | None


@dataclass(frozen=True)
class Systematics:
    """Checked options; see `SystematicOptions`.

    Raises
    ------
    InputError
        A resolution without a scale factor or the reverse, an unknown method, a payload that was not read.
    """

    uncertainties: Sources | None = None
    resolution: Resolution | None = None
    scale_factor: ScaleFactor | None = None
    smearing: Method | JERSmear = "hybrid"
    unsmeared_eta: tuple[float, float] | None = None
    split_resolution: bool = False
    jet_resolution: bool = False
    seed: int = 0
    qualified: bool = False
    standard_jets: bool = False
    jet_mass: JetMass | Sequence[JetMass] | None = None
    generator_pt_field: str | None = None

    def __post_init__(self) -> None:
        if (self.resolution is None) != (self.scale_factor is None):
            given, lacking = ("resolution", "scale_factor") if self.resolution is not None else (
                "scale_factor", "resolution",
            )  # fmt: skip
            raise InputError(
                f"{given} without {lacking}: smearing needs both. They are in the same file "
                "(jet_jerc.json.gz), or in *_PtResolution_*.jr.txt and *_SF_*.jersf.txt."
            )
        if self.jet_resolution and self.resolution is None:
            raise InputError(
                "jet_resolution without resolution: jets without a resolution of their own are smeared by it; give "
                "resolution and scale_factor too."
            )
        for name, kinds in (
            ("uncertainties", ("sources", "at")),
            ("resolution", ("tag", "evaluate")),
            ("scale_factor", ("tag", "evaluate")),
        ):
            value = getattr(self, name)
            if value is not None and not all(hasattr(value, kind) for kind in kinds):
                raise InputError(
                    f"{name} must be read first (coffea_mljec.payloads.read_{name}_json or _text); got {value!r}."
                )
        if not isinstance(self.smearing, JERSmear) and self.smearing not in get_args(Method):
            raise InputError(f"smearing must be 'hybrid', 'stochastic' or a JERSmear; got {self.smearing!r}.")
        self._check_masses()

    def _check_masses(self) -> None:
        wrong = [one for one in self.masses if not isinstance(one, JetMass)]
        fields = [one.field for one in self.masses if isinstance(one, JetMass)]
        if wrong or len(set(fields)) < len(fields):
            raise InputError(f"jet_mass must be a JetMass, or several of different fields; got {self.jet_mass!r}.")
        if self.resolution is not None and any(one.resolution and one.seed == self.seed for one in self.masses):
            raise InputError(
                f"jet_mass and the smearing of pT have the seed {self.seed} both, so that they would go together: give "
                "JetMass another one."
            )

    @property
    def masses(self) -> tuple[JetMass, ...]:
        """What is done to masses."""
        if self.jet_mass is None:
            return ()
        return (self.jet_mass,) if isinstance(self.jet_mass, JetMass) else tuple(self.jet_mass)

    def mass_names(self, layout: Layout) -> tuple[str, ...]:
        """Names of the variations of masses."""
        return tuple(dict.fromkeys(name for one in self.masses for name in one.names(layout)))

    @property
    def payloads(self) -> dict[str, Made]:
        """Those that are there, by name."""
        named = {name: getattr(self, name) for name in ("uncertainties", "resolution", "scale_factor")}
        return {name: value for name, value in named.items() if value is not None}

    def smears(self, layout: Layout) -> bool:
        """Whether the jets of these events are smeared."""
        return self.resolution is not None and is_simulation(layout)

    def resolution_names(self, layout: Layout) -> tuple[str, ...]:
        """Names of the variations of the resolution, which come first; none where jets are not smeared."""
        if not self.smears(layout):
            return ()
        return tuple(f"JER_{one.name}" for one in RESOLUTION_BINS) if self.split_resolution else ("JER",)

    def names(self, layout: Layout) -> tuple[str, ...]:
        """Names of the variations of pT, in coffea's convention."""
        names = list(self.resolution_names(layout))
        if self.uncertainties is not None:
            names += [f"JES_{source}" for source in self.uncertainties.sources]
        if self.qualified and names:
            (algorithm, *_) = [made.algorithm for made in self.payloads.values()]
            names = [f"{name}_{algorithm}" for name in names]
        return tuple(names)

    def branches(self, layout: Layout, asker: str) -> Iterator[Branch]:
        """What is read beyond the corrected pT; raises MissingBranchError."""
        yield from jet_branches(layout, self._quantities(layout), asker)
        if self.smears(layout) and self.smearing != "stochastic":
            if self.generator_pt_field in layout.fields[layout.collection]:
                yield Branch(layout.collection, str(self.generator_pt_field))
                return
            table = generator_jets(layout.collection)
            missing = [name for name in ("pt", "eta", "phi") if name not in layout.fields.get(table, ())]
            if missing:
                raise MissingBranchError(
                    f"the smearing of {asker} needs {', '.join(f'{table}_{name}' for name in missing)} to find each "
                    "jet's generator jet, and the file lacks it. smearing='stochastic' does without."
                )
            yield from (Branch(table, name) for name in ("pt", "eta", "phi"))

    def _quantities(self, layout: Layout) -> tuple[str, ...]:
        """Canonical jet quantities, beyond pT."""
        needed = {"eta"}
        if self.smears(layout):
            needed |= {"phi", "rho", "run", "luminosity_block", "event"}
        elif self.uncertainties is not None:
            needed |= set(getattr(self.uncertainties, "inputs", ())) - {"pt"}
        return tuple(sorted(needed))

    def bad(self, chunk: JetChunk) -> npt.NDArray[np.bool_]:
        """Jets whose smearing or shifts cannot be known: a quantity that cannot be so, of the jet or of its generator
        jet; where it is looked for, of any generator jet of the event. Shape (n_jets,)."""
        if not self.payloads:
            return np.zeros(len(chunk), np.bool_)
        tuple(self.branches(chunk.layout, chunk.asker))
        found = chunk.bad(self._quantities(chunk.layout))
        if not self.smears(chunk.layout) or self.smearing == "stochastic":
            return found
        collection = chunk.layout.collection
        if self.generator_pt_field in chunk.layout.fields[collection]:
            pt = chunk.field(str(self.generator_pt_field))  # NaN and negative: none
            return found | ((pt > 0) & outside("jet", "pt", pt))
        generated = chunk.table(generator_jets(collection))
        impossible = np.zeros(int(generated.offsets[-1]), np.bool_)
        for name in ("pt", "eta", "phi"):
            impossible |= outside("jet", name, generated.flat(name))
        if impossible.any():
            event = np.repeat(np.arange(len(generated.counts)), generated.counts)[impossible]
            affected = np.zeros(len(generated.counts), np.bool_)
            affected[event] = True
            found |= np.repeat(affected, np.diff(chunk.offsets))
        return found

    def of(self, chunk: JetChunk, columns: Mapping[str, npt.NDArray[Any]]) -> Shifted:
        """Bind to the jets of a chunk.

        Parameters
        ----------
        chunk : JetChunk
        columns : mapping of str to ndarray, shape (n_jets,)
            ``pt``, corrected, before smearing (GeV); ``pt_resolution`` where the correction gives one.

        Raises
        ------
        InputError
            If the jets' own resolution is asked for and the correction gives none.
        MissingBranchError
        """
        tuple(self.branches(chunk.layout, chunk.asker))
        smears = self.smears(chunk.layout)
        pt_gen = self._generator_pt(chunk) if smears and self.smearing != "stochastic" else None
        pt, given = columns["pt"].astype(np.float64), chunk.jets(self._quantities(chunk.layout))
        return Shifted(self, given, pt, pt_gen, smears, self._own_resolution(columns, chunk) if smears else None)

    def _own_resolution(self, columns: Mapping[str, npt.NDArray[Any]], chunk: JetChunk) -> FloatArray | None:
        """The jets' own resolution, if it is asked for."""
        if not self.jet_resolution:
            return None
        if "pt_resolution" not in columns:
            raise InputError(
                f"jet_resolution=True, but {chunk.asker} gives no pt_resolution: take a model with quantiles or a "
                "resolution among its outputs, or leave jet_resolution out."
            )
        return columns["pt_resolution"].astype(np.float64)

    def _generator_pt(self, chunk: JetChunk) -> FloatArray:
        collection = chunk.layout.collection
        if self.generator_pt_field in chunk.layout.fields[collection]:
            return chunk.field(str(self.generator_pt_field)).astype(np.float64)
        generated = chunk.table(generator_jets(collection))
        pt, eta, phi = (generated.flat(name) for name in ("pt", "eta", "phi"))
        size = radius(collection) or 0.4
        return generator_pt(chunk.jet("eta"), chunk.jet("phi"), chunk.offsets, pt, eta, phi, generated.offsets, size)
