"""Synthetic NanoAOD for the validation: jets with a known response, in memory and in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.validation.common.binning import FLAVOURS, jet_histogram, response_histogram
from coffea_mljec.validation.common.filling import base_cells, fill_jets, fill_responses
from coffea_mljec.validation.common.replicas import poisson_weights
from tests.factories import response_events, write

# What each flavour's response is off by, in the order of FLAVOURS.
SHIFTS = (0.0, 0.03, -0.03, -0.06, -0.12, -0.09, 0.0)


class Scaled:
    """A provider for tests: raw pT times a constant; nothing of the corrections room is needed."""

    def __init__(self, factor: float, flavour_shift: float = 0.0, status: int = 1) -> None:
        self.factor, self.flavour_shift, self.status = factor, flavour_shift, status

    def apply(self, events: ak.Array, collection: str = "Jet") -> ak.Array:
        jets = events[collection]
        pt = jets.pt * (1 - jets.rawFactor) * self.factor
        if self.flavour_shift:
            pt = pt * (1 + self.flavour_shift * (jets.partonFlavour == 21))
        jets = ak.with_field(jets, pt, "pt")
        return ak.with_field(jets, ak.values_astype(ak.full_like(pt, self.status), np.uint8), "mljec_status")


@pytest.fixture(scope="session")
def scaled() -> type[Scaled]:
    """The class of the fake providers: ``scaled(factor, flavour_shift=0.0, status=1)``."""
    return Scaled


@pytest.fixture(scope="session")
def make_events() -> Callable[..., ak.Array]:
    """``make_events(n_events, seed=1)``: synthetic events in memory."""

    def make(n_events: int, seed: int = 1) -> ak.Array:
        return ak.zip(response_events(n_events, seed).records(), depth_limit=1)

    return make


@pytest.fixture(scope="session")
def nano_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 synthetic events as a NanoAOD file."""
    return write(response_events(600), tmp_path_factory.mktemp("nano") / "synthetic.root")


@pytest.fixture
def open_file(nano_file: Path) -> Callable[..., Any]:
    """``open_file(mode, entry_start=None, entry_stop=None)``: NanoEvents of the synthetic file."""

    def open_it(mode: str = "virtual", **options: Any) -> Any:
        from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

        return NanoEventsFactory.from_root(
            {str(nano_file): "Events"}, schemaclass=NanoAODSchema, mode=mode, metadata={"dataset": "toy"}, **options
        ).events()

    return open_it


class Toy:
    """Jets with a known response of three kinds, and what the processor would have accumulated of them."""

    def __init__(self, n: int = 24_000) -> None:
        rng = np.random.default_rng(7)
        self.pt = 20.0 * (1 - rng.random(n)) ** (-1 / 1.3)
        self.eta = rng.uniform(0.0, 4.9, n)
        self.flavour = rng.choice(np.array(FLAVOURS), n, p=[0.15, 0.15, 0.12, 0.15, 0.15, 0.26, 0.02])
        shift = np.array(SHIFTS)[[FLAVOURS.index(name) for name in self.flavour]]
        width = np.hypot(0.05, 0.8 / np.sqrt(self.pt))
        noise = rng.normal(size=n)
        self.response = {
            "standard": 1 + shift + width * noise,
            "model": 1 + 0.3 * shift + 0.85 * width * noise,
            "flat": 1 + width * noise,
        }
        self.accumulated = self.make({"standard": "standard", "model": "model"})

    def make(self, kinds: dict[str, str], keep: int | None = None, replicas: int = 30) -> dict[str, Any]:
        """Accumulated output with provider -> kind of response, from the first `keep` jets."""
        index = np.array([FLAVOURS.index(name) for name in self.flavour[:keep]], np.int64)
        histogram, jets = response_histogram(list(kinds), replicas, weighted=False), jet_histogram()
        base = base_cells(self.pt[:keep], self.eta[:keep], index, jets)
        fill_jets(jets, base)
        event = np.arange(len(self.pt), dtype=np.int64)
        poisson = poisson_weights(np.ones_like(event), np.ones_like(event), event, replicas)
        ones = np.ones_like(event)
        for name, kind in kinds.items():
            fill_responses(histogram, name, self.response[kind][:keep], base, event[: len(base)], ones, poisson)
        status = {name: {1: 10} if kind == "standard" else {0: 2, 5: 8} for name, kind in kinds.items()}
        return {
            "toy": {
                "response": histogram,
                "jets": jets,
                "counts": {"events": len(event), "judged": len(base)},
                "non_finite": dict.fromkeys(kinds, 0),
                "status": status,
            }
        }


@pytest.fixture(scope="session")
def toy() -> Any:
    """Known jets (`pt`, `eta`, `flavour`, `response`), ``make(kinds)`` and ``accumulated``."""
    return Toy()
