"""All uncertainty sources against correctionlib and coffea, and smearing, on the same jets in one run (one core).

    python tests/benchmarks/bench_uncertainties.py [--jets 500000] [--data ../shared/data]

Each line is the best of several rounds; the rounds of all ways are interleaved, so that a busy machine hits all alike.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np

from coffea_mljec.corrections.payloads import (
    Uncertainties,
    read_resolution_json,
    read_scale_factor_json,
    read_uncertainties_json,
    read_uncertainties_text,
)
from coffea_mljec.variations import JERSmear, smear_factor, standard_normal

ROOT = Path(__file__).resolve().parents[2]
TAG, JER_TAG, ALGORITHM = "Summer22_22Sep2023_V3_MC", "Summer22_22Sep2023_JRV1_MC", "AK4PFPuppi"
GOAL = 1.5


def random_jets(n: int) -> dict[str, np.ndarray]:
    """Jets with a falling pT spectrum over the whole range of eta, five an event."""
    rng = np.random.default_rng(1)
    return {
        "pt": 15 * rng.pareto(3, n) + 15,
        "eta": np.clip(rng.normal(0, 2, n), -5.19, 5.19),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "rho": np.repeat(rng.uniform(5, 60, n // 5 + 1), 5)[:n],
        "event": np.arange(n, dtype=np.int64) // 5,
    }


def all_sources(uncertainties: Uncertainties, jets: dict[str, np.ndarray]) -> float:
    shifts = uncertainties.at(jets)
    return float(sum(shifts.evaluate(source)[0][0] for source in shifts.sources))


def library_sources(path: Path, sources: tuple[str, ...], jets: dict[str, np.ndarray]) -> Callable[[], float]:
    file = correctionlib.CorrectionSet.from_file(str(path))
    entries = [file[f"{TAG}_{source}_{ALGORITHM}"] for source in sources]
    eta, pt = jets["eta"], jets["pt"]
    return lambda: float(sum(entry.evaluate(eta, pt)[0] for entry in entries))


def coffea_sources(path: Path, jets: dict[str, np.ndarray]) -> Callable[[], float]:
    from coffea.jetmet_tools import JetCorrectionUncertainty
    from coffea.lookup_tools import extractor

    extract = extractor()
    extract.add_weight_sets([f"* * {path}"])
    extract.finalize()
    evaluator = extract.make_evaluator()
    uncertainty = JetCorrectionUncertainty(
        **{name: evaluator[name] for name in evaluator.keys()}  # noqa: SIM118 (no __iter__)
    )
    names = {"JetEta": jets["eta"], "JetPt": jets["pt"]}
    return lambda: float(sum(value[0, 0] - 1 for _, value in uncertainty.getUncertainty(**names)))


def compare(title: str, ways: dict[str, Callable[[], Any]], n: int, rounds: int, reference: str) -> dict[str, float]:
    best = dict.fromkeys(ways, np.inf)
    for way in ways.values():
        way()  # compiles and warms up
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - start)
    print(f"\n{title}, {n} jets")
    for name, seconds in best.items():
        print(f"  {name:36s} {seconds / n * 1e6:8.3f} us/jet  {seconds / best[reference]:7.3f} x {reference}")
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jets", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("MLJEC_REAL_DATA") or ROOT.parent / "shared" / "data"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # coffea: numpy.core
    jec = Path(arguments.data) / "jec"
    path, text = (
        jec / "2022_Summer22_jet_jerc.json.gz",
        jec / "txt" / f"{TAG}_UncertaintySources_{ALGORITHM}.junc.txt.gz",
    )
    n = arguments.jets
    jets = random_jets(n)

    tables, points = read_uncertainties_json(path, TAG, ALGORITHM), read_uncertainties_text(text)
    ways: dict[str, Callable[[], Any]] = {
        "ours, JSON": lambda: all_sources(tables, jets),
        "ours, text": lambda: all_sources(points, jets),
        "correctionlib": library_sources(path, tables.sources, jets),
        "coffea, text": coffea_sources(text, jets),
    }
    results = [way() for way in ways.values()]
    assert np.ptp(results) < 1e-5, results
    best = compare(f"all {len(tables.sources)} sources of {TAG}", ways, n, arguments.rounds, "correctionlib")
    ratio = best["ours, JSON"] / best["correctionlib"]
    print(f"  ours / correctionlib: {ratio:.3f} (goal: at most {GOAL})")

    resolution = read_resolution_json(path, JER_TAG, ALGORITHM)
    factors = read_scale_factor_json(path, JER_TAG, ALGORITHM)
    tool = JERSmear(jec / "jer_smear.json.gz")
    file = correctionlib.CorrectionSet.from_file(str(path))
    sigma, scale_factor = resolution.evaluate(jets)[0], factors.evaluate(jets)[0]
    pt_gen = np.where(np.arange(n) % 2 == 0, jets["pt"] * 0.98, -1.0)
    numbers = standard_normal(1, 1, jets["event"], jets["eta"], jets["phi"])
    smeared = jets | {"sigma": sigma, "scale_factor": scale_factor, "pt_gen": pt_gen}
    eta, pt, rho = jets["eta"], jets["pt"], jets["rho"]
    pairs: dict[str, dict[str, Callable[[], Any]]] = {
        "resolution": {
            "ours": lambda: resolution.evaluate(jets),
            "correctionlib": lambda: file[f"{JER_TAG}_PtResolution_{ALGORITHM}"].evaluate(eta, pt, rho),
        },
        "scale factor, up": {
            "ours": lambda: factors.evaluate(jets, "up"),
            "correctionlib": lambda: file[f"{JER_TAG}_ScaleFactor_{ALGORITHM}"].evaluate(eta, pt, "up"),
        },
        "random numbers and smearing": {
            "ours, random numbers": lambda: standard_normal(1, 1, jets["event"], eta, jets["phi"]),
            "ours, hybrid": lambda: smear_factor(pt, eta, sigma, scale_factor, numbers, pt_gen),
            "correctionlib": lambda: tool.factor(smeared),
        },
    }
    for title, pair in pairs.items():
        compare(title, pair, n, arguments.rounds, "correctionlib")
    if ratio > GOAL:
        raise SystemExit(f"all sources take {ratio:.2f} times their evaluation in correctionlib, more than {GOAL}")


if __name__ == "__main__":
    main()
