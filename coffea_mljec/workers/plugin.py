"""Plugins for dask workers: ready before the first chunk, and of constant memory. The work does not need them."""

from __future__ import annotations

import asyncio
import logging
from importlib.resources import as_file, files
from typing import Any

from distributed.diagnostics.plugin import WorkerPlugin

from coffea_mljec.errors import MLJECError
from coffea_mljec.nano import open_nano, quiet_coffea
from coffea_mljec.support.ending import serve_parent

__all__ = ["StopProfiler", "Tidy", "WarmUp"]

logger = logging.getLogger(__name__)


class WarmUp(WorkerPlugin):
    """Loads kernels, makes sessions and evaluates each correction once, on two events of the bundled sample.

    ``client.register_plugin(WarmUp(corrector, standard))`` does it on every worker, also on those that come later. A
    correction that cannot treat the sample is left to its first chunk; a worker that lacks something says so in its log
    and takes part all the same: its first chunk brings the error.

    Parameters
    ----------
    *providers : Provider
    """

    name = "coffea-mljec-warm-up"

    def __init__(self, *providers: Any) -> None:
        self.providers = providers

    async def setup(self, worker: Any) -> None:
        """Called by dask when the worker gets the plugin."""
        del worker
        quiet_coffea()
        # In a thread: compiling takes seconds, in which the worker must answer its scheduler.
        await asyncio.get_running_loop().run_in_executor(None, self.warm_up)

    def warm_up(self) -> None:
        """Do it, in this process."""
        with as_file(files("coffea_mljec") / "data" / "mljec_sample.root") as sample:
            for provider in self.providers:
                try:
                    with open_nano(sample) as nano:
                        provider.apply(nano.events(0, min(2, nano.entries)))
                except MLJECError as error:
                    logger.warning("not warmed up: %s", error)


class Tidy(WorkerPlugin):
    """Silences what coffea says about every file; a worker process that is told to end leaves no unfinished file."""

    name = "coffea-mljec-tidy"

    def setup(self, worker: Any) -> None:
        """Called by dask when the worker gets the plugin."""
        quiet_coffea()
        if worker.nanny is not None:  # a process of its own
            serve_parent()


class StopProfiler(WorkerPlugin):
    """Ends dask's statistical profile of the worker, whose record makes a worker's memory grow for an hour.

    A dask worker looks at its stack every 10 ms and keeps what it saw second by second, up to 3,600 seconds of it
    (dask/distributed issue 4091). With coffea's deep stacks that is 0.7 MB a second (``make soak`` measures it).
    ``client.register_plugin(StopProfiler())`` ends it on workers that are there and on those that come later; the page
    "Profile" of the dashboard stays empty then. Where the workers' configuration is in your hands,
    ``distributed.worker.profile.enabled: false`` is the same.
    """

    name = "coffea-mljec-stop-profiler"

    def setup(self, worker: Any) -> None:
        """Called by dask when the worker gets the plugin."""
        for callback in ("profile", "profile-cycle"):
            periodic = worker.periodic_callbacks.pop(callback, None)
            if periodic is not None:
                periodic.stop()
        for record in ("profile_history", "profile_keys_history"):
            getattr(worker, record, []).clear()
