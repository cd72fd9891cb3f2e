"""``preprocess.json``: both spellings are read; what is wrong is refused by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.errors import ModelError
from coffea_mljec.models.formats.preprocess import read_preprocess
from tests.models import weaver_toy as toy

Content = dict[str, Any]


def read(folder: Path, content: Any) -> Any:
    path = folder / "preprocess.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_preprocess(path)


def test_both_spellings_of_lengths(tmp_path: Path) -> None:
    ours = read(tmp_path, toy.preprocess())
    assert ours.output_names == toy.CLASSES
    assert {name: group.lengths for name, group in ours.groups.items()} == {
        "pf_points": (4, 12), "pf_features": (4, 12), "pf_mask": (4, 12), "sv_features": (1, 3), "sv_mask": (1, 3)
    }  # fmt: skip
    weaver = read(tmp_path, toy.preprocess(var_length=True))
    assert weaver.groups["pf_mask"].lengths == (12, 12)
    content = toy.preprocess()
    content["sv_mask"] = {key: content["sv_mask"][key] for key in ("var_names", "var_infos")} | {"var_length": None}
    assert read(tmp_path, content).groups["sv_mask"].lengths is None


def test_output_names_as_a_dictionary(tmp_path: Path) -> None:
    """weaver writes the expressions of its labels where they are not plain branches."""
    content = toy.preprocess()
    content["output_names"] = {"label_b": "flavour == 5", "label_c": "flavour == 4"}
    assert read(tmp_path, content).output_names == ("label_b", "label_c")


def test_what_is_not_said_is_as_in_cmssw(tmp_path: Path) -> None:
    content = toy.preprocess()
    content["pf_mask"]["var_infos"]["pfcand_mask"] = {"median": 0, "norm_factor": 1}
    info = read(tmp_path, content).groups["pf_mask"].var_infos["pfcand_mask"]
    assert (info.replace_inf_value, info.lower_bound, info.upper_bound, info.pad) == (0.0, -5.0, 5.0, 0.0)


def without(*keys: str) -> Callable[[Content], None]:
    def edit(content: Content) -> None:
        place = content
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return edit


def having(value: Any, *keys: str) -> Callable[[Content], None]:
    def edit(content: Content) -> None:
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return edit


INFO = ("pf_features", "var_infos", "pfcand_charge")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without("input_names"), "is no preprocess.json of weaver: it lacks 'input_names'"),
        (without("output_names"), "is no preprocess.json of weaver: it lacks 'output_names'"),
        (without("pf_mask"), "describes no group 'pf_mask', which input_names lists"),
        (having({}, "extra"), "has the key 'extra', which input_names does not list and nothing reads"),
        (having("pf_mask", "input_names"), "input_names must be a list of names; got 'pf_mask'"),
        (having([1], "input_names"), r"input_names must be a list of names; got \[1\]"),
        (having(["pf_mask", "pf_mask"], "input_names"), "input_names lists 'pf_mask' twice"),
        (having("mass", "output_names"), "output_names must be a list of names, or a dictionary with .*; got 'mass'"),
        (having([], "output_names"), "output_names: Tuple should have at least 1 item"),
        (having([1], "output_names"), "output_names.0: Input should be a valid string"),
        (having([], "pf_mask"), "groups.pf_mask: Input should be a valid dictionary"),
        (having(3, "pf_mask", "unknown"), "unknown key \'groups.pf_mask.unknown\', which nothing reads"),
        (without("pf_mask", "var_names"), "missing key \'groups.pf_mask.var_names\'"),
        (having([], "pf_mask", "var_names"), "groups.pf_mask.var_names: Tuple should have at least 1 item"),
        (without(*INFO), "groups.pf_features: .*var_infos lacks 'pfcand_charge', which var_names lists"),
        (
            having({"median": 0, "norm_factor": 1}, "pf_features", "var_infos", "pfcand_phi"),
            "groups.pf_features: .*var_infos has 'pfcand_phi', which var_names does not list",
        ),
        (without(*INFO, "median"), "missing key \'groups.pf_features.var_infos.pfcand_charge.median\'"),
        (having(1, *INFO, "meidan"), "unknown key \'groups.pf_features.*charge.meidan\', which nothing reads"),
        (having(float("nan"), *INFO, "median"), "pfcand_charge.median: Input should be a finite number"),
        (having(float("inf"), *INFO, "pad"), "pfcand_charge.pad: Input should be a finite number"),
        (having("much", *INFO, "median"), "pfcand_charge.median: Input should be a valid number"),
        (without("pf_mask", "max_length"), r"expected min_length and max_length, or var_length; got \['min_length'\]"),
        (having(3, "pf_mask", "var_length"), "expected min_length and max_length, or var_length; got"),
        (having(None, "pf_mask", "min_length"), "min_length and max_length must be numbers"),
        (having(0, "pf_mask", "min_length"), "pf_mask.min_length: Input should be greater than or equal to 1"),
        (having(2.5, "pf_mask", "min_length"), "pf_mask.min_length: Input should be a valid integer"),
        (having(True, "pf_mask", "var_infos"), "pf_mask.var_infos: Input should be a valid dictionary"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, edit: Callable[[Content], None], message: str) -> None:
    content = toy.preprocess()
    edit(content)
    with pytest.raises(ModelError, match=f"(?s)preprocess.json.*{message}"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON text"),
        ("{", "is no JSON text"),
        ("[" * 100_000, "is no JSON text"),
        ("[]", "must hold an object with input_names and output_names"),
        ("3", "must hold an object"),
    ],
)
def test_what_is_no_such_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no preprocess.json at .*absent.json: give the file") as error:
        read_preprocess(tmp_path / "absent.json")
    assert error.value.__cause__ is None
    with pytest.raises(ModelError, match=r"no preprocess.json at .*: give the file"):
        read_preprocess(tmp_path)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="is no JSON text"):
        read_preprocess(tmp_path / "bytes.json")
