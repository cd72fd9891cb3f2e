"""Work on shares of a batch side by side, in as many threads as torch was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["side_by_side"]


@contextmanager
def side_by_side() -> Iterator[Callable[..., list[Any]]]:
    """Give a ``map`` over as many threads as torch has; inside them torch itself uses one."""
    n = torch.get_num_threads()
    if n == 1:
        yield lambda function, items: [function(item) for item in items]
        return

    def alone(function: Callable[[Any], Any], item: Any) -> Any:
        torch.set_num_threads(1)  # of this thread: OpenMP counts for each
        with torch.no_grad():
            return function(item)

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(n) as pool:
            yield lambda function, items: list(pool.map(lambda item: alone(function, item), items))
    finally:
        torch.set_num_threads(n)
