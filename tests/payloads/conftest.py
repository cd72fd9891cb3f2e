"""Toy files of payloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.payloads.toy_json import ALL, BY_RUN, FIRST, LEVELS, RESIDUAL, SECOND, THIRD, compound, write


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A file with four levels, a compound, and a level that depends on the run."""
    return write(tmp_path / "toy.json.gz", [FIRST, SECOND, THIRD, RESIDUAL, BY_RUN], [compound(LEVELS, ALL)])
