"""The raw soft-drop mass of large jets, made from their subjets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import MissingBranchError
from coffea_mljec.nano import JetChunk
from coffea_mljec.status import Status, carries
from tests.factories import Tables, in_memory


def large_jets(**subjets: np.ndarray) -> Any:
    """Two events: two jets of two subjets each; one jet of two subjets, and one without."""
    jets = {
        "pt": np.array([400.0, 300, 500, 250]), "eta": np.array([0.0, 1.0, -1, 2]), "phi": np.array([0.0, 3.1, 1, -1]),
        "mass": np.array([80.0, 90, 100, 10]), "rawFactor": np.zeros(4),
    }  # fmt: skip
    subs = {
        "pt": np.array([250.0, 150, 200, 100, 300, 200]), "eta": np.array([0.1, -0.2, 1.1, 0.9, -0.9, -1.1]),
        "phi": np.array([0.1, -0.1, 3.1, -3.1, 1.1, 0.9]), "mass": np.array([10.0, 5, 8, 1, 20, 0]),
        "rawFactor": np.array([0.1, 0.05, 0.1, 0.2, 0.0, 0.1]),
    }  # fmt: skip
    event = {"run": np.ones(2, "u4"), "luminosityBlock": np.ones(2, "u4"), "event": np.arange(2, dtype="u8")}
    return in_memory(
        Tables(
            event,
            {"FatJet": np.array([2, 2]), "SubJet": np.array([4, 2])},
            {"FatJet": jets, "SubJet": subs | subjets},
        )
    )


def wanted(rows: list[int], events: Any) -> float:
    subjets = {name: np.concatenate([np.asarray(one) for one in events.SubJet[name]]) for name in events.SubJet.fields}
    raw = 1 - subjets["rawFactor"][rows]
    pt, mass = subjets["pt"][rows] * raw, subjets["mass"][rows] * raw
    momenta = np.stack([
        pt * np.cos(subjets["phi"][rows]), pt * np.sin(subjets["phi"][rows]), pt * np.sinh(subjets["eta"][rows])
    ])  # fmt: skip
    energy = np.sqrt((momenta**2).sum(axis=0) + mass**2).sum()
    return float(np.sqrt(energy**2 - (momenta.sum(axis=1) ** 2).sum()))


def test_of_the_subjets_before_their_correction() -> None:
    events = large_jets()
    found = JetChunk.of(events, "FatJet").jet("soft_drop_mass")
    expected = [wanted([0, 1], events), wanted([2, 3], events), wanted([4, 5], events), 0.0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1000.0])
def test_a_broken_subjet_may_be_any_jets_of_its_event(broken: float) -> None:
    flat = JetChunk.of(large_jets(eta=np.array([0.1, broken, 1.1, 0.9, -0.9, -1.1])), "FatJet").flat(
        ("soft_drop_mass",)
    )
    np.testing.assert_array_equal(carries(flat.flags, Status.BAD_INPUT), [True, True, False, False])


def test_a_file_without_subjets() -> None:
    events = large_jets()
    events = events[[name for name in events.fields if name != "SubJet"]]
    with pytest.raises(MissingBranchError, match="needs soft_drop_mass: looked for FatJet_msoftdrop_raw"):
        JetChunk.of(events, "FatJet").jet("soft_drop_mass")


@pytest.mark.parametrize("name", ["pfnano_ul17_mc", "pfnano_ul18_partial_mc", "nanoaod_v15_tt_mc"])
def test_beside_what_cms_stores(real_data: Path, open_nano: Callable[..., Any], name: str) -> None:
    """CMS corrects the subjets: by some 10 per cent."""
    chunk = JetChunk.of(open_nano(real_data / "nano" / f"{name}.root"), "FatJet")
    raw, stored = chunk.jet("soft_drop_mass"), chunk.field("msoftdrop")
    massive = stored > 20
    assert massive.sum() >= 5
    assert (raw[massive] < stored[massive]).all()
    assert np.median(raw[massive] / stored[massive]) == pytest.approx(0.9, abs=0.03)
