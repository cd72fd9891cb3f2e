"""Fallbacks: each takes the jets that those before it cannot treat, whatever it is built of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import Provider, Status
from coffea_mljec.corrections import Correction, Factors
from coffea_mljec.errors import MissingBranchError
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.payloads import read_text
from coffea_mljec.status import STATUS_TYPE


class Every(Correction):
    """The same factor for every n-th jet, from the first on; the others are out of its domain."""

    algorithm = None  # type: ignore[assignment]
    payloads = ()  # type: ignore[assignment]

    def __init__(self, n: int, factor: float, quantity: str = "area") -> None:
        self.n, self.value, self.quantity = n, factor, quantity
        self.seen: list[str] = []

    @property
    def summary(self) -> str:
        return f"{self.value} for every {self.n}th jet"

    @property
    def asker(self) -> str:
        return f"every {self.n}th"

    def measured_on_own_jets(self, made: Any) -> bool:
        return True

    def check(self, layout: Layout) -> None:
        self.seen.append(layout.collection)

    def branches(self, layout: Layout) -> list[Branch]:
        return [layout.require("jet", self.quantity, self.asker)]

    def extra_fields(self, layout: Layout) -> tuple[str, ...]:
        return ()

    def factor(self, chunk: JetChunk) -> Factors:
        mine = np.arange(len(chunk)) % self.n == 0
        status = np.where(mine, Status.APPLIED, Status.OUT_OF_DOMAIN).astype(STATUS_TYPE)
        return Factors(np.full(len(chunk), self.value), status, {})


@pytest.fixture
def events(tiny_nano: Path, open_nano: Any) -> Any:
    return open_nano(tiny_nano)


def flat(values: Any) -> Any:
    return ak.to_numpy(ak.flatten(values))


def test_a_fallback_has_a_fallback(events: Any) -> None:
    corrections = [Every(6, 2.0), Every(3, 3.0), Every(2, 4.0)]
    provider = None
    for number, correction in reversed(list(enumerate(corrections))):
        provider = Provider(correction, provider, name=str(number))
    jets = provider.apply(events)
    rows = np.arange(ak.sum(ak.num(jets)))
    stored = flat(jets.pt_orig / jets.pt_raw)
    expected = np.select([rows % 6 == 0, rows % 3 == 0, rows % 2 == 0], [2.0, 3.0, 4.0], stored)
    np.testing.assert_allclose(flat(jets.jet_energy_correction), expected, rtol=1e-6)
    rescued = (flat(jets.mljec_status) & Status.FALLBACK) != 0
    assert (rescued == (((rows % 3 == 0) | (rows % 2 == 0)) & (rows % 6 != 0))).all()
    assert all(correction.seen == ["Jet"] for correction in corrections)


def test_what_any_of_them_reads_is_declared(events: Any) -> None:
    last = Provider(Every(1, 1.0, "eta"), name="last")
    provider = Provider(Every(2, 1.0), Provider(Every(3, 1.0, "phi"), last, name="second"), name="first")
    assert {"Jet_area", "Jet_phi", "Jet_eta"} <= set(provider.required_branches(events))
    lacking = Provider(Every(4, 1.0, "n_constituents"), name="third")
    wrong = Provider(Every(2, 1.0), Provider(Every(3, 1.0), lacking, name="second"), name="first")
    with pytest.raises(MissingBranchError, match="every 4th"):
        wrong.required_branches(events)


def test_the_levels_of_a_fallback_are_declared_too(tiny_data: Path, open_nano: Any, tmp_path: Path) -> None:
    """A residual on data reads the run, which nobody else does here."""
    path = tmp_path / "Toy1_V1_DATA_L2L3Residual_AK4PFPuppi.jec.txt"
    path.write_text("{1 JetEta 1 JetPt [0] Correction L2L3Residual}\n-5.191 5.191 3 1 6500 1.1\n")
    fallbacks = (Provider(Every(1, 1.0), name="second", residual=residual) for residual in (None, read_text([path])))
    without, with_residual = (Provider(Every(2, 1.0), one, name="first") for one in fallbacks)
    events = open_nano(tiny_data)
    assert set(with_residual.required_branches(events)) - set(without.required_branches(events)) == {"run"}
