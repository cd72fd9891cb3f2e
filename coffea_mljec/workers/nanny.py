"""dask's nanny for a machine that is busy."""

from __future__ import annotations

from distributed import Nanny

__all__ = ["PatientNanny"]


class PatientNanny(Nanny):
    """A nanny that waits for the end of a process that it has killed.

    distributed's own gives it one second and then raises TimeoutError: where many processes share a core, a run whose
    work is done ended in an error.
    """

    async def kill(self, timeout: float = 5, reason: str = "nanny-kill") -> None:
        """End the worker's process: asked at first, killed after four fifths of the timeout (in seconds)."""
        try:
            await super().kill(timeout=timeout, reason=reason)
        except TimeoutError:
            process = None if self.process is None else self.process.process
            if process is not None:
                await process.join()
