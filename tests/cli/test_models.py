"""``mljec models``."""

from __future__ import annotations

import json

from coffea_mljec.models import bundled


def test_every_bundled_model_is_listed(mljec):
    status, printed, _ = mljec("models")
    assert status == 0
    assert all(name in printed for name in bundled())
    assert bundled() or "no models are bundled" in printed


def test_the_card_of_one_model(mljec, model_folder):
    status, printed, _ = mljec("models", model_folder)
    assert status == 0
    assert json.loads(printed) == json.loads((model_folder / "card.json").read_text())


def test_a_model_that_is_not_there(mljec):
    status, printed, said = mljec("models", "nothing-like-it")
    assert (status, printed) == (2, "")
    assert "no model 'nothing-like-it'" in said
