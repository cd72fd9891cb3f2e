"""A dask WorkerPlugin that gets workers ready before the first chunk. The work does not need it."""

from __future__ import annotations

import asyncio
import logging
from importlib.resources import as_file, files
from typing import Any

from distributed.diagnostics.plugin import WorkerPlugin

from coffea_mljec.errors import MLJECError
from coffea_mljec.io import open_nano, quiet_coffea

__all__ = ["WarmUp"]

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
