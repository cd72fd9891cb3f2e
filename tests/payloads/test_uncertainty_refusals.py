"""Files of uncertainties that are refused, with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import read_uncertainties_json, read_uncertainties_text
from tests.payloads.toy_sources import (
    ALGORITHM,
    HEADER,
    ROWS,
    SOURCES,
    STANDARD,
    TAG,
    binned,
    in_pt,
    json_file,
    piece,
    source,
    text_file,
)


def test_sources_that_the_file_lacks(tmp_path: Path) -> None:
    text = text_file(tmp_path, SOURCES)
    path = json_file(tmp_path, [source("AbsoluteStat", STANDARD), source("Total", STANDARD)])
    with pytest.raises(InputError, match=r"has no source Frist: nearest: First; it has First, Second, Total"):
        read_uncertainties_text(text, ["Frist"])
    with pytest.raises(InputError, match=r"toy.json.gz has no source AbsolutStat: nearest: AbsoluteStat; it has"):
        read_uncertainties_json(path, TAG, ALGORITHM, ["Total", "AbsolutStat"])
    with pytest.raises(InputError, match=r"has no source 'regrouped': it has AbsoluteStat, Total"):
        read_uncertainties_json(path, TAG, ALGORITHM, "regrouped")
    with pytest.raises(InputError, match=r"expected 'all', 'regrouped', 'total', or different names.*got \[\]"):
        read_uncertainties_json(path, TAG, ALGORITHM, [])
    with pytest.raises(InputError, match="or different names of sources"):
        read_uncertainties_text(text, ["First", "First"])


def test_a_tag_without_uncertainties_names_those_that_have(tmp_path: Path) -> None:
    path = json_file(tmp_path, [source("L2Relative", STANDARD), source("Total", STANDARD)])
    data = TAG.replace("MC", "DATA")
    with pytest.raises(
        PayloadError,
        match=r"no uncertainties of tag 'Toy1_V1_DATA' and algorithm.*simulation, for data too\); the file has: "
        "Toy1_V1_MC AK4PFchs$",
    ):
        read_uncertainties_json(path, data, ALGORITHM)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        (["[First]"], "ends after the name of First"),
        (["[First]", HEADER], "ends after its header, line 2"),
        (["[First]", HEADER, *ROWS, "[First]", HEADER, *ROWS], r"line 5: expected '\[Name\]', a name that comes once"),
        (["[First", HEADER, *ROWS], r"line 1: expected '\[Name\]'"),
        (["[First]", *ROWS], "line 2: no braces in the header"),
        (["[First]", HEADER.replace('""', "[0]"), *ROWS], r"the formula '\[0\]', which an uncertainty does not have"),
        (["[First]", HEADER.replace("Correction", "Resolution"), *ROWS], "'Resolution' instead of 'Correction'"),
        (["[First]", HEADER.replace("1 JetEta", "2 JetEta Rho"), "-5.4 5.4 0 9 6 9 0 0 20 0 0"], "JetEta, Rho and"),
        (["[First]", HEADER, "-5.4 5.4 5 10 0.02 0.01 20 0.04"], "5 numbers in source First, expected three"),
        (["[First]", HEADER, "-5.4 5.4 3 10 0.02 0.01"], "3 numbers in source First, expected three .* two or more"),
        (["[First]", HEADER, "-5.4 5.4 6 10 0.02 0.01 10 0.04 0.04"], "line 3: the pT of source First do not ascend"),
        (["[First]", HEADER, "-5.4 5.4 6 10 0.02 x 20 0.04 0.04"], "line 3: 'x' is not a number"),
        (["[First]", HEADER, "-5.4 5.4 6 10 0.02 0.01 20 0.04"], "5 numbers follow the bin, expected 6"),
        (["[First]", HEADER, ROWS[0]], "the bins of JetEta end at 0 but begin at -5.4"),
    ],
)  # fmt: skip
def test_damaged_text(tmp_path: Path, lines: list[str], message: str) -> None:
    path = text_file(tmp_path, lines)
    with pytest.raises(PayloadError, match=message) as caught:
        read_uncertainties_text(path)
    assert path.name in str(caught.value)
    assert caught.value.__cause__ is None


def test_text_that_was_cut_short(tmp_path: Path) -> None:
    path = text_file(tmp_path, SOURCES)
    path.write_text(path.read_text()[:-2])
    with pytest.raises(PayloadError, match="the file ends in the middle of a line"):
        read_uncertainties_text(path)
    assert read_uncertainties_text(path, ["First"]).sources == ("First",)


def test_files_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(PayloadError, match="no such payload"):
        read_uncertainties_text(tmp_path / f"{TAG}_Uncertainty_{ALGORITHM}.junc.txt")
    with pytest.raises(PayloadError, match=r"holds L2Relative, not an uncertainty: expected <tag>_UncertaintySources_"):
        read_uncertainties_text(tmp_path / f"{TAG}_L2Relative_{ALGORITHM}.jec.txt")
    with pytest.raises(PayloadError, match="a JEC file's name says what it is for"):
        read_uncertainties_text(tmp_path / "junc.txt")
    with pytest.raises(PayloadError, match="no such payload"):
        read_uncertainties_json(tmp_path / "none.json.gz", TAG, ALGORITHM)
    path = json_file(tmp_path, [source("First", binned([in_pt([piece(0.0, 0.1)])]))])
    with pytest.raises(PayloadError, match="Toy1_V1_MC_First_AK4PFchs is damaged"):
        read_uncertainties_json(path, TAG, ALGORITHM)


def test_a_source_that_reads_something_else(tmp_path: Path) -> None:
    data = binned([0.01, 0.02]) | {"input": "JetPhi", "edges": [-3.2, 0.0, 3.2]}
    odd = source("First", data) | {"inputs": [{"name": "JetPhi", "type": "real"}, {"name": "JetPt", "type": "real"}]}
    with pytest.raises(PayloadError, match="the uncertainty First reads phi, expected JetEta and JetPt alone"):
        read_uncertainties_json(json_file(tmp_path, [odd]), TAG, ALGORITHM, ["First"])
