"""A JSON repository of made-up payloads in the layout of CMS's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.met.test_xy import run3
from tests.payloads.toy_json import binning, compound, correction, formula, write
from tests.selection.maps import jet_id, veto_maps

LEVELS = ("L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual")
INPUTS = ["JetEta", "JetPt"]
SOURCES = ("Total", "Regrouped_Absolute", "Regrouped_HF")


def _named(entry: dict[str, Any], tag: str, level: str, algorithm: str) -> dict[str, Any]:
    return entry | {"name": f"{tag}_{level}_{algorithm}"}


def levels(tag: str, algorithm: str, scale: float) -> tuple[list[Any], dict[str, Any]]:
    """A correction by `scale`, whose residual falls with pT below 100 GeV, and its compound."""
    made = []
    for level in LEVELS:
        text, parameters = "[0]", [scale if level == "L2Relative" else 1.0]
        if level == "L2L3Residual" and tag.endswith("DATA"):
            text, parameters = "1+[0]/x", [1.0]
        data = binning("JetEta", [-5.191, 0.0, 5.191], [formula(text, ["JetPt"], parameters)] * 2)
        made.append(_named(correction(level, INPUTS, data), tag, level, algorithm))
    whole = compound(list(LEVELS), INPUTS, name=f"{tag}_L1L2L3Res_{algorithm}")
    return made, whole | {"stack": [one["name"] for one in made]}


def sources(tag: str, algorithm: str) -> list[Any]:
    """Uncertainties of 2 %."""
    data = binning("JetEta", [-5.4, 5.4], [0.02])
    return [_named(correction(name, INPUTS, data), tag, name, algorithm) for name in SOURCES]


def resolution(tag: str, algorithm: str) -> list[Any]:
    """A resolution of 10 % and scale factors of 1.2, 1.3 and 1.1."""
    sigma = binning("JetEta", [-5.191, 5.191], [binning("Rho", [0.0, 100.0], [0.1])])
    factors = [{"key": key, "value": value} for key, value in (("nom", 1.2), ("up", 1.3), ("down", 1.1))]
    scale = binning("JetEta", [-5.191, 5.191], [{"nodetype": "category", "input": "systematic", "content": factors}])
    made = correction("ScaleFactor", ["JetEta", "JetPt", "systematic"], scale)
    made["inputs"][2]["type"] = "string"
    return [
        _named(correction("PtResolution", [*INPUTS, "Rho"], sigma), tag, "PtResolution", algorithm),
        _named(made, tag, "ScaleFactor", algorithm),
    ]


def jerc(path: Path, algorithm: str, tags: dict[str, float], jer: Iterable[str]) -> Path:
    """A ``jet_jerc.json.gz`` with corrections of these tags by these scales, and these resolutions."""
    singles: list[Any] = []
    compounds = []
    for tag, scale in tags.items():
        made, whole = levels(tag, algorithm, scale)
        singles += made + (sources(tag, algorithm) if tag.endswith("MC") else [])
        compounds.append(whole)
    for tag in jer:
        singles += resolution(tag, algorithm)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, singles, compounds)


def era_2022ee(root: Path) -> Path:
    """The second part of 2022, three tags of data, in the layout of jsonpog-integration; return the root."""
    name = "Summer22EE_22Sep2023"
    tags = {f"{name}_V3_MC": 1.1} | {f"{name}_Run{run}_V3_DATA": 1.1 + i / 10 for i, run in enumerate("EFG", 1)}
    # An older version, and a resolution of another campaign, which nobody asks for.
    tags |= {f"{name}_V2_MC": 3.0, f"{name}_RunE_V2_DATA": 3.0}
    jers = (f"{name}_JRV1_MC", f"{name}_JRV2_MC", "Summer22_22Sep2023_JRV3_MC")
    jerc(root / "POG" / "JME" / "2022_Summer22EE" / "jet_jerc.json.gz", "AK4PFPuppi", tags, jers)
    return root


def era_2023bpix(root: Path, payload: Path) -> Path:
    """CMS's payload of 2023BPix beside made-up maps, in the layout of jsonpog-integration; return the root."""
    folder = root / "POG" / "JME" / "2023_Summer23BPix"
    folder.mkdir(parents=True)
    (folder / "jet_jerc.json.gz").symlink_to(payload)
    veto_maps(folder / "jetvetomaps.json.gz", "Summer23BPixPrompt23_RunD_V1")
    jet_id(folder / "jetid.json.gz")
    run3(folder / "met_xyCorrections_2023_2023BPix.json.gz", "2023BPix")
    return root
