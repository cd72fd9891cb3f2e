"""A method of a picklable object, on the partitions of dask events."""

from __future__ import annotations

from typing import Any

from coffea_mljec.nano.assignment import allow_dask_assignment

__all__ = ["on_partitions"]


def on_partitions(caller: Any, method: str, events: Any, collection: str) -> Any:
    """Return ``caller.method(partition, collection)`` of all partitions, as a dask-awkward array.

    Parameters
    ----------
    caller : object
        Picklable; its method takes a typetracer as well, and touches what it will read.
    method : str
    events : dask_awkward.Array
    collection : str
    """
    import dask_awkward
    from dask.base import tokenize
    from dask.delayed import delayed

    allow_dask_assignment()
    # A task of its own, on which the partitions depend: model and payloads travel once a worker, not once a chunk.
    shared = delayed(caller, name=f"mljec-provider-{tokenize(caller)}", traverse=False)
    function = _OnPartition(collection, method)
    return dask_awkward.map_partitions(
        function, events, shared, label=f"mljec-{method}", meta=function(events._meta, caller)
    )


class _OnPartition:
    """The method as a picklable function of the events of a partition."""

    def __init__(self, collection: str, method: str) -> None:
        self.collection = collection
        self.method = method

    def __call__(self, events: Any, caller: Any) -> Any:
        return getattr(caller, self.method)(events, self.collection)
