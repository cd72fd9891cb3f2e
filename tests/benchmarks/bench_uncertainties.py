"""All uncertainty sources, and smearing, against correctionlib and coffea on the same jets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np

from coffea_mljec.payloads import (
    Uncertainties,
    read_resolution_json,
    read_scale_factor_json,
    read_uncertainties_json,
    read_uncertainties_text,
)
from coffea_mljec.systematics import JERSmear, smear_factor, standard_normal
from tests.benchmarks.timing import Topic, Way, in_turn

__all__ = ["uncertainties"]

TAG, JER_TAG, ALGORITHM = "Summer22_22Sep2023_V3_MC", "Summer22_22Sep2023_JRV1_MC", "AK4PFPuppi"
GOAL = 1.5
"""All sources may take so much more than in correctionlib."""


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


def uncertainties(data: Path, n: int, rounds: int) -> list[Topic]:
    """All sources of a payload, resolution, scale factors and smearing, for ``n`` random jets."""
    jec = data / "jec"
    if not jec.is_dir():
        print(f"no payloads in {jec}: uncertainties are left out (MLJEC_REAL_DATA names the folder)", flush=True)
        return []
    path = jec / "2022_Summer22_jet_jerc.json.gz"
    text = jec / "txt" / f"{TAG}_UncertaintySources_{ALGORITHM}.junc.txt.gz"
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
    topics = [_topic(f"all {len(tables.sources)} sources of {TAG}", ways, n, rounds, {"correctionlib": 1 / GOAL})]

    resolution = read_resolution_json(path, JER_TAG, ALGORITHM)
    factors = read_scale_factor_json(path, JER_TAG, ALGORITHM)
    tool = JERSmear(jec / "jer_smear.json.gz")
    file = correctionlib.CorrectionSet.from_file(str(path))
    sigma, scale_factor = resolution.evaluate(jets)[0], factors.evaluate(jets)[0]
    pt_gen = np.where(np.arange(n) % 2 == 0, jets["pt"] * 0.98, -1.0)
    smeared = jets | {"sigma": sigma, "scale_factor": scale_factor, "pt_gen": pt_gen}
    eta, pt, rho = jets["eta"], jets["pt"], jets["rho"]

    def smear() -> Any:
        numbers = standard_normal(1, 1, jets["event"], eta, jets["phi"])
        return smear_factor(pt, eta, sigma, scale_factor, numbers, pt_gen)

    pairs: dict[str, dict[str, Callable[[], Any]]] = {
        "resolution": {
            "ours": lambda: resolution.evaluate(jets),
            "correctionlib": lambda: file[f"{JER_TAG}_PtResolution_{ALGORITHM}"].evaluate(eta, pt, rho),
        },
        "scale factor, up": {
            "ours": lambda: factors.evaluate(jets, "up"),
            "correctionlib": lambda: file[f"{JER_TAG}_ScaleFactor_{ALGORITHM}"].evaluate(eta, pt, "up"),
        },
        "random numbers and smearing": {"ours": smear, "correctionlib": lambda: tool.factor(smeared)},
    }
    return [*topics, *(_topic(title, pair, n, rounds) for title, pair in pairs.items())]


def _topic(
    name: str, ways: dict[str, Callable[[], Any]], n: int, rounds: int, goals: dict[str, float] | None = None
) -> Topic:
    return Topic(name, "us/jet", in_turn({way: Way(call, n) for way, call in ways.items()}, rounds), goals or {})
