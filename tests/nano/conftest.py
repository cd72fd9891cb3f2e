"""Generated files, each made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.nano import open_nano
from tests.nano.generated import write_layout


@pytest.fixture(scope="session")
def generated(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``generated(layout, kind="TTree")``: the path of a small file in a layout."""
    folder = tmp_path_factory.mktemp("layouts")
    made: dict[tuple[str, str], Path] = {}

    def make(layout: str, kind: str = "TTree") -> Path:
        if (layout, kind) not in made:
            made[layout, kind] = write_layout(layout, sample, folder, kind)
        return made[layout, kind]

    return make


@pytest.fixture
def layout_events(generated: Callable[..., Path]) -> Iterator[Callable[..., Any]]:
    """``layout_events(layout, kind="TTree", mode="virtual")``: NanoEvents of such a file, open until the test ends."""
    with ExitStack() as files:

        def make(layout: str, kind: str = "TTree", mode: str = "virtual", **options: Any) -> Any:
            return files.enter_context(open_nano(generated(layout, kind))).events(mode=mode, **options)

        yield make
