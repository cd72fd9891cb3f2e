"""What is used where nothing is said: one place for each default that several rooms share."""

from __future__ import annotations

__all__ = ["BATCH", "CHUNK_SIZE", "DEVICE", "FACTORS", "IN_SITU_REPLICAS", "MODEL", "REPLICAS", "WORKER_PATIENCE"]

MODEL = "pfn-r-lite-3"
"""The bundled model that `coffea_mljec.apply` uses."""

BATCH = 1024
"""Jets that a network evaluates at a time: features and activations of a batch stay in the cache."""

CHUNK_SIZE = 50_000
"""Events that are read at a time."""

DEVICE = "cpu"
"""Where this process evaluates networks."""

FACTORS = (0.05, 20.0)
"""Corrected / raw pT beyond this is no correction: such a jet is marked, and falls back or keeps the pT of the file."""

REPLICAS = 30
"""Bootstrap replicas behind the errors of the response."""

IN_SITU_REPLICAS = 20
"""Bootstrap replicas behind the errors of dijets and balance, whose histograms are larger."""

WORKER_PATIENCE = 40.0
"""Seconds to wait for workers that do nothing: none comes, all are gone or paused, or they were stopped."""
