"""A simulated file with all candidates of its events, as CMS writes it, compressed with LZMA and with ZSTD.

The productions and the bundled sample keep the candidates of jets alone, a tenth: reading them tells nothing about
reading CMS's files. Needs Pythia (``make train-env``, or the environment of the tests).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

__all__ = ["COMPRESSIONS", "all_candidates"]

COMPRESSIONS = ("lzma", "zstd")
RAW_PT_MIN = 15.0
"""GeV; NanoAOD stops at a corrected pT of 15, and CHS jets there have a factor of about 1."""
_POOL_EVENTS = 3_000


def all_candidates(folder: Path, events: int) -> dict[str, Path]:
    """Return compression -> file; simulated first (some minutes) unless the folder has them."""
    files = {name: folder / f"all-candidates-{name}-{events}.root" for name in COMPRESSIONS}
    if all(path.is_file() for path in files.values()):
        return files
    from training.simulate.nanoaod import write
    from training.simulate.pileup import PileupPool
    from training.simulate.plan import Plan
    from training.simulate.reconstruct import Simulator
    from training.simulate.tables import JetSelection, assemble

    settings = Plan.create(events=events, seed=7).settings_of("qcd")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        pool = PileupPool.load_or_build(
            Path(scratch) / "pool.npz", 7, n_events=_POOL_EVENTS, energy=settings.energy, tune=settings.tune
        )
        batch = Simulator(settings, pool).batch(events, 0)
    selection = JetSelection(raw_pt_min=RAW_PT_MIN, unmatched_raw_pt_min=RAW_PT_MIN, ak8=False)
    tables = assemble(batch, selection, 7, 0, 1, all_candidates=True)
    for name, path in files.items():
        write(path, tables, name)
    return files
