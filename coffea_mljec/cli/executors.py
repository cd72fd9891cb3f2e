"""Where the work runs: this process, local processes, or a local dask cluster. All of them are coffea's executors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import Any

from coffea import processor

from coffea_mljec.errors import InputError, MLJECError
from coffea_mljec.io import quiet_coffea

__all__ = ["ExecutorKind", "Guarded", "executor", "run_processor"]


class ExecutorKind(StrEnum):
    """Names of the executors on the command line."""

    iterative = "iterative"
    futures = "futures"
    dask = "dask"


@contextmanager
def executor(kind: ExecutorKind, workers: int, unit: str = "chunk", desc: str = "Processing") -> Iterator[Any]:
    """One of coffea's executors, ready to call or to give to its Runner; its processes end with the context.

    Parameters
    ----------
    kind : ExecutorKind
    workers : int
        Processes; one thread each.
    unit, desc : str
        Of the progress bar.

    Raises
    ------
    InputError
        If the iterative executor is asked for more than one worker, or distributed is not installed.
    """
    # A file that cannot be read now cannot be read in a moment either; errors of this package come back as results.
    common: dict[str, Any] = {"unit": unit, "desc": desc, "retries": 0}
    if kind is ExecutorKind.iterative:
        if workers > 1:
            raise InputError(f"--executor iterative is one process, and --workers is {workers}; use futures or dask.")
        yield processor.IterativeExecutor(**common)
        return
    with ExitStack() as stack:
        if kind is ExecutorKind.futures:
            import loky

            pool = stack.enter_context(loky.ProcessPoolExecutor(max_workers=workers, initializer=quiet_coffea))
            yield processor.FuturesExecutor(pool=pool, workers=workers, **common)
        else:
            client = stack.enter_context(_local_cluster(workers))
            yield processor.DaskExecutor(client=client, **common)


@contextmanager
def _local_cluster(workers: int) -> Iterator[Any]:
    """A dask client on worker processes of this machine."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise InputError(
            "--executor dask needs dask's distributed: pip install 'coffea-mljec[dask]', or use --executor futures."
        ) from None
    cluster = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        silence_logs=logging.ERROR,
    )
    with cluster, Client(cluster) as client:
        client.run(quiet_coffea)
        yield client


class Guarded(processor.ProcessorABC):
    """A processor whose own errors come back as results, each once and without the traceback of every worker.

    Parameters
    ----------
    inner : ProcessorABC
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def process(self, events: Any) -> dict[str, Any]:
        """``{"out": what the inner processor gives, "errors": set of messages}``."""
        try:
            return {"out": self.inner.process(events), "errors": set()}
        except MLJECError as error:
            return {"out": {}, "errors": {f"{events.metadata['filename']}: {error}"}}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Hand the accumulated output to the inner processor."""
        if accumulator["errors"]:
            return accumulator
        return accumulator | {"out": self.inner.postprocess(accumulator["out"])}


def run_processor(
    runner_executor: Any,
    fileset: Mapping[str, Sequence[str]],
    inner: Any,
    *,
    treename: str = "Events",
    chunk_size: int = 50_000,
) -> Any:
    """Run a coffea processor over files with coffea's Runner.

    Parameters
    ----------
    runner_executor : coffea executor
    fileset : mapping of str to sequence of str
        Dataset -> files.
    inner : ProcessorABC
    treename : str
    chunk_size : int
        Events a chunk.

    Returns
    -------
    accumulator
        What the processor accumulated.

    Raises
    ------
    InputError
        With what the processor refused, file by file.
    """
    from coffea.nanoevents import PFNanoAODSchema

    runner = processor.Runner(executor=runner_executor, schema=PFNanoAODSchema, chunksize=chunk_size)
    result = runner({name: list(files) for name, files in fileset.items()}, Guarded(inner), treename=treename)
    if result["errors"]:
        raise InputError("\n".join(sorted(result["errors"])))
    return result["out"]
