"""All benchmarks, one after the other, and one table: ``make bench``.

    python -m tests.benchmarks [-o build/bench] [--only features,networks,...] [--jets 40000] [--rounds 5]

Ways of one topic are timed in turn within one run, on one core; processor time counts, where nothing else is said, so
that a busy machine changes little. Ratios are what the goals are about. The table (report.md) and every round
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

from tests.benchmarks import bench_apply, bench_networks, bench_standard, bench_uncertainties, bench_workers, material
from tests.benchmarks.all_candidates import all_candidates
from tests.benchmarks.cost import cost_model
from tests.benchmarks.timing import Topic, markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=material.ROOT / "build" / "bench")
    parser.add_argument("--only", help="topics, with commas between them; all by default")
    parser.add_argument("--jets", type=int, default=40_000, help="real jets, repeated")
    parser.add_argument("--events", type=int, default=1000, help="simulated events with all their candidates")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=material.data_folder())
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    output, rounds = arguments.output, arguments.rounds
    output.mkdir(parents=True, exist_ok=True)

    def jets() -> Path:
        return material.repeated(output, arguments.jets)

    def model_folders() -> dict[str, Path | str]:
        material.folders(output / "models", "particlenet-r-lite", jets())
        return {"pfn-r-lite": "pfn-r-lite", "particlenet-r-lite": output / "models" / "particlenet-r-lite" / "edgeconv"}

    parts: dict[str, Callable[[], list[Topic]]] = {
        "features": lambda: bench_networks.features(jets(), rounds),
        "networks": lambda: bench_networks.networks(jets(), output / "models", rounds),
        "apply": lambda: bench_apply.apply(all_candidates(output, arguments.events), rounds),
        "standard": lambda: bench_standard.standard(arguments.data, 500_000, rounds),
        "uncertainties": lambda: bench_uncertainties.uncertainties(arguments.data, 500_000, rounds),
        "start": lambda: bench_workers.first_call(material.SAMPLE, model_folders(), min(rounds, 3)),
        "memory": lambda: bench_workers.memory(material.SAMPLE, model_folders()),
        "threads": lambda: bench_workers.threads(material.SAMPLE, rounds),
        "workers": lambda: bench_workers.workers(material.SAMPLE, rounds),
    }
    chosen = arguments.only.split(",") if arguments.only else list(parts)
    if unknown := sorted(set(chosen) - set(parts)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(parts)}")
    topics: list[Topic] = []
    with threadpool_limits(1):
        for name in chosen:
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            topics += parts[name]()
    report = markdown(topics)
    if "apply" in chosen:
        report += f"\n{cost_model(topics)}"
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    content = {"machine": machine, "topics": [topic.as_json() for topic in topics]}
    (output / "report.json").write_text(json.dumps(content, indent=1))
    (output / "report.md").write_text(f"Measured on {machine}.\n\n{report}")
    print(f"\n{report}\nwritten to {output}")


if __name__ == "__main__":
    main()
