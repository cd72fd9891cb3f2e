"""Formulas: equal to correctionlib's TFormula parser and to plain Python, and nothing else is accepted."""

from __future__ import annotations

import math
import pickle
from typing import Any

import correctionlib.schemav2 as schema
import numpy as np
import pytest

from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads.formula import BINARY, UNARY, parse

PARAMETERS = [0.7, 1.3, -0.4]
X = np.linspace(0.05, 0.95, 37)
Y = np.linspace(3.0, 0.2, 37)

EXPRESSIONS = [
    "1",
    "x",
    "-x+y",
    "[0]+[1]*x-[2]*y",
    "x-y-1",
    "x/y/2",
    "x-y*2+3/x",
    "2^3^0.5",
    "x^2*y",
    "pow(x,0)+pow(x,2)+pow(x,0.5)+pow(x,-1.5)",
    "max(0.0001,1-(y/x)*([1]*(x-[0])*(1.+[2]*log(y/15.))))",
    "((x<0.5)*([0]))+((x>=0.5)*([1]+exp(-(y*y))))",
    "(x>0.2)+(x<0.7)+(x<=0.5)+(x==0.5)+(x!=0.5)",
    "(x<0.3)&&(y>1)",
    "(x<0.3)||(y>2.5)",
    "1<2<3",
    "sqrt(abs([2]))*log10(x)+log(x)",
    "atan2(x,y)+min(x,y)",
    "sin(x)+cos(x)+tan(x)+asin(x)+acos(x)+atan(x)+sinh(x)+cosh(x)+tanh(x)+asinh(x)+acosh(1+x)+atanh(x)",
    "erf(x)+erf(-y)+erf(0.3)",
    "1e-3+2.5e2*0.5+3.*x",
    " ( x + 1 ) * [1] ",
]


def library_values(expression: str) -> np.ndarray:
    """Evaluate with correctionlib."""
    correction = schema.Correction(
        name="f",
        version=1,
        inputs=[schema.Variable(name=n, type="real") for n in ("x", "y")],
        output=schema.Variable(name="out", type="real"),
        data=schema.Formula(
            nodetype="formula", expression=expression, parser="TFormula", variables=["x", "y"], parameters=PARAMETERS
        ),
    )
    return np.asarray(correction.to_evaluator().evaluate(X, Y))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_equals_correctionlib(expression: str) -> None:
    got = np.broadcast_to(parse(expression)([X, Y], PARAMETERS), X.shape)
    np.testing.assert_allclose(got, library_values(expression), rtol=1e-14)


def test_parameters_may_differ_from_row_to_row() -> None:
    slopes = np.linspace(1, 2, X.size)
    np.testing.assert_array_equal(parse("[0]*x+[1]")([X], [slopes, 0.5]), slopes * X + 0.5)


def test_every_function_is_exercised() -> None:
    text = " ".join(EXPRESSIONS)
    assert [name for name in (*UNARY, *BINARY) if name not in text and name != "neg"] == []


def test_tmath_names() -> None:
    got = parse("TMath::Max(x,0.5)+TMath::Power(x,2)+TMath::Log(y)+TMath::Erf(x)")([X, Y], [])
    want = [max(x, 0.5) + x * x + math.log(y) + math.erf(x) for x, y in zip(X, Y, strict=True)]
    np.testing.assert_allclose(got, want, rtol=1e-14)


def test_exponents_in_capitals_or_with_a_plus_as_root_reads_them() -> None:
    assert parse("2.5E+2*.5")([], []) == 125.0


def test_equal_sub_expressions_are_computed_once() -> None:
    nodes = parse("log10(max(x,[0]))+log10(max(x,[0]))*log10(max(x,[0]))").nodes
    assert [node[0] for node in nodes].count("log10") == 1


def test_counts_variables_and_parameters_and_can_be_pickled() -> None:
    formula = parse("[4]*y")
    assert (formula.n_variables, formula.n_parameters) == (2, 5)
    assert pickle.loads(pickle.dumps(formula)) == formula


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "expected a number"),
        ("[0]+", r"expected a number, a variable.*'\[0\]\+<here>'"),
        ("max(x,1", "expected '\\)'"),
        ("max(x)", "expected ','"),
        ("log(x,y)", "expected '\\)'"),
        ("log x", "expected '\\('"),
        ("(x", "expected '\\)'"),
        ("x)", "expected an operator or the end"),
        ("x y", "expected an operator or the end"),
        ("[x]", "a parameter"),
        ("x+#", "a parameter \\[n\\]"),
        ("neg(x)", "known function"),
        ("__import__(x)", "known function"),
        ("x.real", "expected an operator or the end|a parameter"),
        ("-x^2", "brackets"),
        ("(" * 200 + "x" + ")" * 200, "at most 100 levels"),
        ("x+" * 20_000 + "x", "expected at most 20000"),
    ],
)
def test_refuses_what_is_no_formula(expression: str, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        parse(expression)


def test_a_long_sum_does_not_overflow_the_stack() -> None:
    formula: Any = parse("+".join(["x"] * 5000))
    np.testing.assert_allclose(formula([X], []), 5000 * X, rtol=1e-12)
