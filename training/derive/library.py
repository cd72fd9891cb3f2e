"""The same payloads as a correctionlib file, named and built like CMS's ``jet_jerc.json.gz``."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from coffea_mljec.support.atomic import write_bytes
from training.derive.level import Level, Row

__all__ = ["write_library"]

_DESCRIPTIONS = {
    "JetA": "area of the jet",
    "JetEta": "pseudorapidity of the jet",
    "JetPt": "pT of the jet before specific correction (for resolution and scale factor: after all corrections)",
    "Rho": "energy density rho (as measure of PU)",
}
_NAMES = {"SF": "ScaleFactor"}
_OUTSIDE = 1.0


def write_library(
    path: Path, tag: str, algorithm: str, levels: Sequence[Level], stacks: Mapping[str, Sequence[str]], about: str
) -> Path:
    """Write a gzipped correctionlib file of schema version 2.

    Parameters
    ----------
    path : Path
        Ends in ``.json.gz``. Its bytes depend on the numbers only.
    tag, algorithm : str
        Corrections are named ``<tag>_<level>_<algorithm>``, as CMS names them; scale factors ``ScaleFactor``.
    levels : sequence of Level
    stacks : mapping of str to sequence of str
        Compound corrections and the levels that they apply: ``{"L1L2L3": ["L1FastJet", ...]}``.
    about : str
        What they were derived from.
    """
    from correctionlib import schemav2

    corrections = [_correction(f"{tag}_{_name(level)}_{algorithm}", level, about) for level in levels]
    by_name = {correction.name: correction for correction in corrections}
    compounds = []
    for name, stack in stacks.items():
        parts = [f"{tag}_{level}_{algorithm}" for level in stack]
        inputs = {variable.name: variable for part in parts for variable in by_name[part].inputs}
        compounds.append(
            schemav2.CompoundCorrection(
                name=f"{tag}_{name}_{algorithm}", description=about, inputs=[inputs[one] for one in sorted(inputs)],
                output=schemav2.Variable(name="correction", type="real"), inputs_update=["JetPt"], input_op="*",
                output_op="*", stack=parts,
            )
        )  # fmt: skip
    library = schemav2.CorrectionSet(
        schema_version=2, description=about, corrections=corrections, compound_corrections=compounds or None
    )
    write_bytes(path, gzip.compress(library.model_dump_json(exclude_unset=True).encode(), mtime=0))
    return path


def _name(level: Level) -> str:
    return _NAMES.get(level.level, level.level)


def _correction(name: str, level: Level, about: str) -> Any:
    from correctionlib import schemav2

    variables = sorted({*level.binned, *level.variables})
    inputs = [schemav2.Variable(name=one, type="real", description=_DESCRIPTIONS[one]) for one in variables]
    formulas = None
    if level.kind == "ScaleFactor":
        inputs.append(schemav2.Variable(name="systematic", type="string", description="systematics: nom, up, down"))
    else:
        formulas = [
            schemav2.Formula(
                nodetype="formula", expression=_clamped(level), parser="TFormula", variables=list(level.variables)
            )
        ]
    return schemav2.Correction(
        name=name, description=f"{_name(level)}: {about}", version=1, inputs=inputs,
        output=schemav2.Variable(name="correction", type="real"), generic_formulas=formulas,
        data=_binning(level, level.rows, 0),
    )  # fmt: skip


def _clamped(level: Level) -> str:
    """Return the formula with its variables' ranges written into it, as the first parameters."""
    shift = 2 * len(level.variables)
    moved = re.sub(r"\[(\d+)\]", lambda match: f"[{int(match[1]) + shift}]", level.formula)

    def clamp(match: re.Match[str]) -> str:
        at = 2 * "xyz".index(match[0])
        return f"max(min({match[0]},[{at + 1}]),[{at}])"

    return re.sub(r"\b[xyz]\b", clamp, moved)


def _binning(level: Level, rows: Sequence[Row], depth: int) -> Any:
    from correctionlib import schemav2

    if depth == len(level.binned):
        (row,) = rows
        if level.kind == "ScaleFactor":
            named = zip(("nom", "down", "up"), row.parameters, strict=True)
            items = [schemav2.CategoryItem(key=key, value=value) for key, value in named]
            return schemav2.Category(nodetype="category", input="systematic", content=items)
        parameters = [edge for low_high in row.ranges for edge in low_high] + list(row.parameters)
        return schemav2.FormulaRef(nodetype="formularef", index=0, parameters=parameters)
    groups = [(edges, list(group)) for edges, group in groupby(rows, key=lambda row: row.bins[depth])]
    return schemav2.Binning(
        nodetype="binning", input=level.binned[depth], edges=[groups[0][0][0], *(high for (_, high), _ in groups)],
        content=[_binning(level, group, depth + 1) for _, group in groups], flow=_OUTSIDE,
    )  # fmt: skip
