"""How far the test loss of a model moves when it is trained again with another seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec import MLJEC
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.validation.response.summary import Measured
from training.evaluate.jets import EvaluatedJets

__all__ = ["open_seeds", "seed_spread", "split_seeds"]


def open_seeds(seeds: Mapping[str, Sequence[str]], providers: Mapping[str, Provider]) -> dict[str, Provider]:
    """Return the models that were trained again: ``model seed N`` -> provider, with the fallback of the model.

    Parameters
    ----------
    seeds : mapping of str to sequence of str
        Model -> folders.
    providers : mapping of str to Provider
        What is evaluated; holds the models by name.

    Raises
    ------
    InputError
        If a model is not evaluated, a folder holds another kind of network, or a seed stands twice.
    """
    found: dict[str, Provider] = {}
    for name, folders in seeds.items():
        model = providers.get(name)
        if not isinstance(model, MLJEC):
            raise InputError(f"--seeds names {name!r}, which is no model of this evaluation: {', '.join(providers)}")
        known = {model.card.training.seed}
        for folder in folders:
            other = MLJEC(folder, fallback=model.fallback)
            seed = other.card.training.seed
            if other.card.parameters != model.card.parameters or other.card.features != model.card.features:
                raise InputError(f"{folder} holds another network than {name}: a spread of seeds is of one network")
            if seed in known:
                raise InputError(f"{folder} has seed {seed}, as another training of {name} has: train with --seed")
            known.add(seed)
            found[f"{name} seed {seed}"] = other
    return found


def split_seeds(
    jets: EvaluatedJets, again: Mapping[str, Provider]
) -> tuple[EvaluatedJets, dict[str, NDArray[np.float64]]]:
    """Return the jets without the models trained again, and those models' pT (GeV)."""
    kept = {name: values for name, values in jets.pt.items() if name not in again}
    status = {name: values for name, values in jets.status.items() if name not in again}
    return replace(jets, pt=kept, status=status), {name: jets.pt[name] for name in again}


def seed_spread(of: Mapping[str, Measured], again: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Return, per model trained again, its test losses, their mean and their standard deviation over the seeds.

    Parameters
    ----------
    of : mapping of str to Measured
        Test losses of what is evaluated.
    again : mapping of str to Measured
        Of ``model seed N``.
    """
    result: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(label.rpartition(" seed ")[0] for label in again):
        values = [of[name].value, *(found.value for label, found in again.items() if label.startswith(f"{name} seed "))]
        known = [value for value in values if value is not None]
        result[name] = {
            "losses": known,
            "mean": float(np.mean(known)),
            "deviation": float(np.std(known, ddof=1)),
            "trainings": len(known),
        }
    return result
