"""``preprocess.json`` of weaver: which variables enter which input of a graph, and how they are prepared."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from coffea_mljec.errors import ModelError
from coffea_mljec.support.paths import checked_path
from coffea_mljec.support.suggestions import did_you_mean
from coffea_mljec.support.validation import problems

__all__ = ["Group", "Preprocess", "VariableInfo", "read_preprocess"]

_LARGEST = 1 << 24
"""Bytes of a file that is read at all."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class VariableInfo(_Strict):
    """How one variable is prepared; what is not said is as CMSSW has it."""

    median: float
    norm_factor: float
    replace_inf_value: float = 0.0
    lower_bound: float = -5.0
    upper_bound: float = 5.0
    pad: float = 0.0


class Group(_Strict):
    """One input of the graph: its variables in order, and the number of constituents.

    The length is ``min_length`` to ``max_length``, or ``var_length`` (weaver's spelling; None for a quantity of jets).
    """

    var_names: tuple[str, ...] = Field(min_length=1)
    var_infos: dict[str, VariableInfo]
    min_length: Annotated[int, Field(ge=1)] | None = None
    max_length: Annotated[int, Field(ge=1)] | None = None
    var_length: Annotated[int, Field(ge=1)] | None = None

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Group:
        if missing := [name for name in self.var_names if name not in self.var_infos]:
            raise ValueError(f"var_infos lacks {missing[0]!r}, which var_names lists")
        if extra := sorted(set(self.var_infos) - set(self.var_names)):
            raise ValueError(f"var_infos has {extra[0]!r}, which var_names does not list")
        given = self.model_fields_set & {"min_length", "max_length", "var_length"}
        if given not in ({"min_length", "max_length"}, {"var_length"}):
            raise ValueError(f"expected min_length and max_length, or var_length; got {sorted(given) or 'none'}")
        if given != {"var_length"} and (self.min_length is None or self.max_length is None):
            raise ValueError("min_length and max_length must be numbers")
        return self

    @property
    def lengths(self) -> tuple[int, int] | None:
        """The least and the greatest number of constituents; None for quantities of jets."""
        if self.min_length is not None and self.max_length is not None:
            return self.min_length, self.max_length
        return None if self.var_length is None else (self.var_length, self.var_length)


class Preprocess(_Strict):
    """The content of the file.

    Attributes
    ----------
    output_names : tuple of str
        Names of the network's outputs, in order.
    groups : dict of str to Group
        The graph's inputs, in order.
    """

    output_names: tuple[str, ...] = Field(min_length=1)
    groups: dict[str, Group] = Field(min_length=1)


def read_preprocess(path: str | os.PathLike[str]) -> Preprocess:
    """Read and check a ``preprocess.json``.

    Raises
    ------
    ModelError
        If there is no such file, it is no JSON, or a group, key or number of it is missing, unknown or impossible.
    """
    file = checked_path(path, "the path of a preprocess.json")
    if not file.is_file():
        raise ModelError(f"no preprocess.json at {file}: give the file that belongs to the graph.")
    try:
        if file.stat().st_size > _LARGEST:
            raise ModelError(f"{file} has more than {_LARGEST:,} bytes: is it a preprocess.json of weaver?")
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"cannot read {file}: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{file} is no JSON text: give the preprocess.json that belongs to the graph.") from None
    return _parse(content, str(file))


def _parse(content: Any, where: str) -> Preprocess:
    if not isinstance(content, Mapping):
        raise ModelError(f"{where} must hold an object with input_names and output_names; got a list or a number.")
    for key in ("input_names", "output_names"):
        if key not in content:
            raise ModelError(f"{where} is no preprocess.json of weaver: it lacks {key!r}.")
    inputs, outputs = content["input_names"], content["output_names"]
    if not isinstance(inputs, list) or not all(isinstance(name, str) for name in inputs):
        raise ModelError(f"{where}: input_names must be a list of names; got {inputs!r}.")
    if twice := sorted({name for name in inputs if inputs.count(name) > 1}):
        raise ModelError(f"{where}: input_names lists {twice[0]!r} twice.")
    if not isinstance(outputs, (list, Mapping)):
        raise ModelError(f"{where}: output_names must be a list of names, or a dictionary with names; got {outputs!r}.")
    if missing := [name for name in inputs if name not in content]:
        close = did_you_mean(missing[0], [key for key in content if key not in inputs])
        raise ModelError(f"{where} describes no group {missing[0]!r}, which input_names lists. {close}".rstrip())
    if unknown := [key for key in content if key not in (*inputs, "input_names", "output_names")]:
        raise ModelError(f"{where} has the key {unknown[0]!r}, which input_names does not list and nothing reads.")
    try:
        # Output names are a dictionary where the labels are expressions: weaver keeps what they were made from.
        return Preprocess.model_validate(
            {"output_names": tuple(outputs), "groups": {name: content[name] for name in inputs}}
        )
    except pydantic.ValidationError as error:
        raise ModelError(f"{where} is not as weaver writes it: {problems(error)}.") from None
