"""What comes with the package, by name; and the readers at its top level."""

from __future__ import annotations

import numpy as np
import pytest

import coffea_mljec as mljec
from coffea_mljec import payloads
from coffea_mljec.errors import InputError
from coffea_mljec.models import bundled

VISIBLE = [name for name, card in bundled().items() if not card.neutrinos]
"""A closure compares with generator jets, which have no neutrinos: networks that add them have none."""


@pytest.mark.parametrize("name", [*VISIBLE, "standard"])
def test_every_bundled_correction_has_its_own(name):
    resolution, factor = mljec.resolution(name), mljec.scale_factor(name)
    tag = "MLJECSim_V1_MC" if name == "standard" else f"MLJECSim-{name}_V1_MC"
    assert resolution.tag == factor.tag == tag
    values = {"pt": np.array([40.0, 400.0]), "eta": np.array([0.5, 0.5]), "rho": np.array([20.0, 20.0])}
    assert np.all((resolution.evaluate(values)[0] > 0.02) & (resolution.evaluate(values)[0] < 0.3))
    if name != "standard":
        closure = mljec.closure(name)
        assert (closure.tag, closure.levels) == (tag, ("MLClosure",))
        corrector = mljec.MLJEC(name, closure=closure, resolution=resolution, scale_factor=factor)
        assert f"closure {tag}" in repr(corrector)


def test_names_that_nothing_has():
    with pytest.raises(
        InputError, match=r"no closure of 'pfn-r-lit' comes with the package\. Did you mean 'pfn-r-lite'"
    ):
        mljec.closure("pfn-r-lit")
    with pytest.raises(InputError, match="no closure of 'standard' comes with the package"):
        mljec.closure("standard")
    with pytest.raises(InputError, match=r"no scale factor of '\.\./jec' comes with .* python -m training derive"):
        mljec.scale_factor("../jec")


def test_readers_at_the_top_level():
    readers = [name for name in payloads.__all__ if name.startswith("read_")]
    assert len(readers) == 9
    for name in readers:
        assert getattr(mljec, name) is getattr(payloads, name)
        assert name in mljec.__all__
