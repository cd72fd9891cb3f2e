"""All benchmarks, one after the other, and one table: ``make bench``.

    python -m tests.benchmarks [-o build/bench] [--only features,networks,...] [--jets 40000] [--rounds 5]

Ways of one topic are timed in turn within one run, on one core; processor time counts, where nothing else is said, so
that a busy machine changes little. Ratios are what the goals are about. The tables (report.md) and every round
(report.json) go to the output folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_limits

from tests.benchmarks import (
    bench_apply,
    bench_networks,
    bench_precision,
    bench_profile,
    bench_scaling,
    bench_standard,
    bench_uncertainties,
    bench_weaver,
    bench_workers,
    material,
)
from tests.benchmarks.all_candidates import all_candidates
from tests.benchmarks.cost import cost_model, facility
from tests.benchmarks.places import ROOT, SAMPLE, SAMPLE_JEC, data_folder
from tests.benchmarks.timing import Topic, markdown, reached

MODELS = ("pfn-r-lite", "particlenet-r-lite")
"""One of each of our engines."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--only", help="topics, with commas between them; all by default")
    parser.add_argument("--jets", type=int, default=40_000, help="real jets, repeated")
    parser.add_argument("--events", type=int, default=1000, help="simulated events with all their candidates")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=data_folder())
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    output, rounds = arguments.output, arguments.rounds
    output.mkdir(parents=True, exist_ok=True)

    def jets() -> Path:
        return material.repeated(output, arguments.jets)

    parts: dict[str, Callable[[], list[Topic]]] = {
        "features": lambda: bench_networks.features(jets(), rounds),
        "networks": lambda: bench_networks.networks(jets(), output / "models", rounds),
        "weaver": lambda: bench_weaver.networks_of_weaver(arguments.data, SAMPLE, output, min(rounds, 2)),
        "profile": lambda: bench_profile.profile(jets(), output / "models", min(rounds, 3)),
        "precision": lambda: bench_precision.precision(SAMPLE, rounds),
        "end-to-end": lambda: bench_networks.end_to_end(jets(), output / "models", rounds),
        "apply": lambda: bench_apply.apply(all_candidates(output, arguments.events), rounds),
        "cut": lambda: bench_apply.cut(
            material.repeated_sample(output, 30), sorted(SAMPLE_JEC.glob("*.jec.txt")), rounds
        ),
        "standard": lambda: bench_standard.standard(arguments.data, 500_000, rounds),
        "uncertainties": lambda: bench_uncertainties.uncertainties(arguments.data, 500_000, rounds),
        "start": lambda: bench_workers.first_call(SAMPLE, MODELS, min(rounds, 2)),
        "memory": lambda: bench_workers.memory(SAMPLE, MODELS) + bench_workers.memory(jets(), MODELS[:1]),
        "threads": lambda: bench_workers.threads(SAMPLE, rounds),
        "scaling": lambda: bench_scaling.scaling(output, SAMPLE, rounds),
        "overhead": lambda: bench_scaling.overhead(output, SAMPLE, min(rounds, 2)),
    }
    chosen = arguments.only.split(",") if arguments.only else list(parts)
    if unknown := sorted(set(chosen) - set(parts)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(parts)}")
    topics: list[Topic] = []
    with threadpool_limits(1):
        for name in chosen:
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            found = parts[name]()
            print(markdown(found), flush=True)
            topics += found
    parts_of_report = {
        "Goals": reached(topics),
        "All that was measured": markdown(topics),
        "Cost": cost_model(topics) if "apply" in chosen else "",
        "On a cluster, on paper": facility(topics),
    }
    report = "\n".join(f"## {title}\n\n{text}" for title, text in parts_of_report.items() if text)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    content = {"machine": machine, "topics": [topic.as_json() for topic in topics]}
    (output / "report.json").write_text(json.dumps(content, indent=1))
    (output / "report.md").write_text(f"# Benchmarks\n\nMeasured on {machine}.\n\n{report}")
    print(f"\n{report}\nwritten to {output}")


if __name__ == "__main__":
    main()
