"""dask's nanny and local cluster for a machine that is busy and for workers that die."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from distributed import LocalCluster, Nanny
from distributed.core import Status

__all__ = ["PatientCluster", "PatientNanny"]


class PatientCluster(LocalCluster):
    """A local cluster that may hear of the end of a worker before it has heard of its beginning.

    distributed's own raises KeyError then, as late as at its end: a run whose work is done, after a worker was
    replaced, ended in an error.
    """

    def _update_worker_status(self, op: str, msg: Any) -> None:
        with suppress(KeyError):
            super()._update_worker_status(op, msg)


class PatientNanny(Nanny):
    """A nanny that ends its process at once, and waits for the end.

    distributed's own first waits four seconds for a chunk that is in work, then kills the process, which leaves what
    it was writing half done; and it gives the process one second to end, and then raises TimeoutError: where many
    processes share a core, a run whose work is done ended in an error.
    """

    async def kill(self, timeout: float = 5, reason: str = "nanny-kill") -> None:
        """End the worker's process: told to first (see `Tidy`), killed after four fifths of the timeout (seconds)."""
        process = self.process
        if process is not None and process.status == Status.running and process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        try:
            await super().kill(timeout=timeout, reason=reason)
        except TimeoutError:
            inner = None if self.process is None else self.process.process
            if inner is not None:
                await inner.join()
