"""The derivation, from simulated events to text files and their closure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from coffea_mljec.corrections.payloads import read_text
from coffea_mljec.errors import InputError
from training.derive.closure import closure_table, plot_closure, worst, write_closure
from training.derive.offset import fit_offset, subtracted
from training.derive.response import Inversion, invert, local_response, region_response
from training.derive.sample import MatchedJets, mix_weights, read_jets
from training.derive.text import write_payload

__all__ = ["ETA_EDGES", "derive", "run"]

#: |eta| bins of the correction: CMS's, joined where the response is flat.
ETA_EDGES = np.array([
    0.0, 0.261, 0.522, 0.783, 1.044, 1.305, 1.479, 1.653, 1.930, 2.172, 2.322, 2.5, 2.65, 2.853, 2.964, 3.139, 3.314,
    3.489, 3.839, 4.191, 4.538, 4.889, 5.191,
])  # fmt: skip
#: Regions whose response has one shape; edges of the correction's bins.
REGIONS = np.array([0.0, 1.305, 2.5, 3.139, 5.191])
PT_EDGES = np.geomspace(9.0, 5000.0, 31)
COARSE_PT_EDGES = PT_EDGES[::3]
BEAM_ENERGY = 6500.0


def derive(jets: MatchedJets, folder: Path, name: str, algorithm: str) -> list[Path]:
    """Derive L1FastJet and L2Relative and write the text files.

    Parameters
    ----------
    jets : MatchedJets
        Training events only.
    folder : Path
        Made if absent.
    name, algorithm : str
        ``MLJECSim_V1_MC`` and ``AK4PFchs``: the files are ``<name>_<level>_<algorithm>.jec.txt``.

    Returns
    -------
    list of Path
        L1FastJet, L2Relative, L3Absolute (1 everywhere: L2Relative brings jets to the generator's scale).

    Raises
    ------
    InputError
        If the name is not of the form ``<campaign>_MC`` or there are too few jets.
    """
    if not re.fullmatch(r"\w+_MC", name) or not re.fullmatch(r"[A-Za-z0-9]+", algorithm):
        raise InputError(
            f"names {name!r}, {algorithm!r}: expected <campaign>_<version>_MC and letters and digits, AK4PFchs"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error}") from None
    weight = mix_weights(jets)
    offset = fit_offset(jets, weight, ETA_EDGES)
    response = subtracted(jets, offset) / jets["pt_gen"]
    away = np.abs(jets["eta"])
    inversions: list[Inversion] = []
    for outer in pairwise(REGIONS):
        rows = (away >= outer[0]) & (away < outer[1])
        try:
            region = region_response(response[rows], jets["pt_gen"][rows], weight[rows], PT_EDGES)
        except InputError as error:
            raise InputError(f"{outer[0]} < |eta| < {outer[1]}: {error}") from None
        inner = slice(*np.searchsorted(ETA_EDGES, [outer[0], outer[1] + 1e-6]))
        for low, high in pairwise(ETA_EDGES[inner]):
            rows = (away >= low) & (away < high)
            curve = local_response(region, response[rows], jets["pt_gen"][rows], weight[rows], COARSE_PT_EDGES)
            inversions.append(invert(curve, PT_EDGES[0], min(PT_EDGES[-1], BEAM_ENERGY / np.cosh(low))))
    return write_payload(folder, name, algorithm, offset, ETA_EDGES, inversions)


def run(inputs: Sequence[Path], folder: Path, name: str, algorithm: str, others: Sequence[Path] = ()) -> None:
    """Derive a correction; write its closure on the same events, and on others, as JSON and as a plot."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("reading jets"):
        jets = read_jets(inputs)
    with console.status(f"deriving from {len(jets)} jets"):
        paths = derive(jets, folder, name, algorithm)
    payload = read_text(paths)
    tables = {"same events": closure_table(jets, mix_weights(jets), payload)}
    if others:
        with console.status("reading the other events"):
            control = read_jets(others)
        tables["other events"] = closure_table(control, mix_weights(control), payload)
        tables["other events, as they are"] = closure_table(control, np.ones(len(control)), payload)
    stem = f"{name}_{algorithm}"
    write_closure(folder / f"{stem}_closure.json", tables)
    plot_closure(folder / f"{stem}_closure.png", tables)
    for sample, table in tables.items():
        console.print(f"largest |median - 1| above 30 GeV, {sample}: {worst(table):.4f}")
    console.print(f"wrote {json.dumps([path.name for path in paths])} to {folder}")
