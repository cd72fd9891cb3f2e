"""Which jets the epochs of a pass hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.training.learning.tiny import SMALL
from training.learning.settings import Learning


def test_parts_of_a_pass_hold_every_accepted_jet_once(toy_jets: Callable[..., Any]) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
    pytest.importorskip("lightning", reason="lightning is not installed: pip install 'coffea-mljec[train]'")
    from training.learning.batches import JetBatches
    from training.learning.sampling import JetWeights, accept

    jets = toy_jets(300, feature_set=SMALL)
    weights = JetWeights(np.full(300, 0.8, np.float32), np.ones(300, np.float32), {})
    rows = np.arange(300)
    batches = JetBatches(jets, rows, rows[:5], weights, Learning(batch_size=10, jets_per_epoch=80), seed=4)

    class AtEpoch:
        current_epoch = 0

    batches.trainer = AtEpoch()
    seen = []
    for AtEpoch.current_epoch in (3, 4, 5):
        seen.append(batches.train_dataloader().rows)
    assert sum(map(len, seen)) > 200
    together = np.concatenate(seen)
    assert len(np.unique(together)) == len(together)
    assert set(together) <= set(accept(weights.acceptance, 4, 1))
