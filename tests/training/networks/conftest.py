"""The reference of the architectures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def reference() -> Any:
    """``shared/reference/architecture.json`` of the project's founders; without it the test skips."""
    path = Path(__file__).resolve().parents[4] / "shared" / "reference" / "architecture.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return json.loads(path.read_text())
