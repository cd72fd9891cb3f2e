"""A whole derivation from files: read the jets, derive, write, measure the closure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coffea_mljec.errors import InputError
from coffea_mljec.support.atomic import make_folder
from coffea_mljec.workers.pool import Workers
from training.derive.closure import Table, closure_table, plot_closure, summary, write_closure
from training.derive.derivation import Derived, corrected, derive, derive_closure, uncorrected
from training.derive.jets import MatchedJets, files_of, read_jets
from training.derive.mix import mix_weights
from training.derive.provider import STANDARD, describe, open_provider, tag_of

__all__ = ["derive_from_files"]


def derive_from_files(
    inputs: Sequence[Path],
    folder: Path,
    tag: str | None,
    algorithm: str | None = None,
    others: Sequence[Path] = (),
    provider: str = STANDARD,
    cache: Path | None = None,
    report: Path | None = None,
    workers: Workers = 1,
    train_share: float = 0.0,
    collection: str = "Jet",
) -> Derived:
    """Derive payloads; write their closure on the same events, and on others, as JSON and as a plot.

    Parameters
    ----------
    inputs, others : sequence of Path
        Events to derive from, and others to measure the closure on; a file in both is refused.
    folder : Path
        For the payloads.
    tag : str, optional
        ``MLJECSim_V1_MC``, or ``MLJECSim-<provider>_V1_MC``, by default.
    algorithm : str, optional
        The jets' own by default: ``AK4PFchs``, ``AK4PFPuppi`` or ``AK8PFPuppi``.
    provider : str
        ``standard``: derive the standard correction. Otherwise the closure of that provider.
    cache : Path, optional
        Keeps what was read of each file.
    report : Path, optional
        Folder for the closure tables and plots, `folder` by default.
    workers : int or ClusterExecutor
        Processes that read and apply the provider.
    train_share : float
        Share of the training split that is left out of ``inputs``: see `read_jets`.
    collection : str
        ``Jet`` or ``FatJet``.
    """
    from rich.console import Console

    console = Console(stderr=True)
    common = {path.resolve() for path in files_of(inputs)} & {path.resolve() for path in files_of(others)}
    if common:
        raise InputError(
            f"{sorted(common)[0]} is among the files to derive from and those to measure the closure on: a closure "
            "means something on other events only"
        )
    opened = None if provider == STANDARD else open_provider(provider, algorithm)
    name = STANDARD if opened is None else opened.name
    tag = tag or tag_of(opened)
    jets = read_jets(
        inputs, opened, cache, progress=True, workers=workers, train_share=train_share, collection=collection
    )
    algorithm = algorithm or jets.algorithm
    if jets.uncorrected:
        console.print(f"{jets.uncorrected} jets left out, which {name} does not correct")
    with console.status(f"deriving from {len(jets)} jets"):
        derived = (derive if opened is None else derive_closure)(
            jets, folder, tag, algorithm, describe(name, len(jets))
        )
    samples = {"same events": jets}
    if others:
        samples["other events"] = read_jets(
            others, opened, cache, progress=True, workers=workers, collection=collection
        )
        if samples["other events"].algorithm != jets.algorithm:
            raise InputError(
                f"the closure's events hold {samples['other events'].algorithm} jets, the others {jets.algorithm}: "
                "measure it on jets of the same kind"
            )
    with console.status("measuring the closure"):
        tables = _tables(samples, derived, name)
    target = report or folder
    make_folder(target)
    write_closure(target / f"{tag}_{algorithm}_closure.json", tables)
    plot_closure(target / f"{tag}_{algorithm}_closure.png", tables)
    for sample, table in tables.items():
        found = summary(table)
        console.print(
            f"{sample}: largest |median - 1| above 30 GeV {found['largest']:.4f} (bins known to 0.5 %), chi2 / bin "
            f"{found['chi2_per_bin']:.2f}, {found['beyond']} of {found['bins']} bins beyond 1 %, "
            f"{found['beyond_by_two_errors']} of them by more than two errors"
        )
    console.print(f"wrote {json.dumps([path.name for path in (*derived.texts, derived.library)])} to {folder}")
    return derived


def _tables(samples: dict[str, MatchedJets], derived: Derived, name: str) -> dict[str, Table]:
    tables = {}
    for sample, jets in samples.items():
        weight = mix_weights(jets)
        if sample == "other events":
            tables[f"{sample}, {'raw pT' if name == STANDARD else 'before closure'}"] = closure_table(
                jets, weight, uncorrected(jets)
            )
        pt = corrected(jets, derived.payload)
        tables[sample] = closure_table(jets, weight, pt)
        if sample == "other events":
            tables[f"{sample}, flavours as they are"] = closure_table(jets, np.ones(len(jets)), pt)
    return tables
