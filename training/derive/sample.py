"""The jets that a correction is derived from: matched to generator jets, with weights that restore the QCD mix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.matching import match_flat
from coffea_mljec.validation.binning import flavour_code

__all__ = ["INCLUSIVE", "MatchedJets", "mix_weights", "read_jets"]

#: ``MLJEC_process`` of inclusive QCD, whose flavour mix is the target.
INCLUSIVE = 0
MAX_DISTANCE = 0.2
_REGIONS = np.array([0.0, 1.3, 2.5, 3.0, 6.0])
_PT_CELLS = np.geomspace(5.0, 7000.0, 22)
_LARGEST_WEIGHT = 10.0

_BRANCHES = (
    "Jet_pt", "Jet_rawFactor", "Jet_eta", "Jet_phi", "Jet_area", "Jet_hadronFlavour", "Jet_partonFlavour", "GenJet_pt",
    "GenJet_eta", "GenJet_phi", "fixedGridRhoFastjetAll", "Pileup_nPU", "genWeight", "MLJEC_process",
)  # fmt: skip


@dataclass(frozen=True)
class MatchedJets:
    """Jets with their generator jet, and rho against pileup of their events.

    Attributes
    ----------
    columns : dict of str to float64 array [n]
        ``pt_raw eta area rho pt_gen eta_gen weight flavour process``; momenta in GeV, flavour 0 to 5 or 21.
    event_rho, event_n_pu : float64 arrays [n_events]
        Every event's rho and number of pileup interactions.
    """

    columns: dict[str, NDArray[np.float64]]
    event_rho: NDArray[np.float64]
    event_n_pu: NDArray[np.float64]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return one column."""
        return self.columns[name]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.columns["pt_raw"])


def files_of(inputs: Sequence[Path]) -> list[Path]:
    """Return the ROOT files among paths and folders, in a fixed order."""
    files = []
    for path in inputs:
        found = sorted(path.rglob("*.root")) if path.is_dir() else [path]
        if not found or not all(one.is_file() for one in found):
            raise InputError(f"no ROOT file at {path}: give files of 'python -m training simulate' or their folder")
        files += found
    return files


def read_jets(inputs: Sequence[Path]) -> MatchedJets:
    """Read all jets that have a generator jet within 0.2 (one to one, on raw jets).

    Raises
    ------
    InputError
        If a file cannot be read, is no simulated sample of this project, or there is no jet.
    """
    import uproot

    parts: list[dict[str, NDArray[np.float64]]] = []
    rho, n_pu = [], []
    for path in files_of(inputs):
        try:
            with uproot.open(path) as file:
                arrays = file["Events"].arrays(_BRANCHES)
        except Exception as error:  # uproot raises many kinds, OSError among them
            raise InputError(f"{path} cannot be used to derive a correction: {error}") from None
        parts.append(_matched(arrays))
        rho.append(ak.to_numpy(arrays["fixedGridRhoFastjetAll"]).astype(np.float64))
        n_pu.append(ak.to_numpy(arrays["Pileup_nPU"]).astype(np.float64))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if len(columns["pt_raw"]) == 0:
        raise InputError("no jet of these files has a generator jet within 0.2: nothing to derive a correction from")
    return MatchedJets(columns, np.concatenate(rho), np.concatenate(n_pu))


def _matched(arrays: ak.Array) -> dict[str, NDArray[np.float64]]:
    def flat(name: str) -> NDArray[np.float64]:
        return ak.to_numpy(ak.flatten(arrays[name])).astype(np.float64)

    def offsets(name: str) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(arrays[name])))]).astype(np.int64)

    jets, gen = offsets("Jet_pt"), offsets("GenJet_pt")
    partner = match_flat(
        flat("Jet_eta"), flat("Jet_phi"), jets, flat("GenJet_eta"), flat("GenJet_phi"), gen, MAX_DISTANCE
    )
    kept = partner >= 0
    event = np.repeat(np.arange(len(arrays)), np.diff(jets))[kept]
    hadron, parton = (flat(f"Jet_{name}Flavour")[kept].astype(np.int64) for name in ("hadron", "parton"))
    return {
        "pt_raw": (flat("Jet_pt") * (1.0 - flat("Jet_rawFactor")))[kept],
        "eta": flat("Jet_eta")[kept],
        "area": flat("Jet_area")[kept],
        "rho": ak.to_numpy(arrays["fixedGridRhoFastjetAll"]).astype(np.float64)[event],
        "pt_gen": flat("GenJet_pt")[partner[kept]],
        "eta_gen": flat("GenJet_eta")[partner[kept]],
        "weight": ak.to_numpy(arrays["genWeight"]).astype(np.float64)[event],
        "flavour": flavour_code(hadron, parton).astype(np.float64),
        "process": ak.to_numpy(arrays["MLJEC_process"]).astype(np.float64)[event],
    }


def mix_weights(jets: MatchedJets) -> NDArray[np.float64]:
    """Return weights that give every jet sample the flavour mix of inclusive QCD.

    In cells of region and pt_gen, generator weights are brought to a median of 1 within each process (and to at most
    10: a few events of a biased spectrum would outweigh the rest of their cell); then each flavour is scaled to its
    share among the inclusive jets of that cell. So the enriched processes add statistics, not flavour. Without an
    inclusive process the mix is taken as it is.
    """
    n_pt = len(_PT_CELLS) + 1
    region = np.digitize(np.abs(jets["eta_gen"]), _REGIONS)
    cell = region * n_pt + np.digitize(jets["pt_gen"], _PT_CELLS)
    process = jets["process"].astype(np.int64)
    group = cell * 100 + process
    weight = jets["weight"] / _median_of(jets["weight"], group)
    weight = np.clip(weight, 0.0, _LARGEST_WEIGHT)
    inclusive = process == INCLUSIVE
    if not inclusive.any():
        return weight
    key = cell * 22 + jets["flavour"].astype(np.int64)
    size = int(key.max()) + 1
    share = np.bincount(key[inclusive], weight[inclusive], size)[key]
    have = np.bincount(key, weight, size)[key]
    return weight * np.divide(share, have, out=np.zeros_like(weight), where=have > 0)


def _median_of(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return, for every value, the median of its group."""
    _, number = np.unique(group, return_inverse=True)
    order = np.lexsort((values, number))
    counts = np.bincount(number)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    middle: NDArray[np.float64] = values[order][first + counts // 2]
    return middle[number]
