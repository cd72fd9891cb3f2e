"""Small NanoAOD files of our own with MET: PUPPI jets as in v15, CHS jets as in v9, and data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import pytest
import uproot

N_EVENTS = 60
Columns = dict[str, npt.NDArray[Any]]


def jets_of(rng: np.random.Generator, n: int, puppi: bool) -> Columns:
    """From 15 GeV on, some mostly muons, some mostly electrons."""
    columns: Columns = {
        "pt": rng.uniform(15, 200, n), "eta": rng.uniform(-5, 5, n), "phi": rng.uniform(-3.1, 3.1, n),
        "mass": rng.uniform(3, 20, n), "rawFactor": rng.uniform(-0.1, 0.2, n), "area": rng.uniform(0.4, 0.6, n),
        "muonSubtrFactor": np.where(rng.random(n) < 0.3, rng.uniform(0, 0.99, n), 0.0),
        "chEmEF": rng.uniform(0, 0.6, n), "neEmEF": rng.uniform(0, 0.6, n),
    }  # fmt: skip
    if puppi:
        columns["muonSubtrDeltaPhi"] = np.where(columns["muonSubtrFactor"] > 0, rng.uniform(-0.3, 0.3, n), 0.0)
        columns["UParTAK4RegPtRawCorr"] = np.where(rng.random(n) < 0.3, -1.0, rng.uniform(0.8, 1.3, n))
        columns["UParTAK4RegPtRawCorrNeutrino"] = rng.uniform(0.8, 1.3, n)
    else:
        columns["puId"] = np.full(n, 7.0)
    return columns


def low_pt_jets_of(rng: np.random.Generator, n: int, puppi: bool) -> Columns:
    """Around the threshold of 15 GeV."""
    columns: Columns = {
        "rawPt": rng.uniform(8, 20, n), "eta": rng.uniform(-5, 5, n), "phi": rng.uniform(-3.1, 3.1, n),
        "area": rng.uniform(0.4, 0.6, n), "muonSubtrFactor": np.where(rng.random(n) < 0.2, 0.3, 0.0),
    }  # fmt: skip
    if puppi:
        columns |= {"EmEF": rng.uniform(0, 1, n), "muonSubtrDeltaPhi": rng.uniform(-0.2, 0.2, n)}
    return columns


def met_of(rng: np.random.Generator, name: str) -> Columns:
    pt, phi = rng.uniform(5, 150, N_EVENTS), rng.uniform(-3.1, 3.1, N_EVENTS)
    columns: Columns = {f"{name}_pt": pt, f"{name}_phi": phi, f"{name}_sumEt": 10 * pt}
    columns |= {f"Raw{name}_pt": pt * 0.9, f"Raw{name}_phi": phi + 0.05}
    if name == "MET":
        columns |= {f"MET_MetUnclustEnUpDelta{axis}": rng.normal(0, 4, N_EVENTS) for axis in "XY"}
    else:
        for way in ("Up", "Down"):
            columns[f"{name}_ptUnclustered{way}"] = pt + rng.normal(0, 4, N_EVENTS)
            columns[f"{name}_phiUnclustered{way}"] = phi + rng.normal(0, 0.04, N_EVENTS)
    return columns


def write_nano(path: Path, puppi: bool = True, simulation: bool = True, without: tuple[str, ...] = ()) -> Path:
    """Write `N_EVENTS` events with zero to five jets and zero to three low-pT jets, less some branches or tables."""
    rng = np.random.default_rng(11)
    counts, low_counts = rng.integers(0, 6, N_EVENTS), rng.integers(0, 4, N_EVENTS)
    jets = jets_of(rng, int(counts.sum()), puppi)
    tables = {"Jet": (jets, counts), "CorrT1METJet": (low_pt_jets_of(rng, int(low_counts.sum()), puppi), low_counts)}
    if simulation:
        gen = {"pt": jets["pt"] * 0.95, "eta": jets["eta"] + 0.02, "phi": jets["phi"], "mass": jets["mass"]}
        tables["GenJet"] = (gen, counts)
    events: Columns = {
        "run": np.full(N_EVENTS, 1 if simulation else 355900, np.uint32),
        "luminosityBlock": rng.integers(1, 1000, N_EVENTS).astype(np.uint32),
        "event": rng.integers(1, 2**40, N_EVENTS).astype(np.uint64),
        f"{'Rho_' if puppi else ''}fixedGridRhoFastjetAll": rng.uniform(5, 40, N_EVENTS).astype(np.float32),
        **{f"PV_{axis}": np.zeros(N_EVENTS, np.float32) for axis in "xyz"},
    }
    for name in ("PuppiMET", "PFMET" if puppi else "MET"):
        events |= {key: column.astype(np.float32) for key, column in met_of(rng, name).items()}
    events = {key: column for key, column in events.items() if key not in without}
    jagged = {
        table: ak.zip(
            {key: ak.unflatten(column.astype(np.float32), of) for key, column in columns.items()
             if f"{table}_{key}" not in without}
        )
        for table, (columns, of) in tables.items() if table not in without
    }  # fmt: skip
    with uproot.recreate(path) as file:
        branches = {key: column.dtype for key, column in events.items()}
        branches |= {
            table: "var * {" + ", ".join(f"{key}: float32" for key in jets.fields) + "}"
            for table, jets in jagged.items()
        }
        file.mktree("Events", branches).extend(events | jagged)
    return path


@pytest.fixture(scope="session")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``nano(puppi=True, simulation=True, without=())``: a file, written once."""
    folder = tmp_path_factory.mktemp("met")
    known: dict[Any, Path] = {}

    def file(puppi: bool = True, simulation: bool = True, without: tuple[str, ...] = ()) -> Path:
        key = (puppi, simulation, without)
        if key not in known:
            known[key] = write_nano(folder / f"{len(known)}.root", *key)
        return known[key]

    return file
