"""Work on many files and many machines: executors, what goes wrong there, and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffea_mljec.workers.checkpoints import Checkpoints, DamagedCheckpointsWarning
from coffea_mljec.workers.cluster import ClusterExecutor
from coffea_mljec.workers.environment import WorkerVersionWarning, check_workers
from coffea_mljec.workers.executors import ExecutorKind, executor
from coffea_mljec.workers.files import Plan, plan_of
from coffea_mljec.workers.first_files import first_files
from coffea_mljec.workers.guard import Failure, as_failure
from coffea_mljec.workers.local_cluster import OpenClusterWarning, local_cluster
from coffea_mljec.workers.parcel import spread
from coffea_mljec.workers.run import Outcome, process, run

if TYPE_CHECKING:
    from coffea_mljec.workers.plugin import StopProfiler, WarmUp

__all__ = [
    "Checkpoints",
    "ClusterExecutor",
    "DamagedCheckpointsWarning",
    "ExecutorKind",
    "Failure",
    "OpenClusterWarning",
    "Outcome",
    "Plan",
    "StopProfiler",
    "WarmUp",
    "WorkerVersionWarning",
    "as_failure",
    "check_workers",
    "executor",
    "first_files",
    "local_cluster",
    "plan_of",
    "process",
    "run",
    "spread",
]


def __getattr__(name: str) -> Any:
    # A dask plugin derives from a class of distributed, which the rest of the package does without.
    if name in ("StopProfiler", "WarmUp"):
        try:
            from coffea_mljec.workers import plugin
        except ImportError:
            raise ImportError(f"{name} needs dask's distributed: pip install 'coffea-mljec[dask]'.") from None
        return getattr(plugin, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
