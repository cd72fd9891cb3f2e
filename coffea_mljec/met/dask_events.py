"""Type-1 MET of dask events, partition by partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coffea_mljec.met.jets import check_corrected_jets
from coffea_mljec.nano.dask_events import on_partitions

if TYPE_CHECKING:
    from coffea_mljec.met.type1 import Type1MET

__all__ = ["in_dask"]


def in_dask(met: Type1MET, names: tuple[str, ...], events: Any, collection: str, jets: Any) -> Any:
    """See `Type1MET.apply`; `names` are the variations of the jets."""
    # Errors that need no data come now, at the user's line, not later on a worker.
    met.required_branches(events, collection)
    if jets is not None:
        check_corrected_jets(jets, names, collection)
    return on_partitions(met, "apply", events, collection, *(() if jets is None else (jets,)))
