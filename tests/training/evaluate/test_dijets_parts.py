"""Parts of a sample, each judged by the network that has not seen it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet
from training.dataset import PreparedJets
from training.dataset.dijets import Dijets
from training.evaluate import dijets_parts
from training.evaluate.dijets_parts import corrections_of, joined, network_of


def dijets(start: int, n: int) -> Dijets:
    """Events from a number on; every column follows the jet's number."""
    number = np.arange(2 * start, 2 * (start + n))
    columns = {"pt_raw": 100.0 + number, "scatter": number // 2}
    jets = PreparedJets(columns, {"jet_features": number[:, None]}, FeatureSet.from_names({"jet": ("pt",)}), {})
    event = np.arange(start, start + n)
    return Dijets(jets, 100.0 + event, event % 3, np.column_stack([event, -event]), {"all": n})


class Constant:
    """A network that says one number of every jet."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.standardisations = {"jet": type("Part", (), {"features": ("pt",)})()}


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []

    def reads(paths: Sequence[Path], *bins: Any, **options: Any) -> Dijets:
        assert options["truth"]
        read.append(str(paths[0]))
        return dijets(0, 5) if str(paths[0]) == "first" else dijets(5, 7)

    monkeypatch.setattr(dijets_parts, "read_dijets", reads)
    monkeypatch.setattr(
        dijets_parts, "log_corrections", lambda network, jets: np.full(len(jets.columns["pt_raw"]), network.value, "f4")
    )
    return read


def test_each_part_is_judged_by_its_own_network(in_parts: list[str]) -> None:
    networks: Any = {"both": [Constant(1.0)], "own": [Constant(2.0), Constant(3.0)]}
    found, corrections = corrections_of(networks, [Path("first"), Path("second")], progress=False)
    assert in_parts == ["first", "second"]
    assert corrections["both"].tolist() == [1.0] * 24
    assert corrections["own"].tolist() == [2.0] * 10 + [3.0] * 14
    whole = dijets(0, 12)
    assert len(found) == 12
    for name, values in whole.jets.columns.items():
        assert found.jets.columns[name].tolist() == values.tolist()
    for name in ("pt_avg", "cell", "further"):
        assert getattr(found, name).tolist() == getattr(whole, name).tolist()
    assert found.event.tolist() == whole.event.tolist()
    assert joined([whole]).counts == {"all": 12}


def test_another_number_of_networks_is_refused(in_parts: list[str]) -> None:
    networks: Any = {"own": [Constant(2.0), Constant(3.0)]}
    with pytest.raises(InputError, match=r"'own' has 2 networks, and the data have 1 parts: give one network, or one"):
        corrections_of(networks, [Path("first")], progress=False)


def test_a_bundled_model_is_a_network() -> None:
    network = network_of(Path("pfn-r-lite"))
    assert not network.training
    assert set(network.standardisations) == {"jet", "charged", "neutral", "sv"}
