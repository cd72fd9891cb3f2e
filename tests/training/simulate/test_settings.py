"""Impossible settings are refused by name."""

from __future__ import annotations

import pytest

from coffea_mljec.errors import InputError
from training.simulate.settings import PROCESSES, Settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"process": "dijet"}, "unknown process 'dijet': choose one of qcd,"),
        ({"pileup_mean": -1.0}, r"pileup_mean -1.0 is impossible"),
        ({"pileup_mean": (40.0, 20.0)}, "give a number, or a range low <= high"),
        ({"pt_hat_min": 200.0, "pt_hat_max": 100.0}, "pt_hat_min 200.0 is not below pt_hat_max 100.0: exchange them"),
        ({"pt_hat_max": 7000.0}, "beyond half the energy"),
        ({"shower": "herwig"}, "unknown shower 'herwig': choose one of simple, vincia, dire"),
        ({"passes": 0}, "passes: Input should be greater than or equal to 1"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"hadron_response_scale": 3.0}, "hadron_response_scale"),
        ({"hadron_resolution_scale": 0.0}, "hadron_resolution_scale"),
        ({"pileup": 20}, "pileup: Extra inputs are not permitted"),
    ],
)
def test_refuses(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings.create(**values)


def test_reports_every_refusal_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Settings.create(process="x", seed=-5)
    assert "unknown process" in str(caught.value)
    assert "seed" in str(caught.value)


def test_settings_are_frozen_and_processes_have_distinct_codes() -> None:
    settings = Settings.create(process="ttbar", pileup_mean=30)
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 2
    assert len({process.code for process in PROCESSES.values()}) == len(PROCESSES)
