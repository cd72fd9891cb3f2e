"""The base of all measurements: what the label of a figure says, and a measurement that a user adds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
import pytest
from coffea.nanoevents import NanoAODSchema, NanoEventsFactory
from coffea.processor import accumulate

from coffea_mljec.validation import (
    BalanceProcessor,
    DijetProcessor,
    MassProcessor,
    ResponseProcessor,
    WidthProcessor,
)
from coffea_mljec.validation.common.accumulated import Accumulated
from coffea_mljec.validation.common.events import Chunk, FlatDirections, sample_of
from coffea_mljec.validation.common.filling import fill
from coffea_mljec.validation.common.measurement import MeasurementProcessor, MeasurementSummary
from coffea_mljec.validation.registry import MEASUREMENTS


def test_the_registry_holds_every_processor() -> None:
    assert [measurement.processor for measurement in MEASUREMENTS.values()] == [
        ResponseProcessor, WidthProcessor, MassProcessor, DijetProcessor, BalanceProcessor,
    ]  # fmt: skip
    for measurement in MEASUREMENTS.values():
        own = set(vars(measurement.processor)) & set(vars(MeasurementProcessor))
        assert {name for name in own if not name.startswith("__")} <= {"_measure", "summary", "_abc_impl"}


def test_what_the_events_are(make_events: Callable[..., ak.Array]) -> None:
    events = make_events(5)
    assert sample_of(events, "Jet", "GenJet") == {"origin": {"NanoAOD simulation": 5}, "jets": {"AK4": 5}}
    assert sample_of(events, "Jet", "none")["origin"] == {"NanoAOD data": 5}
    marked = ak.with_field(events, ak.zip({"simulation": np.ones(5, np.int32)}), "MLJEC")
    assert sample_of(marked, "Jet", "GenJet")["origin"] == {"coffea-mljec simulation": 5}
    with_id = ak.with_field(events, ak.with_field(events["Jet"], ak.ones_like(events["Jet"]["pt"]), "puId"), "Jet")
    assert sample_of(with_id, "Jet", "GenJet")["jets"] == {"AK4 CHS": 5}


def test_the_label_says_what_is_known(scaled: Any, make_events: Callable[..., ak.Array]) -> None:
    judge = ResponseProcessor({"standard": scaled(1.25)}, replicas=2)
    summary = judge.summary(accumulate([judge.process(make_events(30)), judge.process(make_events(20, seed=2))]))
    caption = summary.caption()
    assert (caption.whose, caption.right) == ("NanoAOD simulation", "AK4, 50 events")
    assert summary.caption("mine", 13.6).right == "AK4, 13.6 TeV, 50 events"
    assert summary.caption("mine").whose == "mine"


def test_the_energy_comes_from_the_metadata(nano_file: Path) -> None:
    events = NanoEventsFactory.from_root(
        {str(nano_file): "Events"}, schemaclass=NanoAODSchema, mode="virtual", metadata={"sqrt_s": 13.6}, entry_stop=3
    ).events()
    assert sample_of(events, "Jet", "GenJet")["sqrt_s"] == {"13.6 TeV": 3}


@dataclass(frozen=True)
class MeanSummary(MeasurementSummary):
    means: dict[str, float]


class MeanPt(MeasurementProcessor):
    """The mean pT of all jets: as much as a measurement needs."""

    def _measure(self, events: ak.Array, chunk: Chunk) -> dict[str, Any]:
        offsets = FlatDirections.of(events, self.collection).offsets
        event = np.repeat(np.arange(len(chunk)), np.diff(offsets))
        histogram = self._histogram(hist.axis.Regular(10, 0, 100, name="pt"))
        for name, found in self._corrected(events, offsets).items():
            fill(histogram, found.pt, {"provider": name}, event, chunk.weights, chunk.replica_weights)
        return {"pt": histogram, "counts": {"events": len(chunk)}}

    def summary(
        self, accumulated: Mapping[str, Mapping[str, Any]], datasets: Iterable[str] | None = None
    ) -> MeanSummary:
        found = Accumulated(accumulated, datasets)
        histogram = found.histogram("pt")
        content, middle = histogram.view()[0], histogram.axes["pt"].centers
        means = dict(zip(histogram.axes["provider"], (middle @ content / content.sum(axis=0)).tolist(), strict=True))
        return MeanSummary(**found.shared(histogram), means=means)


@pytest.mark.parametrize("weight", [None, "genWeight"])
def test_a_measurement_is_two_methods(scaled: Any, make_events: Callable[..., ak.Array], weight: str | None) -> None:
    judge = MeanPt({"a": scaled(1.25), "b": scaled(1.5)}, "Jet", "GenJet", weight, 3, 0.2)
    events = make_events(200)
    whole, parts = judge.process(events), accumulate([judge.process(events[:70]), judge.process(events[70:])])
    assert np.allclose(whole["events"]["pt"].view(flow=True), parts["events"]["pt"].view(flow=True), rtol=1e-12)
    summary = judge.summary(parts)
    assert (summary.replicas, summary.counts, summary.datasets) == (3, {"events": 200}, ["events"])
    assert summary.means["b"] > summary.means["a"]
    assert set(summary.to_dict()) == {"providers", "datasets", "replicas", "counts", "sample", "means"}


def test_methods_of_the_base_are_final() -> None:
    with pytest.raises(TypeError, match="abstract"):
        MeasurementProcessor({}, "Jet", "GenJet", None, 0, 0.2)  # type: ignore[abstract]
