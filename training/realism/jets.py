"""The jets that are drawn: read shard by shard, some 90 bytes a jet kept, so that millions fit.

Features come through the same layouts and kernels as those that a network sees.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError, MLJECError
from coffea_mljec.features import FeatureSet, compute
from coffea_mljec.nano import flatten
from coffea_mljec.nano.jagged import content_and_offsets
from coffea_mljec.nano.opening import open_nano, quiet_coffea
from coffea_mljec.numerics.matching import match_flat
from coffea_mljec.payloads import Payload
from coffea_mljec.validation.common.binning import flavour_code
from coffea_mljec.workers.pool import Workers, in_order
from training.derive.mix import mix_weights
from training.learning.sampling import FLAVOUR_GROUPS, SamplingSettings, weigh_jets
from training.realism.productions import finished
from training.simulate.branches import kind_of_jets

__all__ = ["FRACTIONS", "KNOWN", "SHAPES", "THINNED", "SimulatedJets", "read_simulated_jets"]

SHAPES = ("multiplicity", "ptD", "axis2")
FRACTIONS = ("chHEF", "neHEF", "chEmEF", "neEmEF", "muEF")
#: Flavours of known origin; the others are left out where flavour matters.
KNOWN = tuple(code for codes in FLAVOUR_GROUPS.values() for code in codes)
MAX_DISTANCE = 0.2
LARGEST_ETA = 5.0
#: What a jet must have to be trained on, as `training.dataset.Selection` has it.
SMALLEST_GEN, SMALLEST_RAW = 8.0, 5.0

#: Limits of the weights where jets over-represented beyond them are thinned out, and the others stay so.
THINNED = (0.2, 5.0)

_FEATURES = FeatureSet(jet=SHAPES)


@dataclass(frozen=True)
class SimulatedJets:
    """Matched jets within |eta_gen| < 5, with what the report draws. Columns are kept in 32 bits, handed out in 64.

    Attributes
    ----------
    columns : dict of str to float32 array [n]
        ``pt_raw eta area rho pt_gen eta_gen weight flavour process`` (GeV, flavour 0 to 5 or 21); `SHAPES`,
        `FRACTIONS`, ``n_constituents``; ``response`` and ``l1_response``: pT after the whole standard correction and
        after its offset only, over pt_gen (NaN where it does not reach); ``mix``: weights of inclusive QCD's flavour
        mix; ``target``: weights of the density and flavour mix that networks are trained on, 0 for jets that they do
        not see.
    event_rho, event_n_pu : float64 arrays [n_events]
        Every event's rho and number of pileup interactions.
    sampling : dict
        Report of `training.learning.sampling.weigh_jets` on these jets, with its default settings;
        ``left_when_thinned``: jets left with weights within `THINNED`.
    """

    columns: dict[str, NDArray[np.float32]]
    event_rho: NDArray[np.float64]
    event_n_pu: NDArray[np.float64]
    sampling: dict[str, Any]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.columns["pt_raw"])

    @property
    def events(self) -> int:
        """Number of events."""
        return len(self.event_rho)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return one column."""
        return self.columns[name].astype(np.float64)

    @property
    def flavour(self) -> NDArray[np.int64]:
        """PDG ids without sign, 0 for unknown."""
        return self.columns["flavour"].astype(np.int64)


def read_simulated_jets(
    inputs: Sequence[Path],
    payload: Payload,
    step: Callable[[int, int], None] = lambda done, of: None,
    workers: Workers = 1,
) -> SimulatedJets:
    """Read the jets of files and folders and evaluate the standard correction.

    Parameters
    ----------
    inputs : sequence of Path
    payload : Payload
        Its first level must be the offset, L1FastJet.
    step : callable of (files read, files)
        Called after each file.
    workers : int or ClusterExecutor
        Processes that read; the result does not depend on them.

    Raises
    ------
    InputError
        If a file cannot be read or is none of this project's simulation, the payload does not begin with L1FastJet, or
        no jet has a generator jet.
    """
    if payload.levels[0] != "L1FastJet":
        raise InputError(
            f"the correction's first level is {payload.levels[0]}, expected L1FastJet: the offset is compared by itself"
        )
    files = [path.resolve() for path in finished(inputs)]  # workers of a cluster have a working directory of their own
    parts: list[dict[str, NDArray[np.float32]]] = []
    events: list[NDArray[np.float64]] = []
    for number, (jets, event) in enumerate(in_order(partial(_load, payload=payload), files, workers)):
        parts.append(jets)
        events.append(event)
        step(number + 1, len(files))
    columns = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
    if len(columns["pt_raw"]) == 0:
        raise InputError("no jet of these files has a generator jet within 0.2: nothing to draw")
    rho, n_pu = np.concatenate(events, axis=1)
    found = SimulatedJets(columns, rho, n_pu, {})
    columns["mix"] = mix_weights(found).astype(np.float32)
    columns["target"], report = _target_weights(found)
    return SimulatedJets(columns, rho, n_pu, report)


def _load(path: Path, payload: Payload) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float64]]:
    jets, events = _read(path)
    _correct(jets, payload)
    return {name: np.asarray(values, np.float32) for name, values in jets.items()}, events


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
    """Return the columns of a file's matched jets, and rho and n_pu of its events."""
    with warnings.catch_warnings():
        quiet_coffea()
        with open_nano(path) as nano:
            if "MLJEC_process" not in nano.branches:
                raise InputError(f"{path} is no simulated sample of this project: it has no branch MLJEC_process")
            if kind_of_jets(nano.branches) == "puppi":
                raise InputError(
                    f"{path} holds PUPPI jets, and the targets are CMS's CHS jets of Run 2: give a production of "
                    "simulate --jets chs, which shares detector and pileup"
                )
            try:
                return _columns(nano.events(), str(path))
            except MLJECError:
                raise
            except Exception as error:  # uproot raises many kinds, OSError among them
                raise InputError(f"{path} cannot be read: {error}") from None


def _columns(events: Any, source: str) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
    def jet(name: str) -> NDArray[Any]:
        return content_and_offsets(events["Jet"][name], f"Jet.{name}")[0]

    flat = flatten(
        events, "Jet", jet=(*_FEATURES.jet_quantities, "area", "rho"),
        constituents=_FEATURES.constituent_quantities, asker=source,
    )  # fmt: skip
    gen = {name: content_and_offsets(events["GenJet"][name], f"GenJet.{name}") for name in ("pt", "eta", "phi")}
    eta, phi = (np.asarray(flat.jet[name], np.float64) for name in ("eta", "phi"))
    gen_eta, gen_phi = (gen[name][0].astype(np.float64) for name in ("eta", "phi"))
    partner = match_flat(eta, phi, flat.jet_offsets, gen_eta, gen_phi, gen["pt"][1], MAX_DISTANCE)
    rows = np.flatnonzero(partner >= 0)
    rows = rows[np.abs(gen_eta[partner[rows]]) < LARGEST_ETA]
    event = np.repeat(np.arange(len(events)), np.diff(flat.jet_offsets))[rows]
    columns: dict[str, NDArray[Any]] = {name: flat.jet[name][rows] for name in ("pt_raw", "eta", "area", "rho")}
    columns |= {
        "pt_gen": gen["pt"][0][partner[rows]],
        "eta_gen": gen_eta[partner[rows]],
        "weight": np.asarray(events["genWeight"])[event],
        "process": np.asarray(events["MLJEC"]["process"])[event],
        "flavour": flavour_code(jet("hadronFlavour"), jet("partonFlavour"))[rows],
        "n_constituents": jet("nConstituents")[rows],
    }
    columns |= {name: jet(name)[rows] for name in FRACTIONS}
    shapes = compute(flat, _FEATURES)["jet_features"][rows]
    columns |= {name: shapes[:, column] for column, name in enumerate(SHAPES)}
    per_event = (events["fixedGridRhoFastjetAll"], events["Pileup"]["nPU"])
    return columns, np.stack([np.asarray(values, np.float64) for values in per_event])


def _correct(jets: dict[str, NDArray[Any]], payload: Payload) -> None:
    for name, levels in (("response", payload.stack), ("l1_response", payload.stack[:1])):
        factor, valid = Payload(levels, payload.tag, payload.algorithm).evaluate(
            {column: jets[column] for column in ("pt_raw", "eta", "area", "rho")}
        )
        jets[name] = np.where(valid, factor * jets["pt_raw"] / jets["pt_gen"], np.nan)


def _target_weights(jets: SimulatedJets) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Return the weights of the target density and flavour mix (`SamplingSettings`, its defaults), and their report."""
    weight = np.zeros(len(jets), np.float32)
    kept = np.isin(jets.flavour, KNOWN) & (jets["pt_gen"] > SMALLEST_GEN) & (jets["pt_raw"] > SMALLEST_RAW)
    flavour = jets.flavour[kept]
    # A sample of one process may lack a group of flavours: it has no share then.
    shares = {
        group: share
        for group, share in SamplingSettings().shares.items()
        if np.isin(flavour, FLAVOUR_GROUPS[group]).any()
    }
    if not shares:
        raise InputError("no jet of known flavour: the sample cannot be brought to the training's mix")
    columns = (jets["pt_gen"][kept], jets["eta_gen"][kept], flavour)
    weights = weigh_jets(*columns, SamplingSettings(shares=shares))
    weight[kept] = weights.expected
    low, high = THINNED
    thinned = SamplingSettings(shares=shares, least_acceptance=0.0, accept_all_above=low, largest_weight=high)
    left = weigh_jets(*columns, thinned).report["accepted_in_an_epoch"]
    return weight, weights.report | {"left_when_thinned": left}
