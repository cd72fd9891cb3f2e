"""Toy jets for the training's tests: random, seeded, with a correction that can be learnt from the constituents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from coffea_mljec import workers
from coffea_mljec.features import PFNANO, FeatureSet
from tests.patience import PATIENCE


def toy_columns_and_features(
    n: int, seed: int, feature_set: FeatureSet, n_events: int | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Jets whose response is 1 for charged and 0.7 for neutral constituents: the features tell the share of each."""
    rng = np.random.default_rng(seed)
    pt_gen = np.exp(rng.uniform(np.log(10), np.log(2000), n))
    eta = rng.uniform(-4.7, 4.7, n)
    charged_share = np.where(np.abs(eta) < 2.5, rng.beta(6, 3, n), 0.0)
    response = (charged_share + 0.7 * (1 - charged_share)) * np.exp(rng.normal(0, 0.02, n))
    pt_raw = pt_gen * response
    counts = {
        "charged": np.where(charged_share > 0, 1 + rng.poisson(11, n), 0),
        "neutral": 1 + rng.poisson(13, n),
        "sv": rng.poisson(0.15, n),
    }
    counts["charged"][:2] = 0
    counts["neutral"][1] = 0
    features: dict[str, Any] = {}
    for c in feature_set.constituents:
        offsets = np.concatenate([[0], np.cumsum(counts[c])]).astype(np.int64)
        jet = np.repeat(np.arange(n), counts[c])
        table = rng.exponential(0.05, (len(jet), len(getattr(feature_set, c)))).astype(np.float32)
        share = charged_share if c == "charged" else 0.7 * (1 - charged_share)
        split = rng.exponential(1.0, len(jet))
        total = np.bincount(jet, split, n)
        rel_pt = split / np.maximum(total[jet], 1e-9) * (share / response)[jet]
        for column, name in enumerate(getattr(feature_set, c)):
            if name == "rel_pt":
                table[:, column] = rel_pt
            elif name == "pt":
                table[:, column] = rel_pt * pt_raw[jet]
            elif name == "eta":
                table[:, column] = eta[jet] + rng.normal(0, 0.1, len(jet))
            elif name in ("dxy", "dz", "dxy_sig"):
                table[:, column] = rng.standard_cauchy(len(jet)) * 0.01
            elif "_" in name and name.split("_", 1)[0] in ("id", "pv"):
                table[:, column] = rng.random(len(jet)) < 0.2
        features[f"{c}_features"], features[f"{c}_offsets"] = table, offsets
    known = {"pt": pt_raw, "log_pt": np.log(pt_raw), "eta": eta, "phi": rng.uniform(-np.pi, np.pi, n)}
    known |= {"mass": 0.15 * pt_raw, "area": rng.normal(0.5, 0.02, n), "rho": rng.uniform(5, 40, n)}
    known |= {"n_pv": rng.integers(5, 60, n), "multiplicity": counts["charged"] + counts["neutral"]}
    jet_columns = [known.get(name, rng.uniform(0.05, 0.5, n)) for name in feature_set.jet]
    features = {"jet_features": np.stack(jet_columns, axis=1).astype(np.float32)} | features
    event = np.sort(rng.integers(0, n_events or max(n // 3, 1), n))
    columns = {
        "run": np.ones(n, "i8"), "luminosityBlock": np.ones(n, "i8"), "event": event.astype("i8"),
        "scatter": event.astype("i8"), "jet": np.arange(n, dtype="i4"),
        "flavour": rng.choice([1, 2, 3, 4, 5, 21], n).astype("i4"),
        "pt_raw": pt_raw.astype("f4"), "eta": eta.astype("f4"), "rho": known["rho"].astype("f4"),
        "n_pv": known["n_pv"].astype("f4"), "pt_gen": pt_gen.astype("f4"), "eta_gen": eta.astype("f4"),
        "target": np.log(pt_gen / pt_raw).astype("f4"),
    }  # fmt: skip
    return columns, features


@pytest.fixture(scope="session")
def toy_jets() -> Callable[..., Any]:
    """``toy_jets(n, seed=1, feature_set=PFNANO)``: `PreparedJets` in memory."""
    from training.dataset import PreparedJets

    def make(n: int, seed: int = 1, feature_set: FeatureSet = PFNANO) -> PreparedJets:
        columns, features = toy_columns_and_features(n, seed, feature_set)
        return PreparedJets(
            columns, features, feature_set, {"digest": f"toy{seed:013d}", "shards": {}, "counts": {"all": n}}
        )

    return make


@pytest.fixture
def cluster_here() -> Iterator[workers.ClusterExecutor]:
    """A dask cluster whose one worker has two threads in this process, and sees what a test changes in it."""
    distributed = pytest.importorskip("distributed", reason="dask workers need distributed ([dask])")
    pytest.importorskip("cryptography", reason="a local cluster's certificate needs cryptography ([dask])")
    with workers.local_cluster(1, 2, processes=False, worker_class=distributed.Worker) as client:
        yield workers.ClusterExecutor(client=client, status=False, wait=PATIENCE)
