"""What a measurement is made of: a processor that fills histograms, a summary of numbers, figures, sections of a page.

Each measurement has a folder (`response`, `width`, `mass`, `dijet`, `balance`) whose ``measurement.py`` gathers these
four; `coffea_mljec.validation.registry` lists them. A new one implements the abstract methods of `MeasurementProcessor`
and derives its summary from `MeasurementSummary`; nothing else of these classes is overridden.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

import awkward as ak
import hist
import numpy as np
import numpy.typing as npt
from coffea import processor

from coffea_mljec.validation.common.binning import replica_histogram
from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.events import (
    Chunk,
    CorrectedPt,
    JetCorrector,
    check_events,
    check_providers,
    corrected_pt,
    generator_pt,
    open_chunk,
    sample_of,
)
from coffea_mljec.validation.common.section import Drawing, Section

__all__ = ["Measurement", "MeasurementProcessor", "MeasurementSummary"]


@dataclass(frozen=True)
class MeasurementSummary:
    """What every summary holds; a subclass adds its numbers.

    Attributes
    ----------
    providers, datasets : list of str
        In the order of the axes; those that were added up.
    replicas : int
        Bootstrap replicas behind the errors.
    counts : dict of str to int
        ``events``, and what else the processor counted.
    sample : dict of str to dict of str to int
        What the events are: see `coffea_mljec.validation.common.events.sample_of`.
    """

    providers: list[str]
    datasets: list[str]
    replicas: int
    counts: dict[str, int]
    sample: dict[str, dict[str, int]]

    @final
    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings, ints, floats and None, as JSON holds them."""
        return asdict(self)

    @final
    def caption(self, label: str | None = None, energy: float | None = None) -> Caption:
        """What stands above a figure: whose jets, which, at what energy, of how many events.

        Parameters
        ----------
        label : str, optional
            Whose jets; by default what the events say of themselves.
        energy : float, optional
            Centre-of-mass energy in TeV; by default that of the datasets' metadata, if they have one.
        """
        origin, jets, known = (" and ".join(self.sample.get(kind, {})) or None for kind in ("origin", "jets", "sqrt_s"))
        return Caption(
            label or origin or "", jets, known if energy is None else f"{energy:g} TeV", self.counts.get("events")
        )


class MeasurementProcessor(processor.ProcessorABC):
    """Fills histograms of any providers, side by side, on the same events.

    Parameters
    ----------
    providers : mapping of str to provider
        Name -> object with ``apply(events, collection)``; the names are the categories of the ``provider`` axis.
    collection, gen_collection : str
        Jets, and generator jets; events without the latter are taken for data.
    weight : str or None
        Event-level branch to weight with; histograms then hold float64 sums. Without it they hold exact int64 counts.
    replicas : int
        Bootstrap replicas behind the errors.
    max_dr : float
        Radius of the matching with generator jets.
    """

    def __init__(
        self,
        providers: Mapping[str, JetCorrector],
        collection: str,
        gen_collection: str,
        weight: str | None,
        replicas: int,
        max_dr: float,
    ) -> None:
        check_providers(providers, replicas)
        self.providers = dict(providers)
        self.collection = collection
        self.gen_collection = gen_collection
        self.weight = weight
        self.replicas = replicas
        self.max_dr = max_dr

    @abstractmethod
    def _measure(self, events: ak.Array, chunk: Chunk) -> dict[str, Any]:
        """Return histograms and counters (``counts`` among them) of one chunk; all of them add up."""

    @abstractmethod
    def summary(
        self, accumulated: Mapping[str, Mapping[str, Any]], datasets: Iterable[str] | None = None
    ) -> MeasurementSummary:
        """Turn what was accumulated into numbers."""

    @final
    def process(self, events: ak.Array) -> dict[str, dict[str, Any]]:
        """Measure one chunk.

        Parameters
        ----------
        events : NanoEvents
            Eager or virtual.

        Returns
        -------
        dict
            Dataset -> histograms and counters: see the notes of the class.

        Raises
        ------
        InputError
            If `events` is no array of events or lacks the jets; if its weights are not finite; if a provider returns
            another number of jets.
        MissingBranchError
            If event numbers, the weight's branch or what the measurement needs are missing.
        """
        check_events(events, self.collection, self.weight)
        chunk = open_chunk(events, self.weight, self.replicas)
        found = self._measure(events, chunk)
        found["sample"] = sample_of(events, self.collection, self.gen_collection)
        return {chunk.dataset: found}

    @final
    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Return the accumulated chunks as they are; `summary` reads them."""
        return accumulator

    @final
    def _corrected(self, events: ak.Array, offsets: npt.NDArray[np.int64]) -> dict[str, CorrectedPt]:
        """Every provider's pT of all jets."""
        return corrected_pt(self.providers, events, self.collection, offsets)

    @final
    def _generator_pt(self, events: ak.Array) -> npt.NDArray[np.float64] | None:
        """Generator pT of all jets (GeV), 0 for those without a partner; None on data."""
        if self.gen_collection not in ak.fields(events):
            return None
        return generator_pt(events, self.collection, self.gen_collection, self.max_dr)

    @final
    def _histogram(self, *axes: Any) -> hist.Hist[Any]:
        """An empty histogram of these axes, that of the value first, for all replicas and providers."""
        return replica_histogram(axes, list(self.providers), self.replicas, self.weight is not None)


@dataclass(frozen=True)
class Measurement:
    """One measurement: what the report and the command line know of it.

    Attributes
    ----------
    name : str
        Its key in ``numbers.json`` and in the registry.
    processor : type
        A `MeasurementProcessor`, from providers and keywords.
    draw : callable of (summary, caption)
        Yields its figures; the style must be in force while they are drawn and saved.
    sections : callable of summary
        Its parts of the page: words and tables; figures go to the section that they name.
    about : callable of summary
        A sentence on what was measured, on how much.
    needs_generator : bool
        Whether it measures nothing on data.
    summary_options : callable of str
        What a report hands to the processor's ``summary``, from the name of the standard.
    markdown : callable of summary, optional
        Its tables for ``table.md``.
    needs_field : str, optional
        A field of corrected jets without which it measures nothing.
    collections : tuple of str, optional
        Jets that a report measures it on; all by default.
    """

    name: str
    processor: Callable[..., MeasurementProcessor]
    draw: Callable[[Any, Caption], Iterator[Drawing]]
    sections: Callable[[Any], list[Section]]
    about: Callable[[Any], str]
    needs_generator: bool
    summary_options: Callable[[str], dict[str, Any]]
    markdown: Callable[[Any], str] | None = None
    needs_field: str | None = None
    collections: tuple[str, ...] | None = None

    def measures(self, collection: str, simulation: bool, fields: Container[str]) -> bool:
        """Whether it measures anything on such jets, whose corrected ones have these fields."""
        return (
            (simulation or not self.needs_generator)
            and (self.needs_field is None or self.needs_field in fields)
            and (self.collections is None or collection in self.collections)
        )
