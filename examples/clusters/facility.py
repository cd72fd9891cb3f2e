"""An analysis facility: a scheduler that is already there (coffea-casa, SWAN), or one that dask-gateway starts::

    python examples/clusters/facility.py pfnano_*.root                       # whatever this facility offers
    python examples/clusters/facility.py pfnano_*.root --address tls://localhost:8786
    python examples/clusters/facility.py pfnano_*.root --gateway https://dask.facility.org --workers 50

Files are named as the workers see them, ``root://...`` as a rule. Without files it runs on the bundled sample.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Client, PipInstall

import coffea_mljec as mljec
from coffea_mljec import workers
from coffea_mljec.validation import ResponseProcessor

CHECKPOINTS = "checkpoints"


@contextmanager
def facility(address: str | None, gateway: str | None, number: int) -> Iterator[Client | None]:
    """A client of the facility's cluster; None where there is none, after a line for each way that was tried."""
    # coffea-casa gives each notebook a scheduler of its own and says so here; elsewhere it is the address on its page.
    address = address or os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address is not None:
        print(f"tried: the scheduler at {address}")
        with Client(address) as client:
            yield client
        return
    print("tried: a scheduler that is there already: no --address, and DASK_SCHEDULER_ADDRESS is not set")
    try:
        from dask_gateway import Gateway
    except ImportError:
        print("tried: dask-gateway: not installed here (pip install dask-gateway, of the facility's own version)")
        yield None
        return
    try:
        connection = Gateway(gateway) if gateway else Gateway()
        clusters = connection.list_clusters()
    except (ValueError, OSError) as error:
        print(f"tried: dask-gateway at {gateway or 'the configured address'}: {error}")
        yield None
        return
    # A cluster from an earlier session is taken up again: its workers may have been waiting in a queue.
    cluster = connection.connect(clusters[0].name) if clusters else connection.new_cluster()
    cluster.adapt(minimum=1, maximum=number)
    print(f"tried: dask-gateway: cluster {cluster.name}, up to {number} workers")
    with cluster, cluster.get_client() as client:
        yield client


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
    """Find the cluster and work."""
    parser = argparse.ArgumentParser(description="Judge corrections on an analysis facility.")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--address", help="of a scheduler that is there")
    parser.add_argument("--gateway", help="address of a dask-gateway; by default that of dask's configuration")
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--install", action="store_true", help="install coffea-mljec on workers that come without it")
    arguments = parser.parse_args()
    with facility(arguments.address, arguments.gateway, arguments.workers) as client:
        if client is None:
            print("no facility from here: nothing was run")
            return
        if arguments.install:
            client.register_plugin(PipInstall([f"coffea-mljec=={mljec.__version__}"]))
        report(judge(client, arguments.files))


if __name__ == "__main__":
    main()
