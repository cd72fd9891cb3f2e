"""Processes that are told to end, or whose parent has: they end within seconds and leave nothing half done behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import NoReturn

from coffea_mljec.support.atomic import remove_unfinished

__all__ = ["end_on_signals", "serve_parent"]

_TOLD = (signal.SIGTERM, signal.SIGHUP)


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP raise SystemExit in the main thread, so that every block is left in good order.

    The exit status is that of the shell: 143 for SIGTERM. Without this a process ends on the spot: its temporary files
    stay, and so do the processes that it started. A second signal does not disturb the tidying up; a signal that is
    ignored, as under ``nohup``, stays so. Python hears signals in its main thread alone: in another nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, _: FrameType | None) -> NoReturn:
        for told in _TOLD:
            signal.signal(told, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for told in _TOLD:
        if signal.getsignal(told) is not signal.SIG_IGN:  # nohup
            signal.signal(told, end)


def serve_parent() -> None:
    """Make this process, a worker of another one, end with it: called once when it starts.

    Ctrl-C goes to the whole group of processes: only the parent acts on it. SIGTERM ends this process on the spot, its
    unfinished files removed. So does the parent's end, however that came about.
    """
    parent = os.getppid()

    def end(*_: object) -> NoReturn:
        remove_unfinished()
        os._exit(128 + signal.SIGTERM)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        end()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=look, daemon=True, name="coffea-mljec-looks-for-its-parent").start()
