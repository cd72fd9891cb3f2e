"""Compiled functions where no cache can be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.patience import PATIENCE

CODE = """
import sys
import numba.core.caching as caching
left = []
for name, locator in list(vars(caching).items()):
    if name.endswith("CacheLocator") and name != "_CacheLocator":
        left.append(name.strip("_"))
        if left[-1] not in sys.argv[1:]:
            locator.from_function = classmethod(lambda cls, function, path: None)
assert {"UserProvidedCacheLocator", "InTreeCacheLocator", "UserWideCacheLocator"} <= set(left), left
from coffea_mljec.numerics.geometry import delta_phi, delta_r2
print(round(delta_r2(0.0, 3.0, 0.0, -3.0), 6))
"""
#: A read-only installation, and no cache folder of the user: what numba is told to use is all that is left.
READ_ONLY = "UserProvidedCacheLocator"


def run(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_any_place_for_a_cache_it_compiles_afresh() -> None:
    assert run(CODE) == "0.080194"


def test_a_cache_elsewhere_is_used_unless_the_disk_is_full(tmp_path: Path) -> None:
    code = "from coffea_mljec.numerics.geometry import delta_r2; print(round(delta_r2(0.0, 3.0, 0.0, -3.0), 6))"
    full = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)); "
    assert run(full + code, NUMBA_CACHE_DIR=str(tmp_path)) == "0.080194"
    assert not list(tmp_path.rglob("*.nbi"))
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == "0.080194"
    assert list(tmp_path.rglob("*.nbi"))


def test_a_read_only_installation_keeps_them_among_the_temporary_files(tmp_path: Path) -> None:
    assert run(CODE, READ_ONLY, TMPDIR=str(tmp_path), NUMBA_CACHE_DIR="") == "0.080194"
    (folder,) = tmp_path.glob("coffea-mljec-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")}
    assert kept
    assert run(CODE, READ_ONLY, TMPDIR=str(tmp_path), NUMBA_CACHE_DIR="") == "0.080194"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb?")} == kept


def test_a_folder_that_others_can_write_to_is_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / f"coffea-mljec-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    assert run(CODE, READ_ONLY, TMPDIR=str(tmp_path), NUMBA_CACHE_DIR="") == "0.080194"
    assert not list(folder.iterdir())
