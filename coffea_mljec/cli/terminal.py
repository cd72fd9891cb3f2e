"""What the commands print to: tables on standard output, errors and progress on standard error."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import write_text

__all__ = ["err", "forget_no_width", "out", "say_error", "say_note", "say_skipped", "say_warning"]


def forget_no_width() -> None:
    """COLUMNS=0, as batch systems set it, makes rich print nothing at all, not even an error."""
    if os.environ.get("COLUMNS", "1").strip("0") == "":
        del os.environ["COLUMNS"]


forget_no_width()
# Names of files and branches are printed as they are: [b] in one is no markup.
out = Console(highlight=False, markup=False)
err = Console(stderr=True, highlight=False, markup=False)


def say_error(error: BaseException) -> None:
    """Print one error, its text as it is: a branch's name may hold what rich would take for markup."""
    err.print(Text("error: ", style="bold red") + Text(str(error)), soft_wrap=True)


def say_warning(message: Warning | str, *_where: Any, **_more: Any) -> None:
    """Print a warning without the source line that raised it; takes the arguments of `warnings.showwarning`."""
    err.print(Text("warning: ", style="bold yellow") + Text(str(message)), soft_wrap=True)


def say_note(text: str) -> None:
    """Print one line on what is done otherwise than a reader might expect."""
    err.print(Text("note: ", style="bold") + Text(text), soft_wrap=True)


def say_skipped(skipped: Sequence[Any], path: Path) -> None:
    """List what was left out, on the terminal and in a file; where nothing was, no file is there.

    Parameters
    ----------
    skipped : sequence of coffea_mljec.workers.Failure
    path : Path
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot remove the old {path}: {error.strerror}. Give another folder with -o.") from None
    if not skipped:
        return
    files = sorted({failure.file for failure in skipped})
    err.print(Text(f"left out: {len(files)} file(s), whole or in part", style="bold yellow"))
    for failure in skipped:
        err.print(Text(f"  {failure}"), soft_wrap=True)
    entries = [
        {
            "file": failure.file,
            "entries": None if failure.start < 0 else [failure.start, failure.stop],
            "why": failure.message,
            "worker": failure.worker,
        }
        for failure in skipped
    ]
    write_text(path, json.dumps(entries, indent=1) + "\n")
