"""A dask cluster on this machine::

    python examples/clusters/local.py pfnano_*.root --workers 4

Without files it runs on the bundled sample.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import coffea_mljec as mljec
from coffea_mljec import workers
from coffea_mljec.validation import ResponseProcessor

CHECKPOINTS = "checkpoints"


def judge(client: Any, files: list[str]) -> workers.Outcome:
    """The same work on any cluster: a network beside the standard path, judged on the same jets."""
    data = Path(mljec.__file__).parent / "data"
    standard = mljec.FactorizedJEC.from_txt(sorted((data / "jec").glob("*AK4PFchs.jec.txt")))
    network = mljec.MLJEC("pfn-r-lite", fallback=standard)
    client.register_plugin(workers.WarmUp(network))  # first chunks are as fast as later ones; leave it out if you like
    client.register_plugin(workers.StopProfiler())  # dask's profile of a worker grows by 0.7 MB a second
    # Model and payloads travel with the processor, once to each worker: nothing of them need lie on its file system.
    return workers.run(
        client,
        {"jets": files or [str(data / "mljec_sample.root")]},
        ResponseProcessor({"network": network, "standard": standard}, replicas=5),
        skip_bad=True,
        checkpoints=workers.Checkpoints(CHECKPOINTS, resume=True),
    )


def report(outcome: workers.Outcome) -> None:
    """What came out, and what was left out."""
    for dataset, result in outcome.result.items():
        print(f"{dataset}: {result['counts']['judged']} jets judged in {result['counts']['events']} events")
    for failure in outcome.skipped:
        print(f"left out: {failure}")
    workers.Checkpoints(CHECKPOINTS).clear()


def main() -> None:
    """Start the cluster and work."""
    parser = argparse.ArgumentParser(description="Judge corrections on a dask cluster of this machine.")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="threads a worker; sessions and kernels are shared")
    arguments = parser.parse_args()
    # It takes work from nobody else on this machine; LocalCluster() of dask would take it from everybody.
    with workers.local_cluster(arguments.workers, arguments.threads) as client:
        print(f"tried: a cluster of {arguments.workers} processes on this machine, at {client.scheduler.address}")
        report(judge(client, arguments.files))


if __name__ == "__main__":
    main()
