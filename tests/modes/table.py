"""The table of what runs where: files by modes by providers. ``python -m tests.modes.table`` writes it as a document.

`tests/modes/test_table.py` checks its cells; `docs/reference/layouts.md` is what this command printed.
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from coffea_mljec import MLJEC, FactorizedJEC, NanoRegression, Provider, Status
from coffea_mljec.errors import MLJECError
from coffea_mljec.nano import NanoFile, detect, open_nano
from tests.models import toy
from tests.nano.generated import LAYOUTS, write_layout

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "coffea_mljec" / "data" / "mljec_sample.root"
MODES = ("eager", "virtual", "dask")
PROVIDERS = ("factorized", "network", "jet-bdt", "regression")
REAL = {
    "pfnano_ul17_mc": ("Jet", "FatJet"),
    "pfnano_ul18_partial_mc": ("Jet", "FatJet"),
    "nanoaod_v12_tt_mc": ("Jet",),
    "nanoaod_v13_egamma2022e_data": ("Jet",),
    "nanoaod_v15_tt_mc": ("Jet", "FatJet"),
}
WITH_FAT_JETS = ("pfnano", "pfnano_106x", "rows_per_jet", "jmepfnano", "nanoaod_v15")
# Tables that some provider reads: eager mode would read all of a file's branches.
READ = re.compile(
    r"n?(run|luminosityBlock|event|cpf_.*|npf_.*|fixedGrid.*|"
    r"(cpf|npf|Jet|FatJet|PFCands?|PFCandV2|SV|PV|Rho|GenJet|GenJetAK8|\w*Jet(PFCands?|PFCandV2|SVs?)(AK\d)?)(_.*)?)"
)


@dataclass(frozen=True)
class File:
    """A file and its collections of jets; real ones by the stem of their names, generated ones by layout."""

    name: str
    collections: tuple[str, ...]
    kind: str = "TTree"

    @property
    def real(self) -> bool:
        return self.name in REAL

    def __str__(self) -> str:
        return f"{self.name}-{self.kind}"


FILES = (
    *(File(name, collections) for name, collections in REAL.items()),
    *(File(layout, ("Jet", "FatJet") if layout in WITH_FAT_JETS else ("Jet",)) for layout in LAYOUTS),
    *(File(layout, ("Jet", "FatJet"), kind) for layout in ("pfnano", "nanoaod_v15") for kind in ("RNTuple", "Parquet")),
)


@dataclass
class Cell:
    """What became of one provider on one row."""

    pt: dict[str, np.ndarray] = field(default_factory=dict)
    status: dict[str, np.ndarray] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    read: dict[str, set[str]] = field(default_factory=dict)

    def text(self) -> str:
        """One sentence for the document."""
        if self.refused:
            return f"refuses: {self.refused.get('dask', self.refused['virtual'])}"
        status = self.status["virtual"]
        applied = int(np.count_nonzero(status & Status.APPLIED))
        jets = "all jets" if applied == len(status) else f"{applied} of {len(status)} jets"
        return f"{jets}, {len(self.declared)} branches"


Found = dict[str, dict[str, Cell]]


@cache
def providers(collection: str, regression: str, folder: Path) -> dict[str, Provider]:
    """The four providers for a collection; large jets have a payload and a network of their own, made here."""
    standard: Provider = FactorizedJEC.from_txt(sorted((SAMPLE.parent / "jec").glob("*AK4PFchs.jec.txt")))
    network: Provider = MLJEC("pfn-r-lite")
    if collection == "FatJet":
        text = folder / "Toy1_V1_MC_L2Relative_AK8PFPuppi.jec.txt"
        text.write_text("{1 JetEta 1 JetPt [0] Correction L2Relative}\n-5.5 0 3 1 6500 1.1\n0 5.5 3 1 6500 1.05\n")
        standard = FactorizedJEC.from_txt([text])
        inputs = {"jet": ("pt", "eta"), "charged": ("eta", "pt"), "neutral": ("rel_pt",)}
        network = MLJEC(
            toy.write(folder / "toy8", algorithm="AK8PFPuppi", collections=("FatJet",), features=inputs, name="toy-ak8")
        )
    stored = NanoRegression(regression)
    return dict(zip(PROVIDERS, (standard, network, MLJEC("jet-bdt"), stored), strict=True))


@contextmanager
def opened(file: File, real_data: Path | None, folder: Path) -> Iterator[NanoFile]:
    if file.real:
        assert real_data is not None
        path = real_data / "nano" / f"{file.name}.root"
    else:
        path = write_layout(file.name, SAMPLE, folder, file.kind)
    with open_nano(path) as nano:
        yield nano


def evaluate(file: File, real_data: Path | None, folder: Path) -> Found:
    """Collection -> provider -> what became of it in all modes."""
    cells = {collection: {name: Cell() for name in PROVIDERS} for collection in file.collections}
    with opened(file, real_data, folder) as nano, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for mode in MODES:
            if mode == "dask" and file.kind != "TTree":
                continue  # tests/nano/test_opening.py: coffea refuses
            log: list[Any] = []
            events = _events(nano, mode, log)
            for collection in file.collections:
                fields = detect(events, collection).fields[collection]
                regression = "bReg" if "bRegCorr" in fields and "PNetRegPtRawCorr" not in fields else "PNet"
                for name, provider in providers(collection, regression, folder).items():
                    log.clear()
                    _fill(cells[collection][name], provider, _fresh(events, mode), collection, mode, log)
    return cells


def _events(nano: NanoFile, mode: str, log: list[Any]) -> Any:
    if mode == "dask":
        return nano.events(mode=mode)
    options: dict[str, Any] = {"access_log": log}
    if nano.kind == "TTree":
        options["iteritems_options"] = {"filter_name": lambda name: READ.fullmatch(name) is not None}
    return nano.events(mode=mode, **options)


def _fresh(events: Any, mode: str) -> Any:
    """The same events, none of whose columns has been read."""
    if mode != "virtual":
        return events
    factory = events.attrs["@events_factory"]
    again = copy.copy(factory)
    again._mode = factory._mode  # which copies of coffea before 2025.12 lose
    return again.events()


def _fill(cell: Cell, provider: Provider, events: Any, collection: str, mode: str, log: list[Any]) -> None:
    try:
        cell.declared = set(provider.required_branches(events, collection))
        assert not log
        jets = provider.apply(events, collection)
    except MLJECError as error:
        cell.refused[mode] = str(error)
        assert not log
        return
    if mode == "virtual":
        cell.read[mode] = {entry.branch for entry in log}
    if mode == "dask":
        import dask_awkward

        (touched,) = dask_awkward.necessary_columns(jets.pt).values()
        cell.read[mode] = set(touched)
        jets = jets[["pt", "mljec_status"]].compute()
    cell.pt[mode] = ak.to_numpy(ak.flatten(jets["pt"]))
    cell.status[mode] = ak.to_numpy(ak.flatten(jets["mljec_status"]))


def evaluate_all(real_data: Path | None) -> Iterator[tuple[File, Found]]:
    """All files in turn; real ones are left out where they are not at hand."""
    for file in FILES:
        if file.real and real_data is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            yield file, evaluate(file, real_data, Path(folder))


def document(results: Iterable[tuple[File, Found]]) -> str:
    """The whole table in markdown."""
    lines = [
        "# What runs on which file",
        "",
        "Written by `python -m tests.modes.table`; every cell is checked by `tests/modes/test_table.py`: a provider",
        "runs with equal results in eager, virtual and dask mode, reading exactly the branches that its",
        "`required_branches` lists, or refuses in all of them with the message below. RNTuple and Parquet have no dask",
        "mode in coffea 2026.9.",
        "",
        "*network* is `pfn-r-lite`, for `FatJet` a toy network; *regression* is `NanoRegression`, PNet where the file",
        "has it, else bReg. A cell gives the jets that the provider corrected (the others keep the pT of the file, and",
        "their `mljec_status` says why) and the number of branches read. Files named `_mc` or `_data` are public CMS",
        "files, the others are generated (`tests/nano/generated.py`).",
        "",
        "| file | format | jets | " + " | ".join(PROVIDERS) + " |",
        "|---|---|---|" + "---|" * len(PROVIDERS),
    ]
    messages: list[str] = []
    for file, found in results:
        for collection, cells in found.items():
            texts = [_numbered(cells[name].text(), messages) for name in PROVIDERS]
            lines.append(f"| {file.name} | {file.kind} | {collection} | " + " | ".join(texts) + " |")
    lines += ["", "## Messages", ""] + [f"{number}. {text}" for number, text in enumerate(messages, 1)]
    return "\n".join(lines) + "\n"


def _numbered(text: str, messages: list[str]) -> str:
    """A message is printed once, below the table."""
    if not text.startswith("refuses: "):
        return text
    message = text.removeprefix("refuses: ")
    if message not in messages:
        messages.append(message)
    return f"refuses [{messages.index(message) + 1}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "reference" / "layouts.md")
    output: Path = parser.parse_args().output
    real_data = Path(os.environ.get("MLJEC_REAL_DATA") or ROOT.parent / "shared" / "data")
    text = document(evaluate_all(real_data if (real_data / "nano").is_dir() else None))
    part = output.with_name(output.name + ".part")
    part.write_text(text)
    part.replace(output)


if __name__ == "__main__":
    main()
