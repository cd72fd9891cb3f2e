"""A table as a study would write it, with a learning curve that is known."""

from __future__ import annotations

import numpy as np

from training.studies.table import Row, Table

SCATTERS = (5_000, 10_000, 20_000, 40_000, 80_000)


def toy_table(kind: str = "learning-curve", noise: float = 1e-5, replicas: int = 20) -> Table:
    rng = np.random.default_rng(7)

    def measured(value: float, error: float) -> list[float]:
        return [value + error * rng.normal() * 0.3, *(value + error * rng.normal(size=replicas))]

    rows = []
    for architecture, better in (("pfn-r-lite", 0.0), ("pfn-c-lite", 0.001)):
        for number, n in enumerate(SCATTERS):
            x = n / SCATTERS[0]
            weight = 0.1 * number if kind == "frontier" else 0.0
            rows.append(
                Row(
                    label=f"{architecture}-{n}",
                    settings={"train_scatters": n, "architecture": architecture}
                    if kind == "learning-curve"
                    else {"learning.flavour.weight": weight, "architecture": architecture},
                    scatters=n, jets=18 * n, parameters=40_000, flavour_weight=weight,
                    us_per_jet=3.0 + 2.0 * (better > 0) + 0.1 * number,
                    measured={
                        "loss": measured(0.061 - better + 0.005 * x**-0.5, noise),
                        "beta_central": measured(0.15 - 0.07 * x**-0.5 - 0.1 * weight, 0.003),
                        "beta_forward": measured(0.12 - 0.05 * x**-0.5 - 0.1 * weight, 0.006),
                        "alpha_central": measured(0.35 - 0.15 * x**-0.5 + weight, 0.02),
                    },
                )
            )  # fmt: skip
    sample = {"productions": ["toy"], "files": 3, "events": 16_000, "jets": 200_000, "replicas": replicas}
    return Table("toy", kind, sample, ["pfn-r-lite-20000"], rows)
