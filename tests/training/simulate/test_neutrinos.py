"""Generator jets with their neutrinos."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.batch import Jagged
from training.simulate.neutrinos import with_neutrinos


def table(offsets: list[int], **columns: list[float]) -> Jagged:
    return Jagged(np.array(offsets), {name: np.array(values) for name, values in columns.items()})


def test_neutrinos_of_a_jet_are_added_to_it() -> None:
    jets = table([0, 2, 2, 3], pt=[100.0, 50.0, 70.0], eta=[0.0, 2.0, 0.0], phi=[3.1, 0.0, 0.0], mass=[10.0, 5.0, 0.0])
    gen = table(
        [0, 4, 5, 6], pt=[20.0, 30.0, 40.0, 9.0, 12.0, 0.0], eta=[0.1, 2.0, -2.0, 0.0, 0.0, 0.0],
        phi=[-3.1, 0.0, 0.0, 3.1, 0.0, 0.0], mass=[0.0] * 6, pdgId=[-12, 14, 16, 211, 16, 12],
    )  # fmt: skip
    found = with_neutrinos(jets, gen, 0.4)
    assert found["pt"].tolist() == [100.0, 50.0, 70.0]
    # Along the axis momenta add up; the mass does not stay, as energies do not add in quadrature.
    energy = np.sqrt((50 * np.cosh(2.0)) ** 2 + 25) + 30 * np.cosh(2.0)
    assert found["ptWithNeutrinos"][1:] == pytest.approx([80.0, 70.0])
    assert found["massWithNeutrinos"][1:] == pytest.approx([np.sqrt(energy**2 - (80 * np.cosh(2.0)) ** 2), 0.0])
    # Beyond phi = pi, a little off the axis: by the law of cosines.
    turn = 2 * np.pi - 6.2
    assert found["ptWithNeutrinos"][0] == pytest.approx(np.sqrt(100**2 + 20**2 + 2 * 100 * 20 * np.cos(turn)))
    assert abs(found["phiWithNeutrinos"][0]) > 3.1
    assert 0.0 < found["etaWithNeutrinos"][0] < 0.1
    # The jet's own columns stay; nothing of another event, or too far away, was added.
    assert found["ptWithNeutrinos"][2] == pytest.approx(70.0)


def test_of_two_jets_the_one_that_would_take_a_ghost() -> None:
    jets = table([0, 2], pt=[100.0, 10.0], eta=[0.0, 0.6], phi=[0.0, 0.0], mass=[0.0, 0.0])
    gen = table([0, 1], pt=[5.0], eta=[0.35], phi=[0.0], mass=[0.0], pdgId=[12])
    # Nearer to the soft jet, but the hard one clusters first.
    assert with_neutrinos(jets, gen, 0.4)["ptWithNeutrinos"].tolist() == pytest.approx([105.0, 10.0])


def test_without_jets_or_neutrinos() -> None:
    empty = {name: [] for name in ("pt", "eta", "phi", "mass")}
    gen = table([0, 1], pt=[5.0], eta=[0.0], phi=[0.0], mass=[0.0], pdgId=[14])
    assert len(with_neutrinos(table([0, 0], **empty), gen, 0.4)["ptWithNeutrinos"]) == 0
    jets = table([0, 1], pt=[20.0], eta=[1.0], phi=[1.0], mass=[4.0])
    alone = with_neutrinos(jets, table([0, 0], **empty, pdgId=[]), 0.4)
    for name in ("pt", "eta", "phi", "mass"):
        assert alone[f"{name}WithNeutrinos"].tolist() == pytest.approx(jets[name].tolist())
