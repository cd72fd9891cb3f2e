"""A method of a picklable object, on the partitions of dask events."""

from __future__ import annotations

from typing import Any

from coffea_mljec.errors import InputError
from coffea_mljec.nano.assignment import allow_dask_assignment
from coffea_mljec.nano.detection import detect, is_dask, number_type
from coffea_mljec.nano.layout import Layout

__all__ = ["on_partitions"]


def on_partitions(caller: Any, method: str, events: Any, collection: str, *others: Any) -> Any:
    """Return ``caller.method(partition, collection, *others)`` of all partitions, as a dask-awkward array.

    Parameters
    ----------
    caller : object
        Picklable; its method takes a typetracer as well, and touches what it will read.
    method : str
    events : dask_awkward.Array
    collection : str
    *others : dask_awkward.Array
        Of the same partitions, such as corrected jets.

    Raises
    ------
    InputError
        If one of `others` is not a dask collection, or links of the jets are of a type that coffea cannot read in dask
        mode.
    """
    import dask_awkward
    from dask.base import tokenize
    from dask.delayed import delayed

    for one in others:
        if not is_dask(one):
            raise InputError(f"events are a dask collection and jets are not: got {type(one).__name__}.")
    allow_dask_assignment()
    _check_links(events, detect(events, collection))
    # A task of its own, on which the partitions depend: model and payloads travel once a worker, not once a chunk.
    shared = delayed(caller, name=f"mljec-provider-{tokenize(caller)}", traverse=False)
    function = _OnPartition(collection, method)
    return dask_awkward.map_partitions(
        function,
        events,
        shared,
        *others,
        label=f"mljec-{method}",
        meta=function(events._meta, caller, *(one._meta for one in others)),
    )


def _check_links(events: Any, layout: Layout) -> None:
    """coffea adds jets' places to links, on a worker: of unsigned 64 bits that makes floats, which it then refuses."""
    for linkage in (layout.charged, layout.neutral, layout.sv):
        if linkage.links is None:
            continue
        for name in ("jetIdx", linkage.index):
            if name is not None and (found := number_type(events, linkage.links, name)) == "uint64":
                raise InputError(
                    f"coffea cannot read {linkage.links}_{name} in dask mode, since it is {found}; NanoAOD has signed "
                    "links. Open the file with mode='virtual', or write the branch as int32."
                )


class _OnPartition:
    """The method as a picklable function of the events of a partition."""

    def __init__(self, collection: str, method: str) -> None:
        self.collection = collection
        self.method = method

    def __call__(self, events: Any, caller: Any, *others: Any) -> Any:
        return getattr(caller, self.method)(events, self.collection, *others)
