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


def jagged(counts: np.ndarray, **columns: np.ndarray) -> ak.Array:
    return ak.zip({name: ak.unflatten(values, counts) for name, values in columns.items()})


def synthetic(n_events: int, seed: int = 1) -> dict[str, Any]:
    """Columns of ``n_events`` events: about five jets each, raw response 0.9 with a width falling with pT; pileup."""
    rng = np.random.default_rng(seed)
    gen_counts = rng.poisson(4.0, n_events)
    n = int(gen_counts.sum())
    gen = {
        "pt": 20.0 * (1 - rng.random(n)) ** (-1 / 1.2),
        "eta": rng.uniform(-4.8, 4.8, n),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "mass": np.full(n, 5.0),
    }
    flavour = rng.choice([1, -1, 2, -2, 3, 4, 5, 21, 0], n)
    raw = gen["pt"] * rng.normal(0.9, np.hypot(0.05, 0.8 / np.sqrt(gen["pt"])))
    raw_factor = np.full(n, 0.125)
    jets = {
        "pt": np.abs(raw) / (1 - raw_factor),
        "eta": gen["eta"] + rng.normal(0, 0.02, n),
        "phi": gen["phi"] + rng.normal(0, 0.02, n),
        "mass": np.full(n, 6.0),
        "rawFactor": raw_factor,
        "hadronFlavour": np.where(np.abs(flavour) == 5, 5, np.where(np.abs(flavour) == 4, 4, 0)),
        "partonFlavour": flavour,
    }
    extra = rng.poisson(1.0, n_events)
    m = int(extra.sum())
    pileup = {name: np.zeros(m) for name in jets} | {
        "pt": rng.exponential(10.0, m) + 10.0,
        "eta": rng.uniform(-4.8, 4.8, m),
        "phi": rng.uniform(-np.pi, np.pi, m),
    }
    joined = ak.concatenate([jagged(gen_counts, **jets), jagged(extra, **pileup)], axis=1)
    types = {name: np.float32 for name in jets} | {"hadronFlavour": np.int32, "partonFlavour": np.int16}
    return {
        "run": np.ones(n_events, np.uint32),
        "luminosityBlock": (np.arange(n_events) // 100 + 1).astype(np.uint32),
        "event": np.arange(1, n_events + 1).astype(np.uint64),
        "genWeight": rng.normal(1.0, 0.7, n_events).astype(np.float32),
        "Jet": ak.zip({name: ak.values_astype(joined[name], kind) for name, kind in types.items()}),
        "GenJet": ak.values_astype(jagged(gen_counts, **gen), np.float32),
    }


@pytest.fixture(scope="session")
def scaled() -> type[Scaled]:
    """The class of the fake providers: ``scaled(factor, flavour_shift=0.0, status=1)``."""
    return Scaled


@pytest.fixture(scope="session")
def make_events() -> Callable[..., ak.Array]:
    """``make_events(n_events, seed=1)``: synthetic events in memory."""

    def make(n_events: int, seed: int = 1) -> ak.Array:
        return ak.zip(synthetic(n_events, seed), depth_limit=1)

    return make


@pytest.fixture(scope="session")
def nano_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 synthetic events as a NanoAOD file."""
    import uproot

    path = tmp_path_factory.mktemp("nano") / "synthetic.root"
    columns = synthetic(600)
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: _branch_type(array) for name, array in columns.items()})
        file["Events"].extend(columns)
    return path


def _branch_type(array: Any) -> Any:
    return array.type.content if isinstance(array, ak.Array) else array.dtype


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
