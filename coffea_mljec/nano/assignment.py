"""``events.Jet = corrected``: attribute assignment of existing fields for NanoEvents.

Awkward 2 forbids setting a field by attribute (and dask-awkward sets a plain Python attribute, which ``events[mask]``
forgets). Importing this package forwards such an assignment to ``events["Jet"] = corrected``, for NanoEvents and
existing fields only.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
from coffea.nanoevents.methods.base import behavior

__all__ = ["allow_assignment", "allow_dask_assignment"]

_MARK = "_mljec_assignment"


def allow_assignment() -> None:
    """Make ``events.<field> = array`` work for eager and virtual NanoEvents. Done once, on import."""
    _forward(behavior["*", "NanoEvents"], ak.Array)


def allow_dask_assignment() -> None:
    """The same for dask mode; called when a provider first meets dask events, so that dask-awkward is never imported
    for it."""
    import dask_awkward

    _forward(dask_awkward.Array, dask_awkward.Array)


def _forward(cls: type, value_type: type) -> None:
    if getattr(cls, _MARK, False):
        return
    original: Any = cls.__setattr__

    def __setattr__(self: Any, name: str, value: Any) -> None:
        if isinstance(value, value_type) and not name.startswith("_") and _is_field_of_events(self, name):
            self[name] = value
        else:
            original(self, name, value)

    cls.__setattr__ = __setattr__  # type: ignore[assignment, method-assign]
    setattr(cls, _MARK, True)


def _is_field_of_events(array: Any, name: str) -> bool:
    layout = array.layout if isinstance(array, ak.Array) else array._meta.layout
    return layout.purelist_parameter("__record__") == "NanoEvents" and name in array.fields
