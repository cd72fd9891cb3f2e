"""Small NanoAOD files: generator jets, stored regressions, everything that variations need."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffea_mljec.payloads import suitability
from tests.factories import varied_jets, write
from tests.nano.conftest import generated, layout_events

__all__ = ["generated", "layout_events", "tiny_data", "tiny_nano"]


@pytest.fixture(scope="session")
def tiny_nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated."""
    return write(varied_jets(), tmp_path_factory.mktemp("nano") / "tiny.root")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without generator jets."""
    return write(varied_jets(simulation=False), tmp_path_factory.mktemp("nano") / "tiny_data.root")


@pytest.fixture
def warnings_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What warns once warns in each test."""
    monkeypatch.setattr(suitability, "_warned", set())
