"""Whether a cluster still works on what it was given: a hang becomes an error that says which worker does what."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, Queue
from typing import Any

from coffea_mljec.errors import WorkerError

__all__ = ["Watch", "states_of", "within", "words_of"]

_WORKING = ("executing", "long-running")
_TO_DO = ("ready", "waiting", "fetch", "flight", "constrained", "resumed", "cancelled")
_NO_ANSWER = "its scheduler does not answer"
LOOKS = 10
"""How often a watch looks within its patience."""


def within(seconds: float, function: Callable[[], Any], look: Callable[[], None] | None = None) -> Any:
    """What the function returns or raises, unless it takes too long: it may wait for a process that was stopped.

    Parameters
    ----------
    seconds : float
        Between two calls of ``look``; without one, for all.
    function : callable
        Runs in a thread of its own, which is left behind where it does not end.
    look : callable, optional
        Raises when it is enough.

    Raises
    ------
    TimeoutError
        Without ``look``, after so many seconds.
    """
    answers: Queue[tuple[Any, BaseException | None]] = Queue()

    def ask() -> None:
        try:
            answers.put((function(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=ask, daemon=True, name="coffea-mljec-asks-the-cluster").start()
    while True:
        try:
            result, error = answers.get(timeout=seconds)
        except Empty:
            if look is None:
                raise TimeoutError(f"no answer for {seconds:g} s") from None
            look()
            continue
        if error is not None:
            raise error
        return result


def states_of(client: Any, timeout: float) -> dict[str, dict[str, Any]]:
    """Worker -> what the scheduler knows of it.

    Parameters
    ----------
    client : distributed.Client
    timeout : float
        Seconds.

    Raises
    ------
    OSError
        If the scheduler does not answer.
    """
    scheduler = client.scheduler
    if scheduler is None:  # the client is closed, or about to connect again
        raise ConnectionError(_NO_ANSWER)
    found: dict[str, dict[str, Any]] = client.sync(scheduler.identity, callback_timeout=timeout)["workers"]
    return found


def words_of(client: Any, timeout: float, before: dict[str, dict[str, Any]] | None = None) -> str:
    """What each worker does, for a message.

    Parameters
    ----------
    client : distributed.Client
    timeout : float
        Seconds.
    before : dict, optional
        The `states_of` some heartbeats ago: a worker that has sent none since is not heard of.
    """
    try:
        states = states_of(client, timeout)
    except OSError:
        return _NO_ANSWER
    last = {name: state["last_seen"] for name, state in (before or {}).items()}
    return "; ".join(
        _described(name, state, state["last_seen"] != last.get(name)) for name, state in sorted(states.items())
    )


class Watch:
    """Looks every few seconds whether anything moves.

    Something moves as long as one worker that is heard of computes, or has something to do and is not paused. How long
    one chunk takes does not matter.

    Parameters
    ----------
    client : distributed.Client
    patience : float
        Seconds without a move before it is an error.
    """

    def __init__(self, client: Any, patience: float) -> None:
        self.client = client
        self.patience = patience
        self._heard: dict[str, tuple[float, float]] = {}  # when, by the scheduler's clock; when that was seen, by ours
        self._looked = self._moved = time.monotonic()

    @property
    def interval(self) -> float:
        """Seconds between two looks."""
        return self.patience / LOOKS

    def look(self, left: str, gathering: bool = False) -> None:
        """Look, if it is time to.

        Parameters
        ----------
        left : str
            What is still to be done, for the message.
        gathering : bool
            Whether all is done but for the result's way to this process: then no worker need be busy.

        Raises
        ------
        WorkerError
            If nothing moved for longer than the patience.
        """
        now = time.monotonic()
        if now - self._looked < self.interval:
            return
        self._looked = now
        try:
            states = states_of(self.client, self.patience / 2)
        except OSError:
            found = [_NO_ANSWER]
            moves = False
        else:
            heard = {name: self._is_heard(name, state, now) for name, state in states.items()}
            found = [_described(name, state, heard[name]) for name, state in sorted(states.items())]
            moves = any(heard[name] and (gathering or _has_work(state)) for name, state in states.items())
        if moves:
            self._moved = now
        elif now - self._moved > self.patience:
            raise WorkerError(
                f"nothing has moved on the cluster for {self.patience:g} s and {left}: "
                f"{'; '.join(found) or 'it has no workers, they died or were taken away'}. Give workers more memory, "
                "fewer events at a time (--chunk-size) or other machines, and run again with --resume."
            )

    def _is_heard(self, name: str, state: dict[str, Any], now: float) -> bool:
        """Whether the worker has sent its heartbeat, two a second, lately."""
        last, since = self._heard.get(name, (None, now))
        if state["last_seen"] != last:
            self._heard[name] = (state["last_seen"], now)
            return True
        return now - since < self.patience / 5


def _counts(state: dict[str, Any]) -> dict[str, int]:
    return state.get("metrics", {}).get("task_counts", {}) or {}


def _has_work(state: dict[str, Any]) -> bool:
    counts = _counts(state)
    kinds = _WORKING if state.get("status") == "paused" else _WORKING + _TO_DO
    return any(counts.get(kind) for kind in kinds)


def _described(name: str, state: dict[str, Any], heard: bool) -> str:
    if not heard:
        return f"worker {name} is not heard of (it was stopped, or its machine hangs)"
    if state.get("status") == "paused":
        used, limit = state.get("metrics", {}).get("memory", 0), state.get("memory_limit") or 0
        of = f" ({used / 1e9:.1f} of {limit / 1e9:.1f} GB)" if limit else ""
        return f"worker {name} is paused because its memory is full{of}"
    return f"worker {name} is {state.get('status')} and has nothing to do"
