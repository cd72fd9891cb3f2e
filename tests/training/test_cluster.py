"""Derivation and evaluation on a dask cluster: the numbers of one process, and errors that name what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from training.cli.options import workplace
from training.derive.jets import read_jets
from training.derive.provider import open_provider
from training.evaluate import jets as evaluated
from training.evaluate.jets import read_evaluated_jets


@pytest.fixture
def production(sample: Path, tmp_path: Path) -> Path:
    """Two files of the same events."""
    folder = tmp_path / "production"
    folder.mkdir()
    for name in ("one.root", "two.root"):
        shutil.copy(sample, folder / name)
    return folder


def test_derivation_and_evaluation(production: Path, sample_jec: list[Path], cluster_here: Any, tmp_path: Path) -> None:
    provider = open_provider(str(sample_jec[0].parent), "AK4PFchs")
    one, other = (read_jets([production], provider, workers=workers) for workers in (1, cluster_here))
    assert one.uncorrected == other.uncorrected
    assert all(np.array_equal(one[name], other[name]) for name in one.columns)
    settings: Any = {"providers": {provider.name: provider}, "cache": tmp_path / "cache", "progress": False}
    judged = read_evaluated_jets([production], workers=cluster_here, **settings)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    again = read_evaluated_jets([production], **settings)
    assert all(np.array_equal(judged[name], again[name]) for name in judged.columns)
    assert np.array_equal(judged.pt[provider.name], again.pt[provider.name])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == kept


@pytest.mark.parametrize("with_cache", [True, False])
def test_a_file_that_vanishes(
    production: Path, cluster_here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_cache: bool
) -> None:
    """After the files were listed, and before a worker reads it."""
    listed = list(production.glob("*.root"))
    for module in ("training.derive.jets.files_of", "training.evaluate.jets.files_evenly"):
        monkeypatch.setattr(module, lambda *_: listed)
    (production / "two.root").unlink()
    cache = tmp_path / "cache" if with_cache else None
    for workers in (1, cluster_here):
        with pytest.raises(InputError, match=r"two\.root cannot be used to derive a correction: .*No such file"):
            read_jets([production], cache=cache, workers=workers)
        with pytest.raises(InputError, match=r"two\.root cannot be evaluated: No such file|no such file: .*two\.root"):
            evaluated.read_evaluated_jets([production], {}, cache, progress=False, workers=workers)


def test_where_the_work_runs() -> None:
    with workplace(3, None) as place:
        assert place == 3
    with pytest.raises(InputError, match="--workers 2 are processes of this machine, and --scheduler names a cluster"):
        workplace(2, "tls://nowhere:8786").__enter__()
