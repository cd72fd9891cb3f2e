"""The standard path against coffea and correctionlib, on the same jets in one run (one core).

    python tests/benchmarks/bench_factorized.py [--jets 500000] [--data ../shared/data]

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

import awkward as ak
import correctionlib
import numpy as np
from coffea.jetmet_tools import CorrectedJetsFactory, FactorizedJetCorrector, JECStack
from coffea.lookup_tools import extractor

from coffea_mljec.corrections.payloads import read_json, read_text

NAMES = {"JetPt": "pt_raw", "JetEta": "eta", "JetPhi": "phi", "JetA": "area", "Rho": "rho"}
ROOT = Path(__file__).resolve().parents[2]


def random_jets(n: int) -> dict[str, np.ndarray]:
    """Jets with a falling pT spectrum over the whole range of eta."""
    rng = np.random.default_rng(1)
    return {
        "pt_raw": 15 * rng.pareto(3, n) + 15,
        "eta": np.clip(rng.normal(0, 2, n), -5.19, 5.19),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "area": rng.uniform(0.4, 0.6, n),
        "rho": np.repeat(rng.uniform(5, 60, n // 5 + 1), 5)[:n],
    }


def coffea_ways(paths: list[Path], jets: dict[str, np.ndarray]) -> dict[str, Callable[[], Any]]:
    extract = extractor()
    extract.add_weight_sets([f"* * {path}" for path in paths])
    extract.finalize()
    evaluator = extract.make_evaluator()
    functions = {name: evaluator[name] for name in evaluator.keys()}  # noqa: SIM118 (no __iter__)
    corrector = FactorizedJetCorrector(**functions)
    columns = {name: jets[NAMES[name]] for name in corrector.signature}
    name_map = {"JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetA": "area", "Rho": "Rho", "ptRaw": "pt_raw",
                "massRaw": "mass_raw"}  # fmt: skip
    factory = CorrectedJetsFactory(name_map, JECStack(functions))
    fields = {"pt": jets["pt_raw"], "mass": jets["pt_raw"] / 8, "eta": jets["eta"], "area": jets["area"],
              "Rho": jets["rho"], "pt_raw": jets["pt_raw"], "mass_raw": jets["pt_raw"] / 8}  # fmt: skip
    n = len(jets["eta"])
    events = ak.unflatten(ak.zip(fields), np.full(n // 5, 5)) if n % 5 == 0 else ak.unflatten(ak.zip(fields), [n])
    return {
        "coffea FactorizedJetCorrector": lambda: corrector.getCorrection(**columns),
        "coffea CorrectedJetsFactory": lambda: ak.to_numpy(ak.flatten(factory.build(events).jet_energy_correction)),
    }


def library_way(path: Path, name: str, jets: dict[str, np.ndarray]) -> Callable[[], Any]:
    compound = correctionlib.CorrectionSet.from_file(str(path)).compound[name]
    columns = [jets[NAMES[quantity.name]] for quantity in compound.inputs]
    return lambda: compound.evaluate(*columns)


def compare(title: str, ways: dict[str, Callable[[], Any]], n: int, rounds: int) -> None:
    best = dict.fromkeys(ways, np.inf)
    results = {name: np.asarray(way()) for name, way in ways.items()}  # compiles and warms up
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - start)
    ours = next(iter(ways))
    print(f"\n{title}, {n} jets")
    for name, seconds in best.items():
        off = np.max(np.abs(results[name] - results[ours]))
        cost = f"{seconds / n * 1e6:7.3f} us/jet  {seconds / best[ours]:6.2f} x ours"
        print(f"  {name:32s} {cost}   |difference| < {off:.0e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jets", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("MLJEC_REAL_DATA") or ROOT.parent / "shared" / "data"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # coffea: no name for generated pT, so no smearing, which nobody asked for
    jec = Path(arguments.data) / "jec"
    n = arguments.jets
    jets = random_jets(n)

    tag, algorithm = "Summer22_22Sep2023_V3_MC", "AK4PFPuppi"
    levels = ("L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual")
    paths = [jec / "txt" / f"{tag}_{level}_{algorithm}.jec.txt.gz" for level in levels]
    run3 = jec / "2022_Summer22_jet_jerc.json.gz"
    text, tables = read_text(paths), read_json(run3, tag, algorithm)
    ways: dict[str, Callable[[], Any]] = {
        "ours, JSON": lambda: tables.evaluate(jets)[0],
        "ours, text": lambda: text.evaluate(jets)[0],
    }
    ways |= coffea_ways(paths, jets) | {"correctionlib": library_way(run3, f"{tag}_L1L2L3Res_{algorithm}", jets)}
    compare(f"{tag} {algorithm} L1L2L3Res", ways, n, arguments.rounds)

    paths = [jec / "txt" / f"Summer19UL18_V5_MC_{level}_AK4PFchs.jec.txt" for level in ("L1FastJet", "L2Relative")]
    text18 = read_text(paths)
    ways = {"ours, text": lambda: text18.evaluate(jets)[0]}
    compare("Summer19UL18_V5_MC AK4PFchs L1 L2", ways | coffea_ways(paths, jets), n, arguments.rounds)

    run2 = jec / "2017_UL_jet_jerc.json.gz"
    for tag in ("Summer19UL17_V5_MC", "Summer19UL17_RunF_V5_DATA"):
        tables17 = read_json(run2, tag, "AK4PFchs")
        ways = {"ours, JSON": lambda tables=tables17: tables.evaluate(jets)[0]}
        ways["correctionlib"] = library_way(run2, f"{tag}_L1L2L3Res_AK4PFchs", jets)
        compare(f"{tag} AK4PFchs L1L2L3Res", ways, n, arguments.rounds)


if __name__ == "__main__":
    main()
