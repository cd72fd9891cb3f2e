"""The providers of an evaluation, and the closure payload that follows each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC, FactorizedJEC
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Payload, level_files, read_text
from coffea_mljec.workers.pool import Workers
from training.derive.level import CLOSURE
from training.derive.provider import describe, slug, tag_of
from training.evaluate.jets import EvaluatedJets

__all__ = ["STANDARD", "closed", "closures", "open_providers"]

#: The standard path's name in tables.
STANDARD = "standard"


def open_providers(models: Sequence[str], jec: Path, algorithm: str | None = None) -> dict[str, Provider]:
    """Return the standard path, and the models with it as their fallback, by name.

    Parameters
    ----------
    models : sequence of str
        Bundled names or model folders.
    jec : Path
        Folder with the standard path's text payloads.
    algorithm : str, optional
        The jets', where the folder has the payloads of several.

    Raises
    ------
    InputError
        If the folder holds no payloads, or two models have one name.
    """
    levels = level_files(jec, algorithm)
    if not levels:
        raise InputError(f"no text payloads (*.jec.txt) in {jec}: give the folder of the standard correction")
    standard = FactorizedJEC.from_txt([str(path) for path in levels], name=STANDARD)
    found: dict[str, Provider] = {STANDARD: standard}
    for text in models:
        model = MLJEC(text, fallback=standard)
        if model.name in found:
            raise InputError(f"two models are called {model.name!r}: export one of them under another name")
        found[model.name] = model
    return found


def closures(
    providers: Mapping[str, Provider],
    folder: Path,
    training: Sequence[Path] = (),
    cache: Path | None = None,
    progress: bool = True,
    workers: Workers = 1,
    train_share: float = 0.0,
) -> dict[str, Payload]:
    """Return each provider's closure payload, derived where it is not there.

    Parameters
    ----------
    providers : mapping of str to Provider
    folder : Path
        With ``*-<provider>_*_MLClosure_*.jec.txt``, as ``python -m training derive --provider`` writes them.
    training : sequence of Path
        Training production that missing ones are derived from, into ``folder``. Never the test production.
    cache : Path, optional
        Keeps the jets that are read for it.
    progress : bool
        Whether to show progress.
    workers : int or ClusterExecutor
        Processes.
    train_share : float
        Share of the training split that is left out of ``training``: see `training.derive.jets.read_jets`.

    Raises
    ------
    InputError
        If one is missing and there is nothing to derive it from, or two are there.
    """
    found: dict[str, Payload] = {}
    for name, provider in providers.items():
        paths = _there(folder, provider)
        if len(paths) > 1:
            raise InputError(
                f"{folder} has {len(paths)} closure payloads of {name}: {[p.name for p in paths]}; keep one"
            )
        if not paths:
            if not training:
                raise InputError(
                    f"{folder} has no closure payload of {name} (*-{slug(provider)}_*_{CLOSURE}_*.jec.txt): derive it "
                    "with python -m training derive --provider, or give --closure-from a training production"
                )
            _derive(provider, folder, training, cache, progress, workers, train_share)
            paths = _there(folder, provider)
        found[name] = read_text([paths[0]])
    return found


def closed(jets: EvaluatedJets, payloads: Mapping[str, Payload]) -> dict[str, NDArray[np.float64]]:
    """Return every provider's pT (GeV) after its closure; where a payload does not reach, pT stays."""
    result = {}
    for name, pt in jets.pt.items():
        factor, valid = payloads[name].evaluate({"pt_raw": pt, "eta": jets["eta"].astype(np.float64)})
        result[name] = np.where(valid, pt * factor, pt)
    return result


def _there(folder: Path, provider: Provider) -> list[Path]:
    return sorted(folder.glob(f"*-{slug(provider)}_*_{CLOSURE}_*.jec.txt")) if folder.is_dir() else []


def _derive(
    provider: Provider, folder: Path, training: Sequence[Path], cache: Path | None, progress: bool, workers: Workers,
    train_share: float,
) -> None:  # fmt: skip
    from training.derive.derivation import derive_closure
    from training.derive.jets import read_jets

    # Jets that a network hands to its fallback say nothing of the network.
    alone = MLJEC(provider.model) if isinstance(provider, MLJEC) else provider
    jets = read_jets(training, alone, cache, progress, workers, train_share)
    derive_closure(jets, folder, tag_of(provider), jets.algorithm, describe(provider.name, len(jets)))
