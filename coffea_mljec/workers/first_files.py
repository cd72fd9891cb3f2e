"""The columns of the first file of each data set, as the workers see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from coffea.processor.executor import IterativeExecutor

from coffea_mljec.nano.first_file import FirstFile

__all__ = ["first_files"]


def first_files(executor: Any, fileset: Mapping[str, Iterable[str]], treename: str = "Events") -> dict[str, FirstFile]:
    """Data set -> the first of its files that can be read; without those that have none."""
    items = [(dataset, tuple(map(str, names))) for dataset, names in fileset.items()]
    look = partial(_look, treename=treename)
    if isinstance(executor, IterativeExecutor):  # which shows its bar whatever its status
        return dict(found for item in items for found in look(item)["first"])
    seen, _ = executor.copy(unit="data set", desc="Looking at columns", status=False)(items, look, None)
    return dict(seen["first"])


def _look(item: tuple[str, tuple[str, ...]], treename: str) -> dict[str, list[tuple[str, FirstFile]]]:
    dataset, names = item
    for name in names:
        try:
            return {"first": [(dataset, FirstFile.look(name, treename))]}
        except Exception:  # whoever reads its events says what is wrong with it
            continue
    return {"first": []}
