"""The standard path against coffea's ways and correctionlib, on the same jets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import correctionlib
import numpy as np
from coffea.jetmet_tools import CorrectedJetsFactory, FactorizedJetCorrector, JECStack
from coffea.lookup_tools import extractor

from coffea_mljec.payloads import read_json, read_text
from tests.benchmarks.timing import Topic, Way, in_turn

__all__ = ["standard"]

NAMES = {"JetPt": "pt_raw", "JetEta": "eta", "JetPhi": "phi", "JetA": "area", "Rho": "rho"}


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


def standard(data: Path, n: int, rounds: int) -> list[Topic]:
    """Factors of the standard path for ``n`` random jets; every way must give the same ones."""
    jec = data / "jec"
    if not jec.is_dir():
        print(f"no payloads in {jec}: the standard path is left out (MLJEC_REAL_DATA names the folder)", flush=True)
        return []
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
    topics = [_topic(f"standard path, {tag} L1L2L3Res", ways, n, rounds)]

    paths = [jec / "txt" / f"Summer19UL18_V5_MC_{level}_AK4PFchs.jec.txt" for level in ("L1FastJet", "L2Relative")]
    text18 = read_text(paths)
    ways = {"ours, text": lambda: text18.evaluate(jets)[0]}
    topics.append(_topic("standard path, Summer19UL18_V5_MC L1 L2", ways | coffea_ways(paths, jets), n, rounds))

    run2 = jec / "2017_UL_jet_jerc.json.gz"
    for tag in ("Summer19UL17_V5_MC", "Summer19UL17_RunF_V5_DATA"):
        tables17 = read_json(run2, tag, "AK4PFchs")
        ways = {
            "ours, JSON": lambda tables=tables17: tables.evaluate(jets)[0],
            "correctionlib": library_way(run2, f"{tag}_L1L2L3Res_AK4PFchs", jets),
        }
        topics.append(_topic(f"standard path, {tag} L1L2L3Res", ways, n, rounds))
    return topics


def _topic(name: str, ways: dict[str, Callable[[], Any]], n: int, rounds: int) -> Topic:
    results = {way: np.asarray(call()) for way, call in ways.items()}
    first = next(iter(results.values()))
    for way, values in results.items():
        off = np.max(np.abs(values - first))
        assert off < 1e-4, f"{way} of {name} is off by {off}"
    goals = {way: 1.0 for way in ways if not way.startswith("ours")}
    return Topic(name, "us/jet", in_turn({way: Way(call, n) for way, call in ways.items()}, rounds), goals)
