"""A network's outputs are the same in all modes and on two workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec import Network
from tests.models import weaver_toy
from tests.modes.networks import WAYS, in_all_ways, largest_differences, network_of_cms

pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("layout", ["pfnano", "pfnano_106x"])
def test_a_toy_on_generated_files(generated: Any, tmp_path: Path, layout: str) -> None:
    network = Network.from_weaver(*weaver_toy.write(tmp_path, seeds=(0, 1)), collection="FatJet")
    found = in_all_ways(network, generated(layout))
    assert set(found) == set(WAYS)
    assert np.isfinite(found["eager"]).any(axis=1).sum() > 15
    assert max(largest_differences(found).values()) < 1e-5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_network_of_cms_on_a_real_file(real_data: Path) -> None:
    network = network_of_cms(real_data, "ParticleNetAK8_General")
    found = in_all_ways(network, real_data / "nano" / "pfnano_ul17_mc.root")
    assert found["eager"].shape == (24, 21)
    assert max(largest_differences(found).values()) < 1e-5
