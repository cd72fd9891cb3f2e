"""How the background is subtracted from a jet: by area, by multiplicity, by trees, by networks.

- area: pT_raw - rho A (M. Cacciari, G. P. Salam, arXiv:0707.1378).
- multiplicity: pT_raw - rho_n (N - N_signal): each background particle counts with the mean pT of one, and the mean
  number of signal particles comes from training jets of the same area-subtracted pT (T. Mengel, P. Steffanic,
  C. Hughes, A. C. O. da Silva, C. Nattrass, arXiv:2303.08275).
- trees, network: what the area leaves, learnt from jet-level inputs (R. Haake, C. Loizides, arXiv:1810.06324).
- pfn: the same from all particles of the jet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.applications.background_jets import EmbeddedJets
from training.applications.boosting import boost
from training.applications.fitting import evaluate_network, fit_network, jets_in_memory
from training.dataset import PreparedJets
from training.learning.settings import Learning
from training.networks.architecture import Architecture

__all__ = ["METHODS", "area_subtracted", "jet_inputs", "subtract"]

METHODS = ("area", "multiplicity", "trees", "network", "pfn")
JET_INPUTS = ("pt_area", "pt_raw", "multiplicity", "angularity", *(f"track_{i}" for i in range(1, 9)))

_UNIT = 10.0  # GeV: what networks and trees learn is of order one
_TRACKS = 8
_SHALLOW = Architecture(head=(100, 100, 50), momentum=0.2)
_DEEP = Architecture(phi_candidate=(32, 48, 48), head=(96, 48), momentum=0.2)

Floats = NDArray[np.float64]


def area_subtracted(jets: EmbeddedJets) -> Floats:
    """Return pT_raw - rho A in GeV, float64 array [n]."""
    return np.asarray(jets["pt_raw"] - jets["rho"] * jets["area"], np.float64)


def jet_inputs(jets: EmbeddedJets) -> Floats:
    """Return `JET_INPUTS` of every jet, float64 array [n, 12]; momenta in GeV, tracks that are not there are 0.

    The angularity is the mean distance from the axis, weighted with pT.

    Raises
    ------
    InputError
        If a jet has no constituents.
    """
    counts, offsets = jets.constituents.counts, jets.constituents.offsets
    if empty := int(np.count_nonzero(counts == 0)):
        raise InputError(f"{empty} of {len(jets)} jets have no constituents, so no angularity: leave them out")
    pt = jets.constituents["pt"].astype(np.float64)
    distance = np.hypot(jets.constituents["rel_eta"], jets.constituents["rel_phi"])
    angularity = np.add.reduceat(pt * distance, offsets[:-1]) / np.add.reduceat(pt, offsets[:-1])
    order = np.lexsort((-pt, jets.constituents.event))
    leading = offsets[:-1, None] + np.arange(_TRACKS)
    there = np.arange(_TRACKS) < counts[:, None]
    tracks = np.where(there, pt[order][np.minimum(leading, len(pt) - 1)], 0.0)
    return np.column_stack([area_subtracted(jets), jets["pt_raw"], counts, angularity, tracks])


def subtract(
    jets: EmbeddedJets,
    rows: Mapping[str, NDArray[np.int64]],
    others: Mapping[str, EmbeddedJets],
    folder: Path,
    epochs: int,
    seed: int = 1,
    progress: bool = True,
) -> dict[str, dict[str, Floats]]:
    """Derive every method on training jets and apply it.

    Parameters
    ----------
    jets : EmbeddedJets
        Of one radius.
    rows : mapping of str to int64 array
        ``train``, ``val`` and ``test``.
    others : mapping of str to EmbeddedJets
        Further samples, by name.
    folder : Path
        For the networks' checkpoints.
    epochs : int
        Passes of the networks over the training jets.
    seed : int
    progress : bool

    Returns
    -------
    dict of str to dict
        Method -> ``test`` or a further sample -> subtracted pT in GeV.
    """
    samples = {"test": jets.take(rows["test"]), **others}
    found = {"area": {name: area_subtracted(sample) for name, sample in samples.items()}}
    signal = _signal_multiplicity(jets.take(rows["train"]))
    found["multiplicity"] = {
        name: sample["pt_raw"] - sample["rho_n"] * (sample.constituents.counts - signal(found["area"][name]))
        for name, sample in samples.items()
    }
    booster = boost(jet_inputs(jets), _target(jets), rows, "regression_l1", seed)
    found["trees"] = {
        name: found["area"][name] + _UNIT * booster.predict(jet_inputs(sample)) for name, sample in samples.items()
    }
    for method, prepare, architecture in (("network", _jet_level, _SHALLOW), ("pfn", _constituents, _DEEP)):
        learning = Learning(
            loss="mae", loss_range=1e3, batch_size=128, learning_rate=4e-3, schedule="cosine", max_epochs=epochs,
            threads=1, accelerator="cpu",
        )  # fmt: skip
        network = fit_network(prepare(jets), rows, architecture, learning, folder / method, seed, progress)
        found[method] = {
            name: found["area"][name] + _UNIT * evaluate_network(network, prepare(sample))
            for name, sample in samples.items()
        }
    return found


def _target(jets: EmbeddedJets) -> Floats:
    """What the area leaves to be corrected, in units of 10 GeV."""
    return np.asarray((jets["pt_true"] - area_subtracted(jets)) / _UNIT, np.float64)


def _jet_level(jets: EmbeddedJets) -> PreparedJets:
    return jets_in_memory({"jet_features": jet_inputs(jets)}, {"jet": JET_INPUTS}, _target(jets))


def _constituents(jets: EmbeddedJets) -> PreparedJets:
    """A jet as its particles, beside its area-subtracted pT, density, area and number of particles."""
    columns = jets.constituents.columns
    own = np.column_stack([area_subtracted(jets), jets["rho"], jets["area"], jets.constituents.counts])
    features = {
        "jet_features": own,
        "charged_features": np.column_stack([columns["pt"], columns["rel_eta"], columns["rel_phi"]]),
        "charged_offsets": jets.constituents.offsets,
    }
    names = {"jet": ("pt_area", "density", "area", "number"), "charged": ("pt", "rel_eta", "rel_phi")}
    return jets_in_memory(features, names, _target(jets))


def _signal_multiplicity(jets: EmbeddedJets) -> Callable[[Floats], Floats]:
    """The mean number of signal particles against area-subtracted pT: a straight line through tenths of the jets."""
    pt, number = area_subtracted(jets), jets["n_signal"]
    edges = np.quantile(pt, np.linspace(0.0, 1.0, 11))
    part = np.clip(np.searchsorted(edges, pt, side="right") - 1, 0, 9)
    filled = [i for i in range(10) if (part == i).any()]
    centres = [pt[part == i].mean() for i in filled]
    means = [number[part == i].mean() for i in filled]
    return lambda values: np.interp(values, centres, means)
