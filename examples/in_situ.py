"""Calibration in situ: resolution from dijets, or balance against Z bosons or photons, before and after corrections.

On simulation (with generator jets) the truth is printed beside it. Run it on files of your own::

    python examples/in_situ.py dijet qcd_*.root --jec L1FastJet.txt --jec L2Relative.txt --model pfn-r-lite
    python examples/in_situ.py zll zjet_*.root --jec L1FastJet.txt --jec L2Relative.txt -o zjet.json
    python examples/in_situ.py photon gammajet_*.root --jec L1FastJet.txt --jec L2Relative.txt --workers 2
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import coffea_mljec as mljec
from coffea_mljec import defaults, workers
from coffea_mljec.met import Type1MET
from coffea_mljec.nano import quiet_coffea
from coffea_mljec.payloads import read_text
from coffea_mljec.report import write_report
from coffea_mljec.validation import BalanceProcessor, DijetProcessor, Uncorrected
from coffea_mljec.validation.common.measured import Measured

ESTIMATOR = (
    "location and width of distributions: means and standard deviations (the default for dijets: they add up whatever "
    "the shapes), quantiles (the default for balances: tails, also of the photon, do not move them), or Gaussian cores"
)


def providers(arguments: argparse.Namespace) -> tuple[dict[str, Any], mljec.FactorizedJEC]:
    """The corrections to compare, by name, and the standard path among them."""
    standard = mljec.FactorizedJEC.from_txt(arguments.jec)
    closure = None if arguments.closure is None else read_text([arguments.closure])
    found: dict[str, Any] = {"raw": Uncorrected(), "standard": standard}
    for name in arguments.model:
        found[name] = mljec.MLJEC(name, fallback=standard, closure=closure)
    return found, standard


def judge(arguments: argparse.Namespace) -> DijetProcessor | BalanceProcessor:
    """The processor that the command line asks for."""
    compared, standard = providers(arguments)
    bins = {"pt_edges": arguments.pt} if arguments.pt else {}
    bins |= {"eta_edges": arguments.eta} if arguments.eta else {}
    if arguments.what == "dijet":
        return DijetProcessor(compared, replicas=arguments.replicas, **bins)
    met: dict[str, Any] | str | None = None
    if arguments.met == "type1":
        # Raw jets have no type-1 MET; the standard path's stands in for it.
        corrected = {name: standard if name == "raw" else provider for name, provider in compared.items()}
        met = {name: Type1MET(provider, standard, low_pt=False) for name, provider in corrected.items()}
    elif arguments.met != "none":
        met = arguments.met
    return BalanceProcessor(compared, arguments.what, met=met, replicas=arguments.replicas, **bins)


def line(cell: Any, names: tuple[str, ...]) -> str:
    """One cell of a summary."""
    where = f"{cell.provider:<12} |eta| {cell.eta[0]:.1f}-{cell.eta[1]:.1f}  {cell.pt[0]:>5.0f}-{cell.pt[1]:<5.0f}"
    numbers = (_number(getattr(cell, name)) for name in names)
    return f"{where} {cell.events:>7} " + " ".join(f"{number:>15}" for number in numbers)


def _number(found: Measured) -> str:
    if found.value is None:
        return found.note or ""
    return f"{found.value:.4f}" + ("" if found.error is None else f"±{found.error:.4f}")


def verdicts(summary: Any) -> list[str]:
    """How many cells with generator jets are as they should be, a line a provider."""
    lines = []
    dijets = hasattr(summary, "reference_eta")
    for provider in summary.providers:
        if dijets:
            cells = [cell for cell in summary.cells if cell.pair == "same" and cell.pt[0] >= 100]
            what, limit = "JER above 100 GeV within 10 % of truth", 0.1
        else:
            cells, what, limit = summary.cells, "reconstructed over generator balance within 2 % of 1", 0.02
        ratios = [cell.ratio for cell in cells if cell.provider == provider and cell.ratio.value is not None]
        good = sum(abs(ratio.value - 1) <= limit for ratio in ratios)
        excused = sum(limit < abs(ratio.value - 1) <= limit + 2 * (ratio.error or 0) for ratio in ratios)
        lines.append(f"in sum, {provider}: {what} in {good} of {len(ratios)} bins, in {excused} more by two errors")
    return lines


def main() -> None:
    """Run a processor over the files that the command line names, print its table, and write all numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("dijet", "zll", "zmumu", "zee", "photon"))
    parser.add_argument("files", nargs="+")
    parser.add_argument("--jec", action="append", required=True, help="a level of the standard path as text; repeat it")
    parser.add_argument("--model", action="append", default=[], help="a bundled model or a model folder; repeat it")
    parser.add_argument("--closure", help="the closure payload of the model")
    parser.add_argument("--met", default="type1", help="type1 (made for each correction), a branch, or none")
    parser.add_argument("--pt", type=float, nargs="+", help="edges of the pT bins (GeV)")
    parser.add_argument("--eta", type=float, nargs="+", help="edges of the |eta| bins; the first one is the reference")
    parser.add_argument("--estimator", choices=("rms", "quantile", "core"), help=ESTIMATOR)
    parser.add_argument("--replicas", type=int, default=defaults.IN_SITU_REPLICAS)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--min-events", type=int, default=100, help="cells with fewer events are not printed")
    parser.add_argument("-o", "--output", type=Path, help="a JSON file for all numbers")
    parser.add_argument("--report", type=Path, help="a folder for figures (PNG) and one page with them")
    arguments = parser.parse_args()

    measure = judge(arguments)
    quiet_coffea()
    with workers.executor(workers=arguments.workers) as where:
        outcome = workers.run(where, {arguments.what: arguments.files}, measure, chunk_size=20_000)
    estimator = arguments.estimator or ("rms" if arguments.what == "dijet" else "quantile")
    summary = measure.summary(outcome.result, estimator=estimator)
    names = ("pt_balance", "gen_balance", "ratio", "ratio_extrapolated", "mpf", "response")
    if arguments.what == "dijet":
        names = ("sigma_reco", "sigma_gen", "jer", "jer_extrapolated", "truth", "ratio")
    print(f"{summary.counts}; selected: {summary.selected}")
    for cell in summary.cells:
        if cell.events >= arguments.min_events:
            print(line(cell, names))
    print(*verdicts(summary), sep="\n")
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(summary.to_dict(), indent=1, allow_nan=False) + "\n")
    if arguments.report is not None:
        name = "dijets" if arguments.what == "dijet" else "balance"
        write_report({name: summary}, arguments.report, formats=("png",))


if __name__ == "__main__":
    main()
