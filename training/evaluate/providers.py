"""The providers of an evaluation, and the closure payload that follows each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC, FactorizedJEC
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.payloads import Payload, level_files, read_text
from coffea_mljec.support.atomic import write_text
from coffea_mljec.workers.pool import Workers
from training.derive.level import CLOSURE
from training.derive.provider import describe, digest_of, slug, tag_of
from training.evaluate.jets import EvaluatedJets

__all__ = ["STANDARD", "closed", "closures", "open_providers"]

#: The standard path's name in tables.
STANDARD = "standard"

#: Which model each derived closure of a folder is of: names alone do not tell.
_OWNERS = "closures.json"
_WITH_NEUTRINOS = " with neutrinos"


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
    neutrinos: bool = False,
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
    neutrinos : bool
        Whether they close the generator pT with the jet's neutrinos.

    Raises
    ------
    InputError
        If one is missing and there is nothing to derive it from, two are there, or the one that is there was derived
        for another model of this name, or with another generator pT.
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
            _derive(provider, folder, training, cache, progress, workers, train_share, neutrinos)
            paths = _there(folder, provider)
        _check_owner(paths[0], provider, neutrinos)
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


def _owners(folder: Path) -> dict[str, str]:
    """Return payload -> digest of what it was derived for, as far as this folder's closures were derived here."""
    path = folder / _OWNERS
    owners: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
    return owners


def _identity(provider: Provider, neutrinos: bool) -> str:
    return digest_of(provider) + _WITH_NEUTRINOS * neutrinos


def _check_owner(path: Path, provider: Provider, neutrinos: bool) -> None:
    owner = _owners(path.parent).get(path.name)
    if owner is None or owner == _identity(provider, neutrinos):
        return
    if owner == _identity(provider, not neutrinos):
        raise InputError(
            f"{path} closes the generator pT with{'out' * neutrinos} neutrinos, and that with{'out' * (not neutrinos)} "
            "is judged: give another folder for the closures"
        )
    raise InputError(
        f"{path} was derived for another model that is called {provider.name!r} too: remove it, or give another "
        "folder for the closures"
    )


def _derive(
    provider: Provider, folder: Path, training: Sequence[Path], cache: Path | None, progress: bool, workers: Workers,
    train_share: float, neutrinos: bool,
) -> None:  # fmt: skip
    from training.derive.derivation import derive_closure
    from training.derive.jets import read_jets

    # Jets that a network hands to its fallback say nothing of the network.
    alone = MLJEC(provider.model) if isinstance(provider, MLJEC) else provider
    jets = read_jets(training, alone, cache, progress, workers, train_share, neutrinos=neutrinos)
    derive_closure(jets, folder, tag_of(provider), jets.algorithm, describe(provider.name, len(jets)))
    owners = _owners(folder) | {path.name: _identity(provider, neutrinos) for path in _there(folder, provider)}
    write_text(folder / _OWNERS, json.dumps(owners, indent=1) + "\n")
