"""``mljec models``."""

from __future__ import annotations

import json

from coffea_mljec import defaults
from coffea_mljec.cli import terminal
from coffea_mljec.models import bundled


def test_every_bundled_model_is_listed(mljec):
    status, printed, _ = mljec("models")
    assert status == 0
    assert all(name in printed for name in bundled())
    assert bundled() or "no models are bundled" in printed


def test_80_columns_hold_every_name(mljec, monkeypatch):
    monkeypatch.setattr(terminal.out, "width", 80)
    status, printed, _ = mljec("models")
    assert status == 0
    first_words = [line.split()[0] for line in printed.splitlines() if line]
    assert all(first_words.count(name) == 1 for name in bundled())
    assert "\u2026" not in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert f"default: {defaults.MODEL}" in printed


def test_all_cards_as_json(mljec):
    status, printed, _ = mljec("models", "--json")
    assert status == 0
    found = json.loads(printed)
    assert found["default"] == defaults.MODEL
    assert found["models"] == {name: card.model_dump(mode="json") for name, card in bundled().items()}


def test_the_card_of_one_model(mljec, model_folder):
    status, printed, _ = mljec("models", model_folder)
    assert status == 0
    assert json.loads(printed) == json.loads((model_folder / "card.json").read_text())


def test_a_model_that_is_not_there(mljec):
    status, printed, said = mljec("models", "nothing-like-it")
    assert (status, printed) == (2, "")
    assert "no model 'nothing-like-it'" in said
