"""What a run's folder says of its jets."""

from __future__ import annotations

import numpy as np

from training.learning.run_folder import domain_of


def test_a_domain_reaches_to_the_least_where_the_sample_comes_near() -> None:
    columns = {
        "pt_raw": np.array([5.5, 900.0]), "eta": np.array([-4.5, 0.3]), "rho": np.array([0.7, 60.0]),
        "n_pv": np.array([2.0, 64.0]),
    }  # fmt: skip
    assert domain_of(columns) == {
        "pt_raw": [5.5, 900.0], "abs_eta": [0.0, 4.5], "rho": [0.0, 60.0], "n_pv": [1.0, 64.0],
    }  # fmt: skip
    # A sample of much pileup alone says nothing of events without.
    crowded = columns | {"rho": np.array([12.0, 40.0]), "n_pv": np.array([20.0, 50.0])}
    assert domain_of(crowded)["rho"] == [12.0, 40.0]
    assert domain_of(crowded)["n_pv"] == [20.0, 50.0]
