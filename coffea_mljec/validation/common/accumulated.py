"""What a measurement accumulated: one output a dataset, to be added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import add
from typing import Any

import hist

from coffea_mljec.errors import InputError

__all__ = ["Accumulated", "added_counts"]


class Accumulated:
    """The outputs of chosen datasets.

    Parameters
    ----------
    outputs : mapping
        Dataset -> output of a processor, accumulated over chunks.
    datasets : iterable of str, optional
        Which ones to add up; all of them by default.

    Raises
    ------
    InputError
        If a dataset is missing, or there is none at all.
    """

    def __init__(self, outputs: Mapping[str, Mapping[str, Any]], datasets: Iterable[str] | None = None) -> None:
        self.names = sorted(outputs) if datasets is None else list(datasets)
        missing = [name for name in self.names if name not in outputs]
        if missing or not self.names:
            raise InputError(f"no accumulated datasets {missing or self.names}; there are {sorted(outputs)}.")
        self.outputs = {name: outputs[name] for name in self.names}

    def has(self, key: str) -> bool:
        """Whether every dataset has such an entry."""
        return all(key in output for output in self.outputs.values())

    def histogram(self, key: str, variable: str | None = None) -> hist.Hist[Any]:
        """The sum of one histogram over the datasets; of a mapping of histograms the one of `variable`.

        Raises
        ------
        InputError
            If their axes differ: the runs had other providers, bins or numbers of replicas.
        """
        parts = {
            name: output[key] if variable is None else output[key][variable] for name, output in self.outputs.items()
        }
        first, reference = next(iter(parts.items()))
        for name, histogram in parts.items():
            differing = [axis.name for axis in reference.axes if axis not in list(histogram.axes)]
            if differing or len(histogram.axes) != len(reference.axes) or histogram.kind != reference.kind:
                raise InputError(
                    f"the histograms {variable or key!r} of {first!r} and {name!r} cannot be added: they differ in "
                    f"{differing}; both runs must have the same providers, bins, replicas and weights."
                )
        return reduce(add, parts.values())

    def counts(self, key: str) -> dict[Any, int]:
        """The sum of one set of counters; empty where no dataset has it."""
        return added_counts(output.get(key, {}) for output in self.outputs.values())

    def shared(self, histogram: hist.Hist[Any]) -> dict[str, Any]:
        """What every `MeasurementSummary` holds, by name of the field.

        Parameters
        ----------
        histogram : hist.Hist
            Any one with axes ``provider`` and ``replica``.
        """
        described = [output.get("sample", {}) for output in self.outputs.values()]
        kinds = dict.fromkeys(kind for sample in described for kind in sample)
        return {
            "providers": list(histogram.axes["provider"]),
            "datasets": self.names,
            "replicas": int(histogram.axes["replica"].size) - 1,
            "counts": self.counts("counts"),
            "sample": {kind: added_counts(sample.get(kind, {}) for sample in described) for kind in kinds},
        }


def added_counts(parts: Iterable[Mapping[Any, int]]) -> dict[Any, int]:
    """The sum of counters."""
    total: dict[Any, int] = {}
    for part in parts:
        for key, number in part.items():
            total[key] = total.get(key, 0) + int(number)
    return total
