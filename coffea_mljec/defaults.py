"""What is used where nothing is said: one place for each default that several rooms share."""

from __future__ import annotations

__all__ = [
    "BATCH",
    "CHUNK_SIZE",
    "DEVICE",
    "FACTORS",
    "IN_SITU_REPLICAS",
    "MODEL",
    "NETWORKS",
    "REPLICAS",
    "WORKER_PATIENCE",
]

MODEL = "pfn-c-lite"
"""The bundled model that is compared with and shown where none is named."""

NETWORKS = (MODEL, "pfn-k-lite", "jet-bdt", "pfn-r-lite-puppi", "ak8-pfn", "ak8-bdt")
"""The bundled models that `MLJEC()` takes, the best first: the first that is for the jets of a file and that the file
can feed. By resolution in simulation (docs/explanation/results.md). A model that reads the same as one before it would
never be taken, so it is not here. CHS jets come first: a file that does not tell which jets it has is taken for CHS."""

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
