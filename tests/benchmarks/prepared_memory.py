"""Memory of preparing jets and of one pass over them, for one sample and for ten times as many files of it.

    python -m tests.benchmarks.prepared_memory --files 4
    python -m tests.benchmarks.prepared_memory --jets 33000000

The second gives what a training holds of so many jets: the bundled sample's, repeated; features are zeros on disk.
Each size runs in a process of its own. Anonymous memory counts: pages of mapped files are given back when others need
them. Files are further names of the bundled sample, told apart by name.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np


def anonymous() -> float:
    """The process's anonymous memory, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


class Peak:
    """The most anonymous memory while a block runs, in MB."""

    def __enter__(self) -> Peak:
        self.value, self._over = anonymous(), threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.value = max(self.value, anonymous())

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()


def measured(shard: Path, number: int) -> dict[str, float]:
    """Prepare so many files, and go over their jets once."""
    import torch

    from coffea_mljec.features import PFNANO
    from coffea_mljec.support.digest import digest
    from training.dataset import Selection, cache, prepare
    from training.dataset.stream import Stream

    vars(cache)["identity_of"] = lambda source: digest(source.encode())
    with TemporaryDirectory(dir=shard.parent) as place:
        folder = Path(place) / "production"
        folder.mkdir()
        arguments: Any = (PFNANO, Selection(), Path(place) / "cache", False)
        os.link(shard, Path(place) / "first.root")
        prepare([Path(place) / "first.root"], *arguments)  # compiles
        for one in range(number):
            os.link(shard, folder / f"{one}.root")
        torch.zeros(1)
        before = anonymous()
        with Peak() as preparing:
            jets = prepare([folder], *arguments)
        order = np.random.default_rng(1).permutation(len(jets))
        with Peak() as passing:
            batches = sum(1 for _ in Stream(jets, order, np.ones(len(jets), np.float32), 1024))
        size = sum(path.stat().st_size for path in (Path(place) / "cache").rglob("*.npy")) / 2**20
    return {
        "files": number, "jets": len(jets), "batches": batches, "prepared jets, MB": round(size, 1),
        "preparing, MB": round(preparing.value - before, 1), "one pass, MB": round(passing.value - before, 1),
    }  # fmt: skip


def of_training(number: int, shard: Path) -> dict[str, float]:
    """The arrays of a training by `training/configs/pfn-r-lite.yaml`, and some batches of it."""
    from coffea_mljec.features import PFNANO
    from training.dataset import Selection, prepare
    from training.dataset.cache import PreparedJets
    from training.learning import training_data
    from training.learning.batches import JetBatches
    from training.learning.recipe import read_recipe

    with TemporaryDirectory(dir=shard.parent) as place:

        def on_disk(name: str, dtype: Any, shape: tuple[int, ...]) -> Any:
            return np.lib.format.open_memmap(Path(place) / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)

        few = prepare([shard], PFNANO, Selection(), Path(place) / "cache", False)
        columns, features = {}, {}
        for name, values in few.columns.items():
            columns[name] = on_disk(name, values.dtype, (number,))
            for copy, start in enumerate(range(0, number, len(few))):
                shift = 100_000 * copy if name in ("event", "scatter") else 0
                columns[name][start : start + len(few)] = values[: number - start] + values.dtype.type(shift)
        features["jet_features"] = on_disk("jet", np.float32, (number, len(PFNANO.jet)))
        for one in PFNANO.constituents:
            features[f"{one}_features"] = on_disk(one, np.float32, (number, len(getattr(PFNANO, one))))
            offsets = features[f"{one}_offsets"] = on_disk(f"{one}_offsets", np.int64, (number + 1,))
            for start in range(0, number + 1, 2**20):
                offsets[start : start + 2**20] = np.arange(start, min(start + 2**20, number + 1))
        jets = PreparedJets(
            *({name: np.asarray(values) for name, values in part.items()} for part in (columns, features)), PFNANO, {}
        )
        vars(training_data)["prepare_jets"] = lambda *_: jets
        recipe: Any = read_recipe(Path("training/configs/pfn-r-lite.yaml"), runs=Path(place))
        before = anonymous()
        with Peak() as weighing:
            data = training_data.prepare_data(recipe, False)
        kept = anonymous()
        batches = JetBatches(jets, data.rows["train"], data.rows["val"], data.weights, recipe.learning, recipe.seed)
        with Peak() as epoch:
            for _ in zip(range(100), batches.train_dataloader(), strict=False):
                pass
    return {
        "jets": number, "weights, MB": round(weighing.value - before), "kept, MB": round(kept - before),
        "an epoch, MB": round(epoch.value - before),
    }  # fmt: skip


def main() -> None:
    """Print one line a size, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=4, help="of the smaller sample")
    parser.add_argument("--jets", type=int, help="measure a training's arrays of so many jets")
    parser.add_argument("--measure", nargs=2, metavar=("FILE", "NUMBER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(Path(options.measure[0]), int(options.measure[1]))))
        return
    with as_file(files("coffea_mljec") / "data" / "mljec_sample.root") as sample, TemporaryDirectory() as place:
        shard = Path(place) / "sample.root"
        shutil.copy(sample, shard)
        if options.jets:
            print(json.dumps(of_training(options.jets, shard)))
            return
        for number in (options.files, 10 * options.files):
            command = [sys.executable, "-m", "tests.benchmarks.prepared_memory", "--measure", str(shard), str(number)]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
