"""A batch system, by dask-jobqueue: each job is a dask worker::

    python examples/clusters/batch.py pfnano_*.root --system slurm --jobs 20 --queue short
    python examples/clusters/batch.py pfnano_*.root --system htcondor --jobs 20
    python examples/clusters/batch.py --system local --jobs 2      # jobs as processes of this machine: a rehearsal

It prints the job script, then submits it if this machine can. Without files it runs on the bundled sample.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from distributed import Client

import coffea_mljec as mljec
from coffea_mljec import workers
from coffea_mljec.validation import ResponseProcessor

CHECKPOINTS = "checkpoints"
SUBMIT = {"slurm": "sbatch", "htcondor": "condor_submit", "lsf": "bsub", "pbs": "qsub", "local": "bash"}


def batch_cluster(system: str, queue: str | None, environment: str | None) -> Any:
    """A cluster whose workers are jobs; none is submitted before it is scaled."""
    import dask_jobqueue
    from dask_jobqueue.local import LocalCluster

    # One process a job with one thread: what a network needs is a core; the memory is for the chunk's columns.
    options: dict[str, Any] = {"cores": 1, "processes": 1, "memory": "2GB"}
    # Jobs and scheduler know each other by a certificate, which this folder hands to the jobs: a scheduler without one
    # takes work from everybody in the network, and runs it as you.
    options |= {"security": True, "shared_temp_directory": str(Path.cwd())}
    if system == "htcondor":
        return dask_jobqueue.HTCondorCluster(**options, disk="2GB", job_extra_directives={"+JobFlavour": '"longlunch"'})
    # How a job finds the package: the same environment as here, on the shared file system or in a container.
    prologue = [f"source {environment}"] if environment else []
    if system == "local":
        return LocalCluster(**options, job_script_prologue=prologue)
    kinds = {"slurm": "SLURMCluster", "lsf": "LSFCluster", "pbs": "PBSCluster"}
    made = getattr(dask_jobqueue, kinds[system])
    return made(**options, queue=queue, walltime="02:00:00", job_script_prologue=prologue)


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
    """Write the job script, submit and work."""
    parser = argparse.ArgumentParser(description="Judge corrections on a batch system.")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--system", choices=sorted(SUBMIT), default="slurm")
    parser.add_argument("--jobs", type=int, default=10)
    parser.add_argument("--queue")
    parser.add_argument("--environment", help="file that a job sources before it starts")
    arguments = parser.parse_args()
    try:
        cluster = batch_cluster(arguments.system, arguments.queue, arguments.environment)
    except ImportError:
        print("tried: dask-jobqueue: not installed here (pip install dask-jobqueue); nothing was submitted")
        return
    with cluster:
        print(cluster.job_script())
        command = SUBMIT[arguments.system]
        if shutil.which(command) is None:
            print(f"tried: the job script above; {command} is not on this machine, so nothing was submitted")
            return
        print(f"tried: {arguments.jobs} jobs by {command}")
        cluster.scale(jobs=arguments.jobs)  # cluster.adapt(maximum_jobs=...) lets idle workers go
        with Client(cluster) as client:
            report(judge(client, arguments.files))


if __name__ == "__main__":
    main()
