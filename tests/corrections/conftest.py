"""A small NanoAOD file of our own: generator jets, stored regressions, everything that variations need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

N_EVENTS = 40


def write_nano(path: Path, simulation: bool = True) -> Path:
    """Write `N_EVENTS` events with zero to five jets, most of them with a generator jet close by."""
    rng = np.random.default_rng(7)
    counts = rng.integers(0, 6, N_EVENTS)
    n = int(counts.sum())
    pt_gen = rng.uniform(20, 300, n)
    eta, phi = rng.uniform(-3, 3, n), rng.uniform(-3.1, 3.1, n)
    jets: dict[str, Any] = {
        "pt": pt_gen * rng.normal(1, 0.12, n),
        "eta": eta,
        "phi": phi,
        "mass": pt_gen * 0.1,
        "rawFactor": rng.uniform(-0.1, 0.1, n),
        "area": rng.uniform(0.4, 0.6, n),
        "PNetRegPtRawCorr": rng.uniform(0.8, 1.2, n),
        "PNetRegPtRawCorrNeutrino": rng.uniform(1.0, 1.1, n),
        "UParTAK4RegPtRawCorr": np.where(rng.random(n) < 0.2, -1.0, rng.uniform(0.8, 1.2, n)),
        "UParTAK4RegPtRawCorrNeutrino": rng.uniform(0.8, 1.2, n),
        "btagUParTAK4B": rng.random(n),
    }
    # A generator jet in four fifths of the cases, a little off in angle.
    kept = rng.random(n) < 0.8
    gen = {"pt": pt_gen, "eta": eta + 0.02, "phi": np.clip(phi + 0.03, -3.14, 3.14), "mass": pt_gen * 0.1}
    gen_counts = ak.sum(ak.unflatten(kept, counts), axis=1)
    tables = {"Jet": (jets, counts)}
    if simulation:
        tables["GenJet"] = ({name: column[kept] for name, column in gen.items()}, ak.to_numpy(gen_counts))
    events = {
        "run": np.full(N_EVENTS, 1 if simulation else 355900, np.uint32),
        "luminosityBlock": rng.integers(1, 1000, N_EVENTS).astype(np.uint32),
        "event": (rng.integers(1, 2**40, N_EVENTS)).astype(np.uint64),
        "Rho_fixedGridRhoFastjetAll": rng.uniform(5, 40, N_EVENTS).astype(np.float32),
        **{f"PV_{axis}": np.zeros(N_EVENTS, np.float32) for axis in "xyz"},
    }
    branches: dict[str, str] = {name: str(column.dtype) for name, column in events.items()}
    for table, (columns, _) in tables.items():
        branches[table] = "var * {" + ", ".join(f"{name}: float32" for name in columns) + "}"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", branches)
        jagged = {
            table: ak.zip({name: ak.unflatten(column.astype(np.float32), of) for name, column in columns.items()})
            for table, (columns, of) in tables.items()
        }
        tree.extend(events | jagged)
    return path


@pytest.fixture(scope="session")
def tiny_nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated."""
    return write_nano(tmp_path_factory.mktemp("nano") / "tiny.root")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without generator jets."""
    return write_nano(tmp_path_factory.mktemp("nano") / "tiny_data.root", simulation=False)
