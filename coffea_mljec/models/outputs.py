"""What a network gives: named outputs, each a quantity of the jet, made from a column of a graph's output."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["Output", "Raw", "Values", "named_outputs", "output_problem"]

Array = npt.NDArray[Any]
Values = dict[str, npt.NDArray[np.float64]]
"""Name of an output -> its value for each jet, shape (n_jets,), in the unit of its quantity."""

_PLAIN_QUANTITIES = ("pt", "mass", "energy", "resolution", "value")
_PROBABILITY = re.compile(r"probability:[A-Za-z0-9_.]+")
_MASS_FIELD = re.compile(r"mass:(?P<field>[A-Za-z]\w*)")
_NO_MASS = ("pt", "eta", "phi", "mass", "rawFactor", "jet_energy_correction", "pt_resolution")
_QUANTILE = re.compile(r"quantile:0?\.\d+")

Transform = Literal["identity", "exp", "times_raw", "exp_times_raw", "exp_times_groomed", "softmax", "below", "above"]


class Output(BaseModel):
    """One output of a network.

    Attributes
    ----------
    name : str
        What `coffea_mljec.Network.outputs` calls it.
    quantity : str
        ``pt``
            Corrected over raw pT.
        ``mass``, ``energy``
            Of the jet, in GeV.
        ``mass:msoftdrop``
            A mass in GeV for that field of the jets, instead of their ``mass``; the file's is kept as
            ``msoftdrop_orig``.
        ``resolution``
            Relative width of the corrected pT.
        ``quantile:0.16``
            That quantile of generator over raw pT.
        ``probability:<class>``
            Of the jet's class.
        ``value``
            Anything else.
    transform : {"identity", "exp", "times_raw", "exp_times_raw", "exp_times_groomed", "softmax", "below", "above"}
        How the graph's number x becomes it: as it is; its exponential; x, or its exponential, times the raw quantity
        (``mass``, also for a mass of another field; ``energy``); its exponential times the raw soft-drop mass; the
        softmax over all outputs with this transform.
        ``below`` and ``above`` are for quantiles: the output ``pt`` times exp(-exp(x)) or exp(exp(x)), so that
        quantiles cannot cross.
    graph : str, optional
        The graph's output that holds it; the name by default.
    column : int, optional
        Which of its columns; None where it has one number a jet.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    quantity: str
    transform: Transform = "identity"
    graph: str | None = None
    column: Annotated[int, Field(ge=0)] | None = None

    @field_validator("quantity")
    @classmethod
    def _known(cls, quantity: str) -> str:
        named = _MASS_FIELD.fullmatch(quantity)
        if named and (named["field"] in _NO_MASS or named["field"].endswith(("_raw", "_orig"))):
            raise ValueError(f"{quantity!r}: {named['field']} is no field that a mass may set; msoftdrop is one")
        if named or quantity in _PLAIN_QUANTITIES or _PROBABILITY.fullmatch(quantity) or _QUANTILE.fullmatch(quantity):
            return quantity
        raise ValueError(
            f"unknown quantity {quantity!r}: expected {', '.join(_PLAIN_QUANTITIES)}, mass:<field>, quantile:0.16 (any "
            "number between 0 and 1) or probability:<class>"
        )

    @property
    def source(self) -> str:
        """The graph's output that holds it."""
        return self.graph or self.name

    @property
    def raw(self) -> str | None:
        """The raw quantity that it is times: ``mass``, ``energy`` or ``soft_drop_mass``; None of others."""
        return {
            "times_raw": self.kind, "exp_times_raw": self.kind, "exp_times_groomed": "soft_drop_mass"
        }.get(self.transform)  # fmt: skip

    @property
    def kind(self) -> str:
        """The quantity without what stands behind its colon: ``mass``, ``quantile``."""
        return self.quantity.partition(":")[0]

    @property
    def field(self) -> str | None:
        """Of a mass, the field of the jets that it sets if it is not their mass itself; else None."""
        named = _MASS_FIELD.fullmatch(self.quantity)
        return named["field"] if named else None

    @property
    def level(self) -> float | None:
        """Of a quantile, else None."""
        kind, _, level = self.quantity.partition(":")
        return float(level) if kind == "quantile" else None

    @property
    def jet_class(self) -> str | None:
        """Of a probability, else None."""
        kind, _, name = self.quantity.partition(":")
        return name if kind == "probability" else None


def output_problem(outputs: Sequence[Output]) -> str | None:
    """Say what is wrong with a list of outputs, for a message; None if nothing is."""
    for what, names in (
        ("name", [output.name for output in outputs]),
        ("quantity", [output.quantity for output in outputs if output.quantity != "value"]),
    ):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            return f"two outputs have the {what} {twice[0]!r}"
    for output in outputs:
        if STATUS_FIELD in (output.name, f"mljec_{output.name}", f"mljec_{output.jet_class}"):
            return f"output {output.name!r} ({output.quantity}) would take the place of the field {STATUS_FIELD}"
        if output.raw and output.kind not in ("mass", "energy"):
            return f"output {output.name!r}: {output.transform} is for mass and energy, not for {output.quantity}"
        if output.transform in ("below", "above") and (
            output.level is None or not any(other.quantity == "pt" for other in outputs)
        ):
            return f"output {output.name!r}: {output.transform} is for a quantile beside an output of pt"
        if output.transform == "softmax" and output.jet_class is None:
            return f"output {output.name!r}: softmax is for probabilities, not for {output.quantity}"
    return None


STATUS_FIELD = "mljec_status"
"""The field of corrected jets, and of `coffea_mljec.Network.outputs`, that says what happened to each."""

Raw = Callable[[str], Array]
"""What `Output.raw` names -> that of each jet, in GeV, shape (n_jets,)."""


def named_outputs(outputs: Sequence[Output], graph: Mapping[str, Array], raw: Raw) -> Values:
    """Turn what a graph gave into the values of a network's outputs.

    Parameters
    ----------
    outputs : sequence of Output
    graph : mapping of str to ndarray
        Output of the graph -> float32 [n_jets] or [n_jets, columns].
    raw : callable

    Returns
    -------
    dict of str to ndarray of float64, shape (n_jets,)
    """
    values = {output.name: _column(graph[output.source], output.column).astype(np.float64) for output in outputs}
    logits = [output.name for output in outputs if output.transform == "softmax"]
    if logits:
        greatest = np.max([values[name] for name in logits], axis=0)
        with np.errstate(invalid="ignore"):
            powers = {name: np.exp(values[name] - greatest) for name in logits}
            total = np.sum(list(powers.values()), axis=0)
            values |= {name: power / total for name, power in powers.items()}
    for output in outputs:
        if output.transform in ("exp", "exp_times_raw", "exp_times_groomed"):
            with np.errstate(over="ignore"):
                values[output.name] = np.exp(values[output.name])
        if output.raw:
            values[output.name] = values[output.name] * raw(output.raw)
    middle = next((values[output.name] for output in outputs if output.quantity == "pt"), None)
    for output in outputs:
        if middle is not None and output.transform in ("below", "above"):
            sign = 1.0 if output.transform == "above" else -1.0
            with np.errstate(over="ignore"):
                values[output.name] = middle * np.exp(sign * np.exp(values[output.name]))
    return values


def _column(values: Array, column: int | None) -> Array:
    return values if column is None else values[:, column]
