"""Arithmetic on some neighbouring numbers at a time, for numba kernels: one instruction each on a vector unit.

numba vectorises plain loops too, but takes 32 numbers a step and leaves the rest to scalar code: a ParticleNet's loops
over 16 to 48 channels and over the rows of a jet are mostly such rests. Arrays are one-dimensional and contiguous,
places count elements, and nothing is checked: `LANES` elements must be there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, extending, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features

__all__ = [
    "LANES",
    "Lanes",
    "add_relu",
    "add_rows",
    "bits_of",
    "float_of",
    "intrinsic",
    "mean_relu",
    "merge",
    "square_distances",
]

intrinsic: Any = extending.intrinsic  # which adds the first argument itself: its callers do not give it


def _lanes() -> int:
    """Single-precision numbers in a vector of the processor that numba compiles for; others make two of one."""
    chosen: Any = config
    features = chosen.CPU_FEATURES if chosen.CPU_FEATURES is not None else get_host_cpu_features()
    return 16 if "+avx512f" in features.split(",") else 8


LANES = _lanes()


class Lanes:
    """Loads and stores of `LANES` elements of the arrays that an intrinsic was called with."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self._context, self._signature, self._arguments = context, signature, arguments
        self.kind = signature.args[0].dtype
        self.element = context.get_value_type(self.kind)
        self.vector = ir.VectorType(self.element, LANES)
        self.size = context.get_abi_sizeof(self.element)

    def _at(self, argument: int, place: Any, kind: Any) -> Any:
        array = self._context.make_array(self._signature.args[argument])(
            self._context, self.builder, self._arguments[argument]
        )
        offset = self.builder.mul(place, ir.Constant(place.type, self.size))
        return cgutils.pointer_add(self.builder, array.data, offset, kind.as_pointer())

    def load(self, argument: int, place: Any) -> Any:
        return self.builder.load(self._at(argument, place, self.vector), align=self.size)

    def load_one(self, argument: int, place: Any) -> Any:
        return self.spread(self.builder.load(self._at(argument, place, self.element), align=self.size))

    def store(self, value: Any, argument: int, place: Any) -> None:
        self.builder.store(value, self._at(argument, place, self.vector), align=self.size)

    def spread(self, scalar: Any) -> Any:
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), mask)

    def constant(self, value: float) -> Any:
        return ir.Constant(self.vector, [value] * LANES)

    def smaller(self, first: Any, second: Any) -> Any:
        """``first if first < second else second``."""
        return self.builder.select(self.builder.fcmp_ordered("<", first, second), first, second)

    def larger(self, first: Any, second: Any) -> Any:
        """``second if first < second else first``."""
        return self.builder.select(self.builder.fcmp_ordered("<", first, second), second, first)

    def fma(self, first: Any, second: Any, third: Any) -> Any:
        """``first * second + third``, rounded once where the processor can."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fmuladd.v{LANES}f{8 * self.size}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, (first, second, third))

    def relu(self, value: Any) -> Any:
        """0 below 0; a NaN stays one."""
        return self.larger(value, self.constant(0.0))

    def summed(self, count: Any, term: Callable[[Any], Any], start: Any = None) -> Any:
        """``start`` (0 by default) and ``term(n)`` for n below count, added up in this order."""
        total = cgutils.alloca_once_value(self.builder, self.constant(0.0) if start is None else start)
        with cgutils.for_range(self.builder, count) as loop:
            self.builder.store(self.builder.fadd(self.builder.load(total), term(loop.index)), total)
        return self.builder.load(total)


def _signature(*arguments: Any) -> Any:
    """Nothing is returned; places and counts become 64-bit integers."""
    return types.void(*(types.intp if isinstance(argument, types.Integer) else argument for argument in arguments))


@intrinsic
def add_relu(typing_context: Any, a: Any, at_a: Any, b: Any, at_b: Any, out: Any, at_out: Any) -> Any:
    """``out[at_out:] = relu(a[at_a:] + b[at_b:])``, `LANES` numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(context, builder, signature, arguments)
        total = builder.fadd(lanes.load(0, arguments[1]), lanes.load(2, arguments[3]))
        lanes.store(lanes.relu(total), 4, arguments[5])
        return context.get_dummy_value()

    return _signature(a, at_a, b, at_b, out, at_out), generate


@intrinsic
def add_rows(typing_context: Any, rows: Any, at: Any, stride: Any, count: Any, out: Any, at_out: Any) -> Any:
    """``out += sum_n rows[at + n stride:]`` over ``count`` rows, one after the other."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(context, builder, signature, arguments)
        _, at, stride, count, _, at_out = arguments

        def term(n: Any) -> Any:
            return lanes.load(0, builder.add(at, builder.mul(n, stride)))

        lanes.store(lanes.summed(count, term, lanes.load(4, at_out)), 4, at_out)
        return context.get_dummy_value()

    return _signature(rows, at, stride, count, out, at_out), generate


@intrinsic
def bits_of(typing_context: Any, number: Any) -> Any:
    """The bits of a float32 as an int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic
def float_of(typing_context: Any, bits: Any) -> Any:
    """The float32 of these bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def mean_relu(
    typing_context: Any, rows: Any, at: Any, stride: Any, count: Any, share: Any, plus: Any, at_plus: Any, out: Any,
    at_out: Any,
) -> Any:  # fmt: skip
    """``out = relu(plus + share * sum_n rows[at + n stride:])`` over ``count`` rows, `LANES` columns each."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(context, builder, signature, arguments)
        _, at, stride, count, share, _, at_plus, _, at_out = arguments

        def term(n: Any) -> Any:
            return lanes.load(0, builder.add(at, builder.mul(n, stride)))

        mean = builder.fmul(lanes.summed(count, term), lanes.spread(share))
        lanes.store(lanes.relu(builder.fadd(mean, lanes.load(5, at_plus))), 7, at_out)
        return context.get_dummy_value()

    return _signature(rows, at, stride, count, share, plus, at_plus, out, at_out), generate


@intrinsic
def square_distances(
    typing_context: Any, columns: Any, at: Any, other: Any, stride: Any, count: Any, out: Any, at_out: Any
) -> Any:
    """Squared distances of `LANES` points from one, over ``count`` coordinates.

    ``out[at_out:] = sum_c (columns[at + c stride:] - columns[other + c stride])^2``; whatever is not finite becomes the
    largest number.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(context, builder, signature, arguments)
        _, at, other, stride, count, _, at_out = arguments

        def term(c: Any) -> Any:
            row = builder.mul(c, stride)
            mine, theirs = lanes.load(0, builder.add(at, row)), lanes.load_one(0, builder.add(other, row))
            step = builder.fsub(mine, theirs)
            return builder.fmul(step, step)

        largest = lanes.constant(3.4028234663852886e38 if lanes.size == 4 else 1.7976931348623157e308)
        lanes.store(lanes.smaller(lanes.summed(count, term), largest), 5, at_out)
        return context.get_dummy_value()

    return _signature(columns, at, other, stride, count, out, at_out), generate


@intrinsic
def merge(typing_context: Any, numbers: Any, at: Any, ranked: Any, own: Any, below: Any) -> Any:
    """One step of an insertion into `LANES` ranked lists: ``ranked[own:] = max(ranked[below:], min(numbers[at:],
    ranked[own:]))``, a number each."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(context, builder, signature, arguments)
        _, at, _, own, below = arguments
        least = lanes.smaller(lanes.load(0, at), lanes.load(2, own))
        lanes.store(lanes.larger(least, lanes.load(2, below)), 2, own)
        return context.get_dummy_value()

    return _signature(numbers, at, ranked, own, below), generate
