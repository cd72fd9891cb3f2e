"""The page on the move from coffea: its blocks on a real file, and coffea's numbers beside ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
from coffea.jetmet_tools import CorrectionLibJECStack

from tests.docs.pages import DOCS, blocks_of


def test_migration_page(real_data: Path, open_nano: Callable[..., Any]) -> None:
    """The page's own blocks on a real file; the stack that is handed over is made as coffea's block says."""
    page = (DOCS / "howto" / "migration.md").read_text()
    blocks = [block.text for block in blocks_of(page) if block.language == "python"]
    assert len(blocks) == 3
    payload = real_data / "jec" / "2022_Summer22_jet_jerc.json.gz"
    names = {
        "JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetA": "area", "Rho": "event_rho",
        "ptRaw": "pt_raw", "massRaw": "mass_raw", "ptGenJet": "pt_gen",
    }  # fmt: skip
    scope = {
        "payload": payload,
        "regression_payload": real_data / "jec" / "2022_Summer22_jet_jerc_PNet.json.gz",
        "events": open_nano(real_data / "nano" / "nanoaod_v12_tt_mc.root"),
        "name_map": names,
        "stack": CorrectionLibJECStack.from_file(
            str(payload), jec_tag="Summer22_22Sep2023_V3", data_type="MC", jet_type="AK4PFPuppi",
            unc_sources=["Total"], jer_tag="Summer22_22Sep2023_JRV1",
        ),
    }  # fmt: skip
    for block in blocks:
        exec(compile(block, "migration.md", "exec"), scope)
    ours, theirs = scope["jets"], scope["same_jets"]
    for name in ("pt", "pt_jec"):
        assert ak.almost_equal(ours[name], theirs[name], rtol=1e-5)
    # coffea's resolution is 100 % where rho is beyond the bins; there are no such events here.
    assert ak.almost_equal(scope["total_up"], theirs.JES_Total.up.pt, rtol=1e-5)
    assert ak.all(ak.num(scope["regressed_pt"]) == ak.num(ours))
