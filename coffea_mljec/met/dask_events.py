"""Type-1 MET of dask events, partition by partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffea_mljec.errors import InputError
from coffea_mljec.met.jets import check_corrected_jets
from coffea_mljec.nano.assignment import allow_dask_assignment
from coffea_mljec.nano.detection import is_dask

if TYPE_CHECKING:
    from coffea_mljec.met.type1 import Type1MET

__all__ = ["in_dask"]


def in_dask(met: Type1MET, names: tuple[str, ...], events: Any, collection: str, jets: Any) -> Any:
    """See `Type1MET.apply`; `names` are the variations of the jets."""
    import dask_awkward

    allow_dask_assignment()
    # Errors that need no data come now, at the user's line, not later on a worker.
    met.required_branches(events, collection)
    if jets is not None:
        if not is_dask(jets):
            raise InputError(f"events are a dask collection and jets are not: got {type(jets).__name__}.")
        check_corrected_jets(jets, names, collection)
    given = (events,) if jets is None else (events, jets)
    return dask_awkward.map_partitions(_OnPartition(met, collection), *given, label="mljec-type1-met")


class _OnPartition:
    """`Type1MET.apply` as a picklable function of the events, and the corrected jets, of a partition."""

    def __init__(self, met: Type1MET, collection: str) -> None:
        self.met = met
        self.collection = collection

    def __call__(self, events: Any, jets: Any = None) -> Any:
        return self.met.apply(events, self.collection, jets)
