"""correctionlib files that are refused, with what is wrong and what the file has instead."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import read_json
from tests.payloads.toy_json import (
    ALGORITHM,
    ALL,
    FIRST,
    LEVELS,
    RESIDUAL,
    SECOND,
    TAG,
    THIRD,
    binning,
    compound,
    correction,
    formula,
    write,
)


def refused(path: Path, message: str, levels: str | list[str] = "L1L2L3Res") -> None:
    with pytest.raises(PayloadError, match=message) as caught:
        read_json(path, TAG, ALGORITHM, levels)
    error: BaseException | None = caught.value
    assert path.name in str(error)
    while error is not None:  # coffea's skipbadfiles swallows an OSError anywhere in the chain, and drops the chunk
        assert not isinstance(error, OSError)
        error = error.__cause__


def test_unreadable_files(tmp_path: Path, toy: Path) -> None:
    path = tmp_path / "jerc.json.gz"
    refused(path, "no such payload")
    whole = toy.read_bytes()
    path.write_bytes(whole[:-20])
    refused(path, "the gzip stream is cut short")
    path.write_bytes(whole[:12] + b"\xff" * 40)
    refused(path, "cannot read|cut short")
    path.write_bytes(gzip.decompress(whole)[:-50])
    refused(path, "is not JSON .*expected a correctionlib file")
    path.write_bytes(b"")
    refused(path, "is not JSON")
    path.unlink()
    path.mkdir()
    refused(path, "is no plain file")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '"x"',
        '{"schema_version": 1, "corrections": []}',
        '{"schema_version": 2, "corrections": [{}]}',
        '{"schema_version": 2, "corrections": 3}',
    ],
)
def test_json_that_is_no_correctionlib_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    refused(path, "not of correctionlib's schema version 2")


def test_a_file_without_any_correction(tmp_path: Path) -> None:
    refused(write(tmp_path / "empty.json.gz", []), "the file has: no jet energy correction")


@pytest.mark.parametrize("key", ["input_op", "output_op", "inputs_update"])
def test_compounds_that_are_not_factorized(tmp_path: Path, key: str) -> None:
    value: Any = ["JetEta"] if key == "inputs_update" else "+"
    path = write(tmp_path / "odd.json.gz", [FIRST, SECOND, THIRD, RESIDUAL], [compound(LEVELS, ALL, **{key: value})])
    refused(path, r"combines its levels by .*expected \('\*', '\*', \['JetPt'\]\)")


def test_compound_of_levels_that_the_file_lacks(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.json.gz", [FIRST, SECOND], [compound(LEVELS, ALL)])
    refused(path, "stacks Toy1_V1_MC_L3Absolute_AK4PFchs, Toy1_V1_MC_L2L3Residual_AK4PFchs, which the file lacks")


@pytest.mark.parametrize(
    "data",
    [
        binning("JetEta", [-5.191, 5.191], [formula("[0]+[1]", ["JetPt"], [1.0])]),
        binning("JetEta", [-5.191, 5.191], [formula("x+y", ["JetPt"])]),
        binning("JetEta", [-5.191, 0.0, 5.191], [1.0]),
        binning("JetEta", [5.191, -5.191], [1.0]),
        binning("JetEta", [-5.191, 5.191], [{"nodetype": "formularef", "index": 3, "parameters": []}]),
        binning("JetEta", [-5.191, 5.191], [{"expression": "1"}]),
        binning("JetPT", [0.0, 5.191], [1.0]),
        binning("JetEta", [-5.191, 5.191], [binning("JetEta", [-5.191, 5.191], [1.0])]),
        binning("JetEta", [8.0, 3000.0], [1.0]),
        binning("JetPt", [-5.191, 5.191], [1.0]),
        binning("JetEta", {"low": -5.0, "high": 5.0, "n": 10**12}, [1.0]),  # type: ignore[arg-type]
        binning("JetEta", [-5.191, 10**400], [1.0]),
        {"nodetype": "binning"},
        "1.0",
        None,
    ],
)
def test_damaged_levels(tmp_path: Path, data: Any) -> None:
    path = write(tmp_path / "damaged.json.gz", [correction("L2Relative", ["JetEta", "JetPt"], data)])
    refused(path, "Toy1_V1_MC_L2Relative_AK4PFchs is damaged", "L2Relative")


def test_formula_that_nobody_can_read(tmp_path: Path) -> None:
    data = binning("JetEta", [-5.191, 5.191], [formula("system(x)", ["JetPt"])])
    path = write(tmp_path / "odd.json.gz", [correction("L2Relative", ["JetEta", "JetPt"], data)])
    refused(path, "Toy1_V1_MC_L2Relative_AK4PFchs: cannot read the formula", "L2Relative")


def test_names_and_stacks_that_no_file_may_have(tmp_path: Path) -> None:
    twice = write(tmp_path / "twice.json.gz", [FIRST, SECOND, FIRST])
    refused(twice, "has more than one Toy1_V1_MC_L1FastJet_AK4PFchs", "L1FastJet")
    for stack in (None, "L1FastJet", [], [1]):
        odd = write(tmp_path / "odd.json.gz", [FIRST, SECOND], [compound(LEVELS, ALL, stack=stack)])
        refused(odd, "stacks .* expected names of levels")
    with pytest.raises(InputError, match="expected the path of a payload, got 3"):
        read_json(3, TAG, ALGORITHM)  # type: ignore[arg-type]


def test_levels_are_given_once(toy: Path) -> None:
    for levels in ([], ["L2Relative", "L2Relative"]):
        with pytest.raises(InputError, match="levels: expected a level or compound"):
            read_json(toy, TAG, ALGORITHM, levels)
    with pytest.raises(InputError, match=r"apply a level of toy.json.gz twice"):
        read_json(toy, TAG, ALGORITHM, ["L1L2L3Res", "L2Relative"])


@pytest.mark.parametrize("stack", [LEVELS[:-1], LEVELS[1:], [LEVELS[0], *LEVELS[2:]], LEVELS[::-1]])
def test_compounds_without_a_step_of_their_name(tmp_path: Path, stack: list[str]) -> None:
    path = write(tmp_path / "odd.json.gz", [FIRST, SECOND, THIRD, RESIDUAL], [compound(stack, ALL)])
    refused(path, "L1L2L3Res of AK4PFchs stacks .*, expected one level each for L1, L2, L3, Res")
