"""Named outputs: what a card may say, and what the graph's numbers become."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from coffea_mljec.models.outputs import Output, named_outputs, output_problem


def out(name: str, quantity: str = "value", transform: Any = "identity", **more: Any) -> Output:
    return Output(name=name, quantity=quantity, transform=transform, **more)


@pytest.mark.parametrize("quantity", ["", "pT", "probability:", "probability:a b", "quantile:1.5", "quantile:16", "q"])
def test_unknown_quantities(quantity: str) -> None:
    with pytest.raises(ValueError, match=r"unknown quantity .*: expected pt, mass, .* or probability:<class>"):
        out("x", quantity)


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ([out("a"), out("b"), out("a")], "two outputs have the name 'a'"),
        ([out("a", "pt"), out("b", "pt")], "two outputs have the quantity 'pt'"),
        ([out("a", "probability:b"), out("c", "probability:b")], "two outputs have the quantity 'probability:b'"),
        ([out("a", "pt", "times_raw")], "output 'a': times_raw is for mass and energy, not for pt"),
        ([out("a", "mass", "softmax")], "output 'a': softmax is for probabilities, not for mass"),
        ([out("mljec_status")], r"output 'mljec_status' \(value\) would take the place of the field mljec_status"),
        ([out("a", "probability:status")], "would take the place of the field mljec_status"),
        ([out("a"), out("b"), out("c", "quantile:0.16"), out("d", "quantile:.84")], None),
    ],
)
def test_outputs_that_fit_each_other(outputs: list[Output], problem: str | None) -> None:
    found = output_problem(outputs)
    if problem is None:
        assert found is None
        return
    assert found is not None
    with pytest.raises(ValueError, match=problem):
        raise ValueError(found)


def test_what_parts_say() -> None:
    assert out("a", "quantile:.84").level == 0.84
    assert out("a").level is None
    assert out("a", "probability:H_bb").jet_class == "H_bb"
    assert out("a", "mass").jet_class is None
    assert (out("a").source, out("a", graph="g").source) == ("a", "g")


def test_transforms() -> None:
    rng = np.random.default_rng(1)
    table, single = rng.normal(size=(6, 4)).astype(np.float32), np.array([0, 1, -2, 800, np.nan, np.inf], np.float32)
    raw = {"mass": np.linspace(1, 6, 6), "energy": np.linspace(10, 60, 6)}
    outputs = [
        out("plain", graph="g", column=0),
        out("b", "probability:b", "softmax", graph="g", column=1),
        out("c", "probability:c", "softmax", graph="g", column=3),
        out("mass", "mass", "times_raw", graph="s"),
        out("energy", "energy", "times_raw", graph="g", column=2),
        out("pt", "pt", "exp", graph="s"),
    ]
    given = named_outputs(outputs, {"g": table, "s": single}, raw.__getitem__)
    assert list(given) == [output.name for output in outputs]
    assert all(values.dtype == np.float64 for values in given.values())
    np.testing.assert_array_equal(given["plain"], table[:, 0])
    powers = np.exp(table[:, [1, 3]].astype(np.float64))
    np.testing.assert_allclose(np.stack([given["b"], given["c"]], 1), powers / powers.sum(1, keepdims=True))
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_allclose(given["pt"], np.exp(single.astype(np.float64)))
        np.testing.assert_allclose(given["mass"], single * raw["mass"])
    np.testing.assert_allclose(given["energy"], table[:, 2] * raw["energy"])


def test_softmax_of_huge_numbers() -> None:
    outputs = [out(name, f"probability:{name}", "softmax", graph="g", column=i) for i, name in enumerate("ab")]
    values = np.array([[3e38, -3e38], [1e4, 1e4], [np.nan, 0]], np.float32)
    given = named_outputs(outputs, {"g": values}, dict[str, Any]().__getitem__)
    np.testing.assert_allclose(given["a"], [1, 0.5, np.nan])
    np.testing.assert_allclose(given["b"], [0, 0.5, np.nan])


def test_no_jets() -> None:
    outputs = [out(name, f"probability:{name}", "softmax", graph="g", column=i) for i, name in enumerate("ab")]
    given = named_outputs(outputs, {"g": np.empty((0, 2), np.float32)}, dict[str, Any]().__getitem__)
    assert given["a"].shape == given["b"].shape == (0,)
