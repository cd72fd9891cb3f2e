"""The bundled networks for AK8 jets: pT, mass and soft-drop mass at once, on our sample and on CMS's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import MLJEC, Status
from coffea_mljec.corrections import FastSimulationWarning
from coffea_mljec.errors import InputError

NETWORKS = ("ak8-pfn", "ak8-bdt")


@pytest.fixture
def large(sample: Path) -> Path:
    return sample.with_name("mljec_large_jets.root")


@pytest.mark.parametrize("name", NETWORKS)
def test_three_quantities_at_once(name: str, large: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(large)
    jets = ak.flatten(MLJEC(name).apply(events, "FatJet"))
    jets = jets[Status.APPLIED.of(jets)]
    assert len(jets) > 700
    matched = jets[~ak.is_none(jets.matched_gen)]
    gen = ak.drop_none(matched.matched_gen)
    assert np.median(ak.to_numpy(matched.pt / gen.pt)) == pytest.approx(1.0, abs=0.015)
    massive = gen.mass > 40
    assert np.median(ak.to_numpy((matched.mass / gen.mass)[massive])) == pytest.approx(1.0, abs=0.03)
    # Raw masses are too low, groomed ones by a tenth.
    raised = ak.to_numpy(jets.msoftdrop / jets.msoftdrop_orig)[ak.to_numpy(jets.msoftdrop_orig) > 40]
    assert np.median(raised) == pytest.approx(1.1, abs=0.04)
    assert ak.all(jets.msoftdrop[jets.msoftdrop_orig == 0] == 0)


def test_the_best_network_for_large_jets(large: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(large, entry_stop=50)
    chosen, named = (provider.apply(events, "FatJet") for provider in (MLJEC(), MLJEC("ak8-pfn")))
    assert ak.all(chosen.pt == named.pt)
    assert ak.all(chosen.msoftdrop == named.msoftdrop)


def test_networks_are_for_their_jets(large: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(large)
    with pytest.raises(InputError, match="'pfn-r-lite-puppi' is for AK4PFPuppi jets, collection Jet; got 'FatJet'"):
        MLJEC("pfn-r-lite-puppi").apply(events, "FatJet")
    with pytest.raises(InputError, match="'ak8-pfn' is for AK8PFPuppi jets, collection FatJet; got 'Jet'"):
        MLJEC("ak8-pfn").apply(events, "Jet")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        *((name, file) for name in NETWORKS for file in ("pfnano_ul17_mc", "pfnano_ul18_partial_mc")),
        ("ak8-bdt", "nanoaod_v15_tt_mc"), ("ak8-bdt", "nanoaod_v13_egamma2022e_data"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::coffea_mljec.corrections.FastSimulationWarning")
def test_jets_of_cms(name: str, file: str, real_data: Path, open_nano: Callable[..., Any]) -> None:
    """Full simulation, which the networks have not seen: masses near those that CMS stores."""
    assert issubclass(FastSimulationWarning, UserWarning)
    events = open_nano(real_data / "nano" / f"{file}.root")
    jets = ak.flatten(MLJEC(name).apply(events, "FatJet"))
    applied = Status.APPLIED.of(jets)
    assert ak.sum(applied) >= 0.7 * len(jets)
    good = jets[applied & (jets.msoftdrop_orig > 20)]
    assert len(good) >= 5
    assert np.median(ak.to_numpy(good.pt / good.pt_orig)) == pytest.approx(1.0, abs=0.05)
    assert np.median(ak.to_numpy(good.msoftdrop / good.msoftdrop_orig)) == pytest.approx(1.0, abs=0.06)
    assert ak.all(jets[~applied].msoftdrop == jets[~applied].msoftdrop_orig)


def test_the_closure_that_belongs_to_it(large: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(large, entry_stop=50)
    plain = MLJEC("ak8-pfn").apply(events, "FatJet")
    closed = MLJEC("ak8-pfn", closure=mljec.closure("ak8-pfn")).apply(events, "FatJet")
    ratio = ak.to_numpy(ak.flatten(closed.pt / plain.pt))[ak.to_numpy(ak.flatten(Status.APPLIED.of(closed)))]
    assert np.median(np.abs(ratio - 1)) < 0.005
    assert 0.0 < np.abs(ratio - 1).max() < 0.1
