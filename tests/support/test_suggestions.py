"""The nearest names to one that does not exist."""

from __future__ import annotations

from coffea_mljec.support.suggestions import did_you_mean, nearest

MODELS = ("pfn-r", "pfn-r-lite", "particlenet-r")


def test_the_nearest_come_first() -> None:
    assert nearest("pfn-r-light", MODELS) == ["pfn-r-lite"]
    assert nearest("pfn-r-light", iter(MODELS), most=2) == ["pfn-r-lite", "pfn-r"]
    assert nearest("jet-bdt", MODELS) == []
    assert nearest("pfn", MODELS, cutoff=0.8) == []
    assert nearest("pfn", ()) == []


def test_a_question_for_a_message() -> None:
    assert did_you_mean("pfn-r-light", MODELS) == "Did you mean 'pfn-r-lite'? "
    assert did_you_mean("zebra", MODELS) == ""
