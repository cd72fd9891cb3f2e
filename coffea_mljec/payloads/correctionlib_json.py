"""Levels of a correction in a correctionlib file (``jet_jerc.json.gz``).

The levels of CMS payloads, nested bins with one formula, are turned into the same tables as text payloads (two to
ten times faster than correctionlib's own tree); anything else is left to correctionlib.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads.bounds import is_possible, odd_factor
from coffea_mljec.payloads.correctionlib_content import load
from coffea_mljec.payloads.formula import parse
from coffea_mljec.payloads.library import LibraryCorrection
from coffea_mljec.payloads.library_level import LibraryLevel
from coffea_mljec.payloads.payload import CANONICAL, Level, Payload, payload_path
from coffea_mljec.payloads.table import Axis, FormulaTable
from coffea_mljec.support.suggestions import nearest

__all__ = ["LibraryLevel", "load", "read_json", "read_level", "tags_of"]

COMPOUND = "L1L2L3Res"
NO_CORRECTION = {
    "PtResolution": "a resolution", "PhiResolution": "a resolution", "ScaleFactor": "resolution scale factors",
    "SFUncertainty": "an uncertainty of resolution scale factors",
}  # fmt: skip
MOST_BINS = 100_000


def read_json(path: str | Path, tag: str, algorithm: str, levels: str | Sequence[str] = COMPOUND) -> Payload:
    """Read a correction.

    Parameters
    ----------
    path : str or Path
        A correctionlib file, plain or gzipped.
    tag : str
        Campaign, version and kind: ``Summer22_22Sep2023_V3_MC``.
    algorithm : str
        ``AK4PFPuppi``, ``AK4PFPuppiPNetRegression``, ...
    levels : str or sequence of str
        A compound (its stack is applied) or a single level by name, or levels in the order of application:
        each sees the pT corrected by those before.

    Returns
    -------
    Payload

    Raises
    ------
    InputError
        No levels, or one of them given twice.
    PayloadError
        The file is unreadable, not a correctionlib file, or has no such tag, algorithm or level (the message names the
        nearest that it has), or a level cannot be used for jets.
    """
    path = payload_path(path)
    names = [levels] if isinstance(levels, str) else list(levels)
    if not names or len(set(names)) != len(names):
        raise InputError(f"levels: expected a level or compound, or a sequence of different levels, got {levels!r}")
    wrong = next((name for name in names if name in NO_CORRECTION), None)
    if wrong is not None:
        raise InputError(
            f"levels: {wrong} is {NO_CORRECTION[wrong]}, not a level of the correction: read it with "
            "read_resolution_json or read_scale_factor_json"
        )
    content = load(path)
    singles = {entry["name"]: entry for entry in content["corrections"]}
    compounds = {entry["name"]: entry for entry in content.get("compound_corrections") or ()}
    stack: list[str] = []
    for wanted in names:
        name = f"{tag}_{wanted}_{algorithm}"
        if name in compounds:
            found = _stack(path, compounds[name], singles)
            _check_steps(path, wanted, algorithm, [_level_name(level, tag, algorithm) for level in found])
            stack.extend(found)
        elif name in singles:
            stack.append(name)
        else:
            raise _not_found(path, tag, algorithm, wanted, (*compounds, *singles))
    if len(set(stack)) != len(stack):
        raise InputError(f"levels {names} apply a level of {path.name} twice: {', '.join(stack)}")
    read = tuple(read_level(path, singles[name], _level_name(name, tag, algorithm), content) for name in stack)
    for level, name in zip(read, stack, strict=True):
        if isinstance(level, FormulaTable) and (odd := odd_factor(level)) is not None:
            raise PayloadError(f"{path.name}: {name}: {odd} Copy the whole file again")
    return Payload(read, tag, algorithm)


def tags_of(path: str | Path, what: str, algorithm: str) -> tuple[str, ...]:
    """The tags under which a file has something of an algorithm, in its order.

    Parameters
    ----------
    path : str or Path
        A correctionlib file, plain or gzipped.
    what : str
        ``L1L2L3Res``, ``Total``, ``PtResolution``, ...
    algorithm : str
        ``AK4PFPuppi``.

    Raises
    ------
    PayloadError
        The file is unreadable, or not a correctionlib file.
    """
    content = load(payload_path(path))
    entries = [*content["corrections"], *(content.get("compound_corrections") or ())]
    end = f"_{what}_{algorithm}"
    found = (entry["name"].removesuffix(end) for entry in entries if entry["name"].endswith(end))
    return tuple(tag for tag in found if not tag.endswith("_Regrouped"))


def _level_name(name: str, tag: str, algorithm: str) -> str:
    return name.removeprefix(f"{tag}_").removesuffix(f"_{algorithm}")


def _not_found(path: Path, tag: str, algorithm: str, level: str, names: Sequence[str]) -> PayloadError:
    parts = [name.rsplit("_", 2) for name in names if name.count("_") >= 2]
    tags = sorted({part[0] for part in parts if part[1] == COMPOUND or part[1] == "L2Relative"})
    algorithms = sorted({part[2] for part in parts if part[0] == tag})
    available = sorted(part[1] for part in parts if part[0] == tag and part[2] == algorithm)
    for what, wanted, has in (("tag", tag, tags), ("algorithm", algorithm, algorithms), ("level", level, available)):
        if wanted not in has:
            close = nearest(wanted, has, most=3, cutoff=0.5)
            hint = f"nearest: {', '.join(close)}; " if close else ""
            corrections = [name for name in has if what != "level" or name.startswith(("L1", "L2", "L3"))]
            return PayloadError(
                f"{path.name} has no {what} '{wanted}' (asked for {tag}_{level}_{algorithm}); {hint}"
                f"the file has: {', '.join(corrections) or 'no jet energy correction'}"
            )
    return PayloadError(f"{path.name} has no correction named {tag}_{level}_{algorithm}")


def _stack(path: Path, compound: Mapping[str, Any], singles: Mapping[str, Any]) -> list[str]:
    name = compound["name"]
    rule = tuple(compound.get(key) for key in ("input_op", "output_op", "inputs_update"))
    if rule != ("*", "*", ["JetPt"]):
        raise PayloadError(
            f"{path.name}: {name} combines its levels by (input_op, output_op, inputs_update) = {rule}, expected "
            "('*', '*', ['JetPt']), the factorized correction: name single levels instead, levels=[...]"
        )
    stack = compound.get("stack")
    if not isinstance(stack, list) or not stack or not all(isinstance(level, str) for level in stack):
        raise PayloadError(f"{path.name}: {name} stacks {stack!r}, expected names of levels: copy the whole file again")
    missing = [level for level in stack if level not in singles]
    if missing:
        raise PayloadError(f"{path.name}: {name} stacks {', '.join(missing)}, which the file lacks: take it again")
    return list(stack)


def _check_steps(path: Path, compound: str, algorithm: str, levels: Sequence[str]) -> None:
    """Refuse a compound that lacks a step of its name, or has them in another order: L1L2L3Res has four.

    Jets of PUPPI have no offset, so that their L1, which is 1, may be left out.
    """
    if re.fullmatch(r"(L\d)+(Res)?", compound) is None:
        return
    steps = re.findall(r"L\d|Res", compound)
    got = ["Res" if level.endswith("Residual") else level[:2] for level in levels]
    if got != steps and not ("puppi" in algorithm.lower() and got == steps[1:]):
        raise PayloadError(
            f"{path.name}: {compound} of {algorithm} stacks {', '.join(levels)}, expected one level each for "
            f"{', '.join(steps)}: copy the whole file again"
        )


def read_level(path: Path, entry: Mapping[str, Any], level: str, content: Mapping[str, Any]) -> Level:
    """Turn one correction of a file into a table, or leave it to correctionlib."""
    name = entry["name"]
    damaged = f"{path.name}: {name} is damaged ({{}}): copy the whole file again"
    try:
        quantities = [str(quantity["name"]) for quantity in entry["inputs"]]
    except (KeyError, TypeError) as error:
        raise PayloadError(damaged.format(f"inputs, {type(error).__name__}: {error}")) from None
    unknown = [quantity for quantity in quantities if quantity not in CANONICAL]
    if unknown:
        raise PayloadError(
            f"{path.name}: {name} needs {', '.join(unknown)}, which no jet energy correction reads (known: "
            f"{', '.join(CANONICAL)}): is it a resolution or a scale factor?"
        )
    try:
        table = _table(entry, level)
    except PayloadError as error:
        raise PayloadError(f"{path.name}: {name}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise PayloadError(damaged.format(f"{type(error).__name__}: {error}")) from None
    if table is not None:
        return table
    alone = {"schema_version": content["schema_version"], "corrections": [entry]}
    return LibraryLevel(level, tuple(CANONICAL[q] for q in quantities), LibraryCorrection(json.dumps(alone), name))


def _table(entry: Mapping[str, Any], level: str) -> FormulaTable | None:
    """Turn nested bins with one formula into a table; None if the level is anything else."""
    nodes: list[Any] = [entry["data"]]
    axes: list[Axis] = []
    outside: set[float] = set()
    required: set[str] = set()
    while all(isinstance(node, dict) and node["nodetype"] == "binning" for node in nodes):
        quantity = CANONICAL[nodes[0]["input"]]
        if quantity in {axis.quantity for axis in axes}:
            raise ValueError(f"bins of {nodes[0]['input']} inside bins of {nodes[0]['input']}")
        flows = [node["flow"] for node in nodes]
        widened = [flow == "clamp" and quantity != "eta" for flow in flows]
        required |= {quantity} if quantity == "run" and "error" in flows else set()
        outside |= {float(flow) for flow in flows if not isinstance(flow, (str, dict))}
        if len({node["input"] for node in nodes}) > 1 or any(
            isinstance(flow, (str, dict)) and not wide and (flow != "error" or quantity not in required)
            for flow, wide in zip(flows, widened, strict=True)
        ):
            return None
        edges = [_edges(node["edges"]) for node in nodes]
        if any(len(node["content"]) != edge.size - 1 for node, edge in zip(nodes, edges, strict=True)):
            raise ValueError("as many contents as bins expected")
        if any((np.diff(edge) <= 0).any() or np.isnan(edge).any() for edge in edges):
            raise ValueError("ascending edges expected")
        if not all(is_possible(nodes[0]["input"], edge) for edge in edges):
            raise ValueError(f"edges that {nodes[0]['input']} cannot have: are two quantities swapped?")
        for edge, wide in zip(edges, widened, strict=True):
            if wide:  # "clamp": values outside belong to the first and the last bin
                edge[0], edge[-1] = -np.inf, np.inf
        axes.append(
            Axis(
                quantity,
                np.concatenate([edge[:-1] for edge in edges]),
                np.concatenate([edge[1:] for edge in edges]),
                np.cumsum([0, *(edge.size - 1 for edge in edges)], dtype=np.int64),
            )
        )
        nodes = [inner for node in nodes for inner in node["content"]]
    leaves = [_leaf(node, entry) for node in nodes]
    if not axes or len(outside) != 1 or any(leaf is None for leaf in leaves):
        return None
    kinds = {leaf[:2] for leaf in leaves if leaf is not None}
    if len(kinds) != 1:
        return None
    expression, variables = kinds.pop()
    formula = parse(expression)
    parameters = [leaf[2] for leaf in leaves if leaf is not None]
    if formula.n_variables > len(variables) or any(len(row) < formula.n_parameters for row in parameters):
        raise ValueError(f"too few variables or parameters for the formula {expression}")
    table = np.array([row[: formula.n_parameters] for row in parameters], dtype=np.float64)
    return FormulaTable(
        level, tuple(axes), formula, tuple(CANONICAL[name] for name in variables), np.ascontiguousarray(table.T),
        outside=outside.pop(), required=tuple(required),
    )  # fmt: skip


def _edges(edges: Any) -> npt.NDArray[np.float64]:
    if isinstance(edges, dict):
        number = int(edges["n"])
        if not 0 < number <= MOST_BINS:
            raise ValueError(f"{edges['n']} bins, expected 1 to {MOST_BINS}")
        return np.linspace(float(edges["low"]), float(edges["high"]), number + 1)
    return np.array([float(edge) for edge in edges], dtype=np.float64)  # "inf" is written as a string


def _leaf(node: Any, entry: Mapping[str, Any]) -> tuple[str, tuple[str, ...], tuple[float, ...]] | None:
    """Return expression, variables and parameters of a node without bins; None for any other kind of node."""
    if isinstance(node, (int, float)):
        return "[0]", (), (float(node),)
    parameters = tuple(node.get("parameters") or ())
    if node["nodetype"] == "formularef":
        node = entry["generic_formulas"][node["index"]]
    if node["nodetype"] != "formula" or node["parser"] != "TFormula":
        return None
    return node["expression"], tuple(node["variables"]), parameters or tuple(node.get("parameters") or ())
