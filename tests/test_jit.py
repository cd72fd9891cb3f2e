"""Compiled functions where no cache can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import numba.core.caching as caching
for locator in ("_UserProvidedCacheLocator", "_InTreeCacheLocator", "_InTreeCacheLocatorFsAgnostic",
                "_UserWideCacheLocator", "_ZipCacheLocator"):
    if hasattr(caching, locator):
        setattr(getattr(caching, locator), "from_function", classmethod(lambda cls, function, path: None))
from coffea_mljec.geometry import delta_phi, delta_r2
print(round(delta_r2(0.0, 3.0, 0.0, -3.0), 6))
"""


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_any_place_for_a_cache_it_compiles_afresh() -> None:
    assert run(CODE) == "0.080194"


def test_a_cache_elsewhere_is_used(tmp_path: Path) -> None:
    run("from coffea_mljec.geometry import delta_r2; delta_r2(0.0, 3.0, 0.0, -3.0)", NUMBA_CACHE_DIR=str(tmp_path))
    assert list(tmp_path.rglob("*.nbi"))
