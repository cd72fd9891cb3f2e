"""Files by modes by providers: equal results in all modes, reading what is declared, or a refusal that says why."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.modes.table import FILES, MODES, PROVIDERS, ROOT, File, Found, evaluate

pytest.importorskip("onnx", reason="the toy network is written with onnx")

NO_CANDIDATES = r"needs the particle-flow candidates of Jet: looked for .* and the file does not have both"
FAT_JET = {
    "jet-bdt": r"model 'jet-bdt' is for AK4PFchs jets, collection Jet; got 'FatJet'",
    "regression": r"the stored regression PNet needs FatJet_PNetRegPtRawCorr, and the file lacks it",
}
# (file, collection) -> provider -> message; everything else runs.
REFUSED = {
    **{(file.name, "FatJet"): FAT_JET for file in FILES if "FatJet" in file.collections},
    **{
        (name, "Jet"): {"network": NO_CANDIDATES}
        for name in ("nanoaod_v12_tt_mc", "nanoaod_v13_egamma2022e_data", "nanoaod_v15_tt_mc", "nano")
    },
    ("nanoaod_v15", "Jet"): {
        "network": r"feature charged\.\w+ of model 'pfn-r-lite' needs \w+: looked for PFCand_d0, and the file has none"
    },
    ("nanox", "Jet"): {"network": r"feature charged\.\w+ of model 'pfn-r-lite' needs \w+: looked for cpf_"},
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("file", FILES, ids=str)
def test_file(file: File, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    check(file, evaluate(file, request.getfixturevalue("real_data") if file.real else None, tmp_path))


def check(file: File, found: Found) -> None:
    modes = MODES if file.kind == "TTree" else MODES[:2]
    assert set(found) == set(file.collections)
    for collection, cells in found.items():
        refused = REFUSED.get((file.name, collection), {})
        for name in PROVIDERS:
            cell, where = cells[name], f"{name} on {collection}"
            if name in refused:
                assert set(cell.refused) == set(modes), where
                # What is nearest depends on the branches that were opened: all of them in dask mode only.
                messages = {re.sub(r" \(nearest: [^)]*\)", "", text) for text in cell.refused.values()}
                assert len(messages) == 1, messages
                assert re.search(refused[name], cell.refused["virtual"]), cell.refused["virtual"]
                continue
            assert not cell.refused, (where, cell.refused)
            assert set(cell.pt) == set(modes), where
            for mode in modes:
                np.testing.assert_array_equal(cell.pt[mode], cell.pt["virtual"], err_msg=f"{where} in {mode} mode")
                np.testing.assert_array_equal(cell.status[mode], cell.status["virtual"], err_msg=where)
            assert set(cell.read) == set(modes) - {"eager"}
            for mode, read in cell.read.items():
                assert read == cell.declared, (where, mode)


def test_the_document_has_every_row() -> None:
    """The page that ``python -m tests.modes.table`` writes: the same rows, running or refusing as tested here."""
    page = (ROOT / "docs" / "reference" / "layouts.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \| (.*) \|$", page, re.M)
    found = {(name, kind, collection): cells.split(" | ") for name, kind, collection, cells in rows if name != "file"}
    assert set(found) == {(file.name, file.kind, collection) for file in FILES for collection in file.collections}
    for (name, _, collection), cells in found.items():
        refused = REFUSED.get((name, collection), {})
        assert [cell.startswith("refuses") for cell in cells] == [provider in refused for provider in PROVIDERS]
