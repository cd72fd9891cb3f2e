"""The formulas of JEC payloads (a subset of ROOT's ``TFormula``), parsed and evaluated on whole columns.

Text payloads hold formulas as text. coffea hands that text to Python's ``eval``, so a payload can run code; here it
is parsed into a list of numpy operations, and whatever is not in the grammar is refused. Equal sub-expressions
(a clamped ``log10`` of pT appears four times in an L2Relative) are computed once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import PayloadError
from coffea_mljec.numerics.jit import njit

__all__ = ["Formula", "parse"]

MAX_LENGTH = 20_000
MAX_DEPTH = 100

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|\[(?P<parameter>\d+)\]"
    r"|(?P<name>(?:TMath::)?[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|[-+*/^<>(),]))"
)
VARIABLES = ("x", "y", "z", "t")
# Binary operators by how tightly they bind; all but ^ group from the left, as in C++ and in correctionlib.
PRECEDENCE = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, ">": 4, "<=": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "^": 7,
}  # fmt: skip
TMATH = {"TMath::Max": "max", "TMath::Min": "min", "TMath::Power": "pow", "TMath::Log": "log", "TMath::Log10": "log10",
         "TMath::Exp": "exp", "TMath::Sqrt": "sqrt", "TMath::Abs": "abs", "TMath::Erf": "erf"}  # fmt: skip


def _truth(ufunc: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    # C++ comparisons are the numbers 0 and 1: numpy's booleans would add up with a logical or.
    return lambda a, b: ufunc(a, b) * np.float64(1.0)


@njit()
def _erf_flat(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    out = np.empty(values.size)
    for i in range(values.size):
        out[i] = math.erf(values[i])
    return out


def _erf(a: Any) -> Any:
    return _erf_flat(np.ravel(np.asarray(a, dtype=np.float64))).reshape(np.shape(a))[()]


def _power(a: Any, b: Any) -> Any:
    return a**b  # not np.power: the operator has fast ways for the exponents 0, 1, 2 and 0.5


UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": np.negative, "log": np.log, "log10": np.log10, "exp": np.exp, "erf": _erf, "sqrt": np.sqrt, "abs": np.abs,
    "cos": np.cos, "sin": np.sin, "tan": np.tan, "acos": np.arccos, "asin": np.arcsin, "atan": np.arctan,
    "cosh": np.cosh, "sinh": np.sinh, "tanh": np.tanh, "acosh": np.arccosh, "asinh": np.arcsinh, "atanh": np.arctanh,
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": _power, "pow": _power,
    "max": np.maximum, "min": np.minimum, "atan2": np.arctan2,
    "<": _truth(np.less), ">": _truth(np.greater), "<=": _truth(np.less_equal), ">=": _truth(np.greater_equal),
    "==": _truth(np.equal), "!=": _truth(np.not_equal), "&&": _truth(np.logical_and), "||": _truth(np.logical_or),
}  # fmt: skip

Node = tuple[str, float] | tuple[str, int] | tuple[str, int, int]


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Attributes
    ----------
    expression : str
        The text that it was parsed from.
    nodes : tuple
        Operations in the order of evaluation, each on the results of earlier ones; the last is the result. Plain
        tuples: the formula can be pickled and compared.
    n_variables, n_parameters : int
        How many of ``x y z t`` and of ``[0] [1] ...`` a caller has to give.
    """

    expression: str
    nodes: tuple[Node, ...]
    n_variables: int
    n_parameters: int

    def __call__(self, variables: Sequence[Any], parameters: Sequence[Any]) -> Any:
        """Evaluate on columns.

        Parameters
        ----------
        variables : sequence of ndarray or float
            ``x``, ``y``, ... as float64 arrays of one length.
        parameters : sequence of ndarray or float
            ``[0]``, ``[1]``, ... each a number, or one number a row.

        Returns
        -------
        ndarray or numpy.float64
            One number a row; a scalar if neither a variable nor an array of parameters enters.
            Invalid operations give NaN or infinity, as in C++; silence numpy around the call.
        """
        results: list[Any] = []
        for node in self.nodes:
            kind = node[0]
            if kind == "number":
                value: Any = np.float64(node[1])
            elif kind == "variable":
                value = variables[int(node[1])]
            elif kind == "parameter":
                value = parameters[int(node[1])]
            elif len(node) == 3:
                value = BINARY[kind](results[int(node[1])], results[int(node[2])])
            else:
                value = UNARY[kind](results[int(node[1])])
            results.append(value)
        return results[-1]


def parse(expression: str) -> Formula:
    """Parse a formula.

    Parameters
    ----------
    expression : str
        Numbers, ``x y z t``, ``[0] [1] ...``, ``+ - * / ^``, comparisons, ``&& ||``, and the functions
        ``log log10 exp erf sqrt abs pow max min atan2``, trigonometric and hyperbolic ones (``TMath::`` names too).

    Raises
    ------
    PayloadError
        The text is not such a formula: the message marks the place.
    """
    return _Parser(expression).formula()


class _Parser:
    """Precedence climbing over the tokens; nodes are interned, which merges equal sub-expressions."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.interned: dict[Node, int] = {}
        self.tokens: list[tuple[str, str, int]] = []
        self.at = 0
        self.depth = 0
        if len(expression) > MAX_LENGTH:
            raise PayloadError(f"formula of {len(expression)} characters: expected at most {MAX_LENGTH}")
        position = 0
        text = expression.rstrip()
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise self.error(position, "a number, a variable, a parameter [n], an operator or a function")
            self.tokens.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            position = match.end()
        self.tokens.append(("end", "the end", len(text)))

    def error(self, position: int, expected: str) -> PayloadError:
        shown = self.expression[max(0, position - 30) : position] + "<here>" + self.expression[position : position + 30]
        return PayloadError(
            f"cannot read the formula at character {position}: expected {expected} in '{shown}'. "
            "The payload is damaged, or uses a function that JEC payloads do not have: take the original file again"
        )

    def formula(self) -> Formula:
        self.binary(0)
        if self.tokens[self.at][0] != "end":
            raise self.error(self.tokens[self.at][2], "an operator or the end")
        nodes = tuple(self.interned)
        count = {kind: 1 + max((int(node[1]) for node in nodes if node[0] == kind), default=-1)
                 for kind in ("variable", "parameter")}  # fmt: skip
        return Formula(self.expression, nodes, count["variable"], count["parameter"])

    def node(self, *node: Any) -> int:
        return self.interned.setdefault(node, len(self.interned))

    def take(self, sign: str) -> None:
        kind, text, position = self.tokens[self.at]
        if kind != "sign" or text != sign:
            raise self.error(position, f"'{sign}'")
        self.at += 1

    def binary(self, least: int) -> int:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(self.tokens[self.at][2], f"at most {MAX_DEPTH} levels of brackets")
        left = self.unary()
        while True:
            kind, sign, _ = self.tokens[self.at]
            binds = PRECEDENCE.get(sign, 0) if kind == "sign" else 0
            if binds <= least:
                break
            self.at += 1
            right = self.binary(binds - 1 if sign == "^" else binds)
            left = self.node(sign, left, right)
        self.depth -= 1
        return left

    def unary(self) -> int:
        kind, text, position = self.tokens[self.at]
        if kind != "sign" or text not in "+-":
            return self.atom()
        self.at += 1
        operand = self.atom()
        if self.tokens[self.at][:2] == ("sign", "^"):
            # ROOT reads -a^b as -(a^b), correctionlib as (-a)^b.
            raise self.error(position, "brackets, -(a^b) or (-a)^b, as programs differ on what -a^b means,")
        return operand if text == "+" else self.node("neg", operand)

    def atom(self) -> int:
        kind, text, position = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return self.node("number", float(text))
        if kind == "parameter":
            return self.node("parameter", int(text))
        if kind == "name" and text in VARIABLES:
            return self.node("variable", VARIABLES.index(text))
        if kind == "name":
            name = TMATH.get(text, text)
            arity = 2 if name in BINARY else 1
            if name not in BINARY and (name not in UNARY or name == "neg"):
                raise self.error(position, "a known function")
            self.take("(")
            arguments = [self.binary(0)]
            while len(arguments) < arity:
                self.take(",")
                arguments.append(self.binary(0))
            self.take(")")
            return self.node(name, *arguments)
        if (kind, text) == ("sign", "("):
            inner = self.binary(0)
            self.take(")")
            return inner
        raise self.error(position, "a number, a variable, a parameter, a function or a bracket")
