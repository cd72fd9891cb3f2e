"""Small NanoAOD files with MET: PUPPI jets as in v15, CHS jets as in v9, and data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.payloads import suitability
from tests.factories import jets_with_met, write
from tests.met.plain import Payloads


@pytest.fixture(scope="session")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``nano(puppi=True, simulation=True, without=())``: a file, written once."""
    folder = tmp_path_factory.mktemp("met")
    known: dict[Any, Path] = {}

    def file(puppi: bool = True, simulation: bool = True, without: tuple[str, ...] = ()) -> Path:
        key = (puppi, simulation, without)
        if key not in known:
            known[key] = write(jets_with_met(*key), folder / f"{len(known)}.root")
        return known[key]

    return file


@pytest.fixture
def toys(tmp_path: Path) -> Payloads:
    return Payloads(tmp_path)


@pytest.fixture
def chs(tmp_path: Path) -> Payloads:
    return Payloads(tmp_path, "AK4PFchs")


@pytest.fixture
def warn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What warns once warns in each test."""
    monkeypatch.setattr(suitability, "_warned", set())
