"""Inputs of real jets are exchanged for simulated ones: what was changed is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffea_mljec.errors import InputError
from training.realism.exchange import Exchanged, exchange, write_exchange
from training.simulate.nanoaod import read, write


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> tuple[Path, Path]:
    """Jets whose tracks begin 5 mm from the vertex, and the sample that they are from."""
    events = read(sample)
    columns = events.tables["PFCands"].columns
    columns["d0"] = (columns["d0"] + 0.5).astype("f4")
    folder = tmp_path_factory.mktemp("real")
    write(folder / "real.root", events)
    return folder / "real.root", sample


def test_what_was_changed_is_found(tmp_path: Path, files: tuple[Path, Path]) -> None:
    real, simulated = files
    found, n_real, n_simulated = exchange("pfn-r-lite", [real], [simulated], tmp_path, number=3, most=1500)
    assert n_real > 1000
    assert n_simulated == 1500
    by_name = {one.inputs: one for one in found}
    assert {"charged", "neutral", "sv", "charged: impact parameters", "neutral: types", "jet: rho"} <= set(by_name)
    changed = by_name["charged: impact parameters"]
    assert abs(changed.excess[0]) > 8 * changed.excess[1]
    assert {found[0].inputs, found[1].inputs} == {"charged", "charged: impact parameters"}
    for name in ("neutral", "sv", "jet: rho", "charged: types"):
        assert abs(by_name[name].excess[0]) < 0.3 * abs(changed.excess[0])
    path = write_exchange(found, "pfn-r-lite", [real], (n_real, n_simulated), tmp_path / "report")
    lines = path.read_text().splitlines()
    assert lines[0] == "# What moves pfn-r-lite on real jets"
    assert len([line for line in lines if line.startswith("| ")]) == 2 + len(found)


def test_the_excess_has_the_error_of_both() -> None:
    excess, error = Exchanged("sv", (0.02, 0.003), (0.005, 0.004)).excess
    assert excess == pytest.approx(0.015)
    assert error == pytest.approx(0.005)


def test_a_model_without_constituents_is_refused(tmp_path: Path, sample: Path) -> None:
    with pytest.raises(InputError, match="inputs are exchanged by collections, along with pt, eta and phi of the jet"):
        exchange("jet-bdt", [sample], [sample], tmp_path)
    with pytest.raises(
        InputError, match=r"simulated jets above 30 GeV .*: at least 1 and 100001 are needed; give more"
    ):
        exchange("pfn-r-lite", [sample], [sample], tmp_path, number=100_000)
