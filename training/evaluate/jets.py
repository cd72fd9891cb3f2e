"""The jets that providers are evaluated on: matched once on raw pT, every provider's pT beside, file by file, cached.

One row a jet keeps the histograms, replicas and weightings free: they are filled afterwards, from a few megabytes.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.nano import JetChunk, open_nano, quiet_coffea
from coffea_mljec.nano.jagged import offsets_of
from coffea_mljec.support.atomic import make_folder, write_arrays
from coffea_mljec.support.digest import digest, file_digest
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.validation.common.binning import FLAVOURS
from coffea_mljec.validation.response.processor import ResponseProcessor
from coffea_mljec.workers.pool import Workers, in_order
from training.dataset.files import shards_of
from training.derive.provider import corrected_jets, digest_of
from training.evaluate import widths

__all__ = ["COLUMNS", "EvaluatedJets", "files_evenly", "read_evaluated_jets"]

#: Column of the evaluated jets -> type. ``scatter`` is what is resampled: events of one are not independent.
COLUMNS: dict[str, str] = {
    "run": "i8", "scatter": "i8", "event": "i8", "process": "i4", "weight": "f8", "flavour": "i8", "pt_gen": "f8",
    "abs_eta_gen": "f8", "pt_raw": "f4", "pt_stored": "f4", "eta": "f4",
}  # fmt: skip
_FORMAT = 2


@dataclass(frozen=True)
class EvaluatedJets:
    """Evaluated jets of a production.

    Attributes
    ----------
    columns : dict of str to array [n]
        `COLUMNS`: identity of the event, generator weight, flavour (index into
        `coffea_mljec.validation.common.binning.FLAVOURS`), generator and raw jet, and the pT that the file has (GeV).
    pt : dict of str to float64 array [n]
        Provider -> corrected pT (GeV).
    counts : dict of str to int
        As `ResponseProcessor` counts.
    status : dict of str to dict of int to int
        Provider -> status -> jets.
    intervals : dict of str to float64 array [n, 2]
        Provider that gives a width of each jet -> lower and upper end of what should hold 68 % of generator over
        raw pT; NaN where it says nothing (`training.evaluate.widths`).
    files : tuple of Path
    """

    columns: dict[str, NDArray[Any]]
    pt: dict[str, NDArray[np.float64]]
    counts: dict[str, int]
    status: dict[str, dict[int, int]]
    files: tuple[Path, ...] = field(default=())
    intervals: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.columns["pt_gen"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return one column."""
        return self.columns[name]

    def of_known_flavour(self) -> EvaluatedJets:
        """Return the jets of a quark or gluon: leptons of a W or Z make jets too, and are no test of a correction."""
        known = self.columns["flavour"] != FLAVOURS.index("unknown")
        return replace(
            self,
            columns={name: values[known] for name, values in self.columns.items()},
            pt={name: values[known] for name, values in self.pt.items()},
            counts=self.counts | {"judged": int(known.sum()), "unknown_flavour": 0},
            intervals={name: values[known] for name, values in self.intervals.items()},
        )

    def responses(self, pt: Mapping[str, NDArray[np.float64]] | None = None) -> dict[str, NDArray[np.float64]]:
        """Return corrected over generator pT of every provider."""
        return {name: values / self.columns["pt_gen"] for name, values in (self.pt if pt is None else pt).items()}


def read_evaluated_jets(
    productions: Sequence[Path],
    providers: Mapping[str, Provider],
    cache: Path | None = None,
    max_files: int | None = None,
    progress: bool = True,
    workers: Workers = 1,
    neutrinos: bool = False,
) -> EvaluatedJets:
    """Read a test production through the providers.

    A jet for which a provider gives no finite pT is left out for all of them.

    Parameters
    ----------
    productions : sequence of Path
        Folders with simulated files, or files.
    providers : mapping of str to Provider
    cache : Path, optional
        Keeps what was computed of each file and provider: an interrupted evaluation, or one with a model more, goes on
        where it was.
    max_files : int, optional
        Only so many files, taken evenly from all.
    progress : bool
        Whether to show a progress bar.
    workers : int or ClusterExecutor
        Processes; the result does not depend on them.
    neutrinos : bool
        Whether the generator pT includes the jet's neutrinos.

    Raises
    ------
    InputError
        If there is no file, or no jet.
    MissingBranchError
        Without generator jets that know their neutrinos, where those are asked for.
    """
    files = files_evenly(productions, max_files)
    digests = {name: _digest(provider) for name, provider in providers.items()}
    tables: list[dict[str, NDArray[Any]]] = []
    counts: Counter[str] = Counter()
    # Workers of a cluster have a working directory of their own.
    whole = [path.resolve() for path in files]
    cache = cache and cache.resolve()
    of_files = in_order(
        partial(_of_file, providers=providers, digests=digests, cache=cache, neutrinos=neutrinos), whole, workers
    )
    with progress_bar("evaluating jets", len(files), "files", "{jets:,} jets", progress, jets=0) as bar:
        for table in of_files:
            found = {name.removeprefix("n_"): int(table.pop(name)) for name in list(table) if name.startswith("n_")}
            counts.update(found)
            bar.advance(jets=counts["judged"])
            tables.append(table)
    return _joined(tables, list(providers), dict(counts), tuple(files))


def _of_file(
    path: Path, providers: Mapping[str, Provider], digests: Mapping[str, str], cache: Path | None, neutrinos: bool
) -> dict[str, NDArray[Any]]:
    """Return the evaluated jets of a file with every provider's pT and status, and its counts as ``n_...``."""
    kept = _Kept(cache, path)
    # Of which jets are judged, and so of everything that is kept of them.
    of = ", with neutrinos" if neutrinos else ""
    base = kept.table(f"judged, stored{of}", lambda: _base(path, neutrinos))
    for name, provider in providers.items():
        # Kept by itself, so that a file's table of jets is the same whatever providers are evaluated.
        said = kept.table(f"{digests[name]}{of}", partial(_provided, path, provider, base["row"]))
        base |= {f"pt {name}": said["pt"], f"status {name}": said["status"]}
        if widths.gives_interval(provider):
            key = f"interval {digests[name]}{of}"
            interval = partial(widths.intervals_of_file, path, provider, base["row"])
            base[f"interval {name}"] = kept.table(key, interval)["interval"]
    return base


def files_evenly(productions: Sequence[Path | str], most: int | None) -> list[Path]:
    """Return the files of productions, at most so many, taken evenly from all; none of no production."""
    files = shards_of(productions)
    if most is None or most >= len(files):
        return files
    return [files[int(i)] for i in np.linspace(0, len(files) - 1, most)]


def _digest(provider: Provider) -> str:
    """Return a digest of the numbers that a provider and its fallbacks apply."""
    own = digest_of(provider)
    return own if provider.fallback is None else f"{own} {_digest(provider.fallback)}"


class _Kept:
    """What the cache holds of a file, each table under a key of its own."""

    def __init__(self, cache: Path | None, path: Path) -> None:
        self.folder = cache
        try:
            self.digest = "" if cache is None else file_digest(path)
        except OSError as error:
            raise InputError(f"{path} cannot be evaluated: {error.strerror}") from None

    def table(self, key: str, make: Callable[[], Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
        """Return the arrays of a key, made and kept where they are not there."""
        if self.folder is None:
            return dict(make())
        path = self.folder / f"{digest(f'{_FORMAT} {self.digest} {key}'.encode())[:24]}.npz"
        if not path.is_file():
            make_folder(self.folder)
            write_arrays(path, make())
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}


def _base(path: Path, neutrinos: bool) -> dict[str, Any]:
    """Return the evaluated jets of a file, their rows among all jets, and the counts as ``n_...``."""
    with warnings.catch_warnings(), open_nano(path) as file:
        quiet_coffea()
        events = file.events()
        offsets = offsets_of(events["Jet"], "Jet")
        matcher = ResponseProcessor({"none": _Nobody()}, replicas=0, neutrinos=neutrinos)
        matcher.check(events)
        judged, counts = matcher.judge(events, offsets)
        raw = JetChunk.of(events, "Jet", "the evaluation").jets(("pt_raw", "pt_stored", "eta"))

        known = {"run", "event", "genWeight", "MLJEC_process", "MLJEC_scatter"} & set(file.branches)

        def per_event(name: str, otherwise: Any) -> NDArray[Any]:
            if name not in known:
                return np.full(len(judged.rows), otherwise)
            table, _, column = name.rpartition("_")
            return np.asarray(events[table][column] if table else events[name])[judged.event]

        columns = {
            "run": per_event("run", 1), "event": per_event("event", 0), "process": per_event("MLJEC_process", 0),
            "weight": per_event("genWeight", 1), "flavour": judged.flavour, "pt_gen": judged.pt_gen,
            "abs_eta_gen": judged.abs_eta_gen, "pt_raw": raw["pt_raw"][judged.rows],
            "pt_stored": raw["pt_stored"][judged.rows], "eta": raw["eta"][judged.rows],
        }  # fmt: skip
        columns["scatter"] = per_event("MLJEC_scatter", 0) if "MLJEC_scatter" in known else columns["event"]
    table: dict[str, Any] = {name: np.asarray(columns[name]).astype(kind) for name, kind in COLUMNS.items()}
    counts["judged"] = len(judged.rows)
    return table | {"row": judged.rows} | {f"n_{name}": np.int64(number) for name, number in counts.items()}


def _provided(path: Path, provider: Provider, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return corrected pT and status of the evaluated jets of a file."""
    pt, status = corrected_jets(path, provider, rows)
    return {"pt": pt.astype(np.float32), "status": status}


def _joined(
    tables: Sequence[dict[str, NDArray[Any]]], names: Sequence[str], counts: dict[str, int], files: tuple[Path, ...]
) -> EvaluatedJets:
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    finite = np.ones(len(joined["pt_gen"]), np.bool_)
    for name in names:
        finite &= np.isfinite(joined[f"pt {name}"]) & (joined[f"pt {name}"] > 0)
    if not finite.any():
        raise InputError(f"no jet of {len(files)} files can be judged: {counts}; give a simulated test production")
    unknown = finite & (joined["flavour"] == FLAVOURS.index("unknown"))
    counts |= {"judged": int(finite.sum()), "not_finite": int((~finite).sum()), "unknown_flavour": int(unknown.sum())}
    return EvaluatedJets(
        {name: joined[name][finite] for name in COLUMNS},
        {name: joined[f"pt {name}"][finite].astype(np.float64) for name in names},
        counts,
        {name: dict(Counter(joined[f"status {name}"][finite].tolist())) for name in names},
        files,
        {name: joined[f"interval {name}"][finite].astype(np.float64) for name in names if f"interval {name}" in joined},
    )


class _Nobody:
    """A provider that is never asked: the processor matches jets without one, but wants one."""

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return the jets as they are."""
        return events[collection]
