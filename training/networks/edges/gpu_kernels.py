"""Triton kernels on edges for a GPU: what surrounds the matrix products of `training.networks.edges.gpu`.

The twins of `training.networks.edges.cpu_kernels`, with a block of edges a program in place of a tile: ``own``,
``other`` [N, C] per row; ``source`` and ``target`` int64 [E], the rows that an edge comes from and leads to; ``z``,
``y`` and ``g`` [E, C] in single or half precision, calculated with in single precision. What enters the first norm,
own[target] + other[source], is never written (``GATHERED``); nor is the gradient of the mean over a row's edges, which
is ``g`` [N, C] divided by the row's degree (``POOLED``). ``norm`` [2, C] holds gain and bias. Arguments have no types:
Triton looks annotations up among its own names.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = [
    "activate",
    "finish_gradient",
    "finish_norm",
    "forward_sums",
    "gradient_sums",
    "mean",
    "nearest",
    "norm_gradient",
    "scatter",
]

#: Numbers of rows and edges: a kernel must not be compiled anew where they happen to be divisible by 16.
_SIZES = ["n", "n_parts", "n_rows", "k"]


@triton.jit
def _entering(
    z, own, other, target, source, e, real, column,
    WIDTH: tl.constexpr, GATHERED: tl.constexpr,
):  # fmt: skip
    inside = real[:, None] & (column < WIDTH)[None, :]
    if GATHERED:
        i = tl.load(target + e, mask=real, other=0)
        j = tl.load(source + e, mask=real, other=0)
        value = tl.load(own + i[:, None] * WIDTH + column[None, :], mask=inside, other=0.0)
        return value + tl.load(other + j[:, None] * WIDTH + column[None, :], mask=inside, other=0.0)
    else:
        return tl.load(z + e[:, None].to(tl.int64) * WIDTH + column[None, :], mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _arriving(g, target, starts, e, real, column, WIDTH: tl.constexpr, POOLED: tl.constexpr):
    inside = real[:, None] & (column < WIDTH)[None, :]
    if POOLED:
        i = tl.load(target + e, mask=real, other=0)
        degree = tl.load(starts + i + 1, mask=real, other=1) - tl.load(starts + i, mask=real, other=0)
        value = tl.load(g + i[:, None] * WIDTH + column[None, :], mask=inside, other=0.0).to(tl.float32)
        return value / degree.to(tl.float32)[:, None]
    else:
        return tl.load(g + e[:, None].to(tl.int64) * WIDTH + column[None, :], mask=inside, other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=_SIZES)
def forward_sums(
    z, own, other, target, source, n, sums,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_E: tl.constexpr, STEPS: tl.constexpr, GATHERED: tl.constexpr,
):  # fmt: skip
    """Set sums[program] [2, C] to the sums of z and of its squares over the program's edges."""
    column = tl.arange(0, BLOCK_C)
    # Added up place by place: sums across the block's threads are taken once, at the end.
    total = tl.zeros([BLOCK_E, BLOCK_C], tl.float32)
    squares = tl.zeros([BLOCK_E, BLOCK_C], tl.float32)
    for step in range(STEPS):
        e = (tl.program_id(0) * STEPS + step) * BLOCK_E + tl.arange(0, BLOCK_E)
        value = _entering(z, own, other, target, source, e, e < n, column, WIDTH, GATHERED)
        total += value
        squares += value * value
    place = sums + tl.program_id(0) * 2 * WIDTH + column
    tl.store(place, tl.sum(total, axis=0), mask=column < WIDTH)
    tl.store(place + WIDTH, tl.sum(squares, axis=0), mask=column < WIDTH)


@triton.jit(do_not_specialize=_SIZES)
def activate(
    z, own, other, target, source, n, norm, y,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_E: tl.constexpr, GATHERED: tl.constexpr,
):  # fmt: skip
    """Set y to max(0, z gain + bias); a NaN stays one."""
    column = tl.arange(0, BLOCK_C)
    gain = tl.load(norm + column, mask=column < WIDTH, other=0.0)
    bias = tl.load(norm + WIDTH + column, mask=column < WIDTH, other=0.0)
    e = tl.program_id(0) * BLOCK_E + tl.arange(0, BLOCK_E)
    value = _entering(z, own, other, target, source, e, e < n, column, WIDTH, GATHERED) * gain[None, :] + bias[None, :]
    inside = (e < n)[:, None] & (column < WIDTH)[None, :]
    tl.store(y + e[:, None].to(tl.int64) * WIDTH + column[None, :], tl.where(value < 0, 0.0, value), mask=inside)


@triton.jit(do_not_specialize=_SIZES)
def mean(
    z, own, other, target, source, starts, n_rows, norm, out,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_R: tl.constexpr, GATHERED: tl.constexpr,
):  # fmt: skip
    """Set out [N, C] to the mean of max(0, z gain + bias) over the edges of every row."""
    column = tl.arange(0, BLOCK_C)
    gain = tl.load(norm + column, mask=column < WIDTH, other=0.0)
    bias = tl.load(norm + WIDTH + column, mask=column < WIDTH, other=0.0)
    i = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    begin = tl.load(starts + i, mask=i < n_rows, other=0)
    degree = tl.load(starts + i + 1, mask=i < n_rows, other=0) - begin
    total = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    most = tl.max(degree, axis=0)
    place = most * 0
    while place < most:
        real = place < degree
        value = _entering(z, own, other, target, source, begin + place, real, column, WIDTH, GATHERED)
        value = value * gain[None, :] + bias[None, :]
        total += tl.where(real[:, None] & ~(value < 0), value, 0.0)
        place += 1
    inside = (i < n_rows)[:, None] & (column < WIDTH)[None, :]
    tl.store(out + i[:, None] * WIDTH + column[None, :], total / degree.to(tl.float32)[:, None], mask=inside)


@triton.jit(do_not_specialize=_SIZES)
def gradient_sums(
    z, own, other, target, source, starts, n, norm, g, sums,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_E: tl.constexpr, STEPS: tl.constexpr,
    GATHERED: tl.constexpr, POOLED: tl.constexpr,
):  # fmt: skip
    """Set sums[program] [2, C] to the sums of g and of g z, g being 0 where the ReLU is closed."""
    column = tl.arange(0, BLOCK_C)
    gain = tl.load(norm + column, mask=column < WIDTH, other=0.0)
    bias = tl.load(norm + WIDTH + column, mask=column < WIDTH, other=0.0)
    # Added up place by place: sums across the block's threads are taken once, at the end.
    total = tl.zeros([BLOCK_E, BLOCK_C], tl.float32)
    products = tl.zeros([BLOCK_E, BLOCK_C], tl.float32)
    for step in range(STEPS):
        e = (tl.program_id(0) * STEPS + step) * BLOCK_E + tl.arange(0, BLOCK_E)
        value = _entering(z, own, other, target, source, e, e < n, column, WIDTH, GATHERED)
        above = _arriving(g, target, starts, e, e < n, column, WIDTH, POOLED)
        above = tl.where(value * gain[None, :] + bias[None, :] > 0, above, 0.0)
        total += above
        products += above * value
    place = sums + tl.program_id(0) * 2 * WIDTH + column
    tl.store(place, tl.sum(total, axis=0), mask=column < WIDTH)
    tl.store(place + WIDTH, tl.sum(products, axis=0), mask=column < WIDTH)


@triton.jit(do_not_specialize=_SIZES)
def norm_gradient(
    z, target, starts, n, norm, tilt, g, out,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_E: tl.constexpr, POOLED: tl.constexpr,
):  # fmt: skip
    """Set out to the gradient before the norm, ``gain g + slope z + level`` (``tilt`` [2, C]: slope and level)."""
    column = tl.arange(0, BLOCK_C)
    gain = tl.load(norm + column, mask=column < WIDTH, other=0.0)
    bias = tl.load(norm + WIDTH + column, mask=column < WIDTH, other=0.0)
    slope = tl.load(tilt + column, mask=column < WIDTH, other=0.0)
    level = tl.load(tilt + WIDTH + column, mask=column < WIDTH, other=0.0)
    e = tl.program_id(0) * BLOCK_E + tl.arange(0, BLOCK_E)
    value = _entering(z, z, z, target, target, e, e < n, column, WIDTH, False)
    above = _arriving(g, target, starts, e, e < n, column, WIDTH, POOLED)
    above = tl.where(value * gain[None, :] + bias[None, :] > 0, above, 0.0)
    result = gain[None, :] * above + (slope[None, :] * value + level[None, :])
    inside = (e < n)[:, None] & (column < WIDTH)[None, :]
    tl.store(out + e[:, None].to(tl.int64) * WIDTH + column[None, :], result, mask=inside)


@triton.jit(do_not_specialize=_SIZES)
def scatter(
    own, other, source, starts, n_rows, norm, tilt, g,
    own_gradient, other_gradient,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_R: tl.constexpr, POOLED: tl.constexpr,
):  # fmt: skip
    """Set own_gradient to the sum over every row's edges of the gradient before the first norm; add the same to the
    rows of other_gradient that the edges come from.
    """
    column = tl.arange(0, BLOCK_C)
    gain = tl.load(norm + column, mask=column < WIDTH, other=0.0)
    bias = tl.load(norm + WIDTH + column, mask=column < WIDTH, other=0.0)
    slope = tl.load(tilt + column, mask=column < WIDTH, other=0.0)
    level = tl.load(tilt + WIDTH + column, mask=column < WIDTH, other=0.0)
    i = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    row = (i < n_rows)[:, None] & (column < WIDTH)[None, :]
    begin = tl.load(starts + i, mask=i < n_rows, other=0)
    degree = tl.load(starts + i + 1, mask=i < n_rows, other=0) - begin
    mine = tl.load(own + i[:, None] * WIDTH + column[None, :], mask=row, other=0.0)
    total = tl.zeros([BLOCK_R, BLOCK_C], tl.float32)
    most = tl.max(degree, axis=0)
    place = most * 0
    while place < most:
        real = place < degree
        inside = real[:, None] & (column < WIDTH)[None, :]
        j = tl.load(source + begin + place, mask=real, other=0)
        value = mine + tl.load(other + j[:, None] * WIDTH + column[None, :], mask=inside, other=0.0)
        if POOLED:
            above = tl.load(g + i[:, None] * WIDTH + column[None, :], mask=inside, other=0.0).to(tl.float32)
            above = above / degree.to(tl.float32)[:, None]
        else:
            at = (begin + place)[:, None].to(tl.int64) * WIDTH + column[None, :]
            above = tl.load(g + at, mask=inside, other=0.0).to(tl.float32)
        above = tl.where(value * gain[None, :] + bias[None, :] > 0, above, 0.0)
        result = gain[None, :] * above + (slope[None, :] * value + level[None, :])
        total += tl.where(inside, result, 0.0)
        tl.atomic_add(other_gradient + j[:, None] * WIDTH + column[None, :], result, mask=inside)
        place += 1
    tl.store(own_gradient + i[:, None] * WIDTH + column[None, :], total, mask=row)


@triton.jit(do_not_specialize=_SIZES)
def finish_norm(
    sums, n_parts, n, gain, bias, epsilon, norm, statistics,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    """Set norm, and statistics [2, C] (mean, variance), from the parts of `forward_sums`: `norm_of_sums`."""
    column = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = column < WIDTH
    total, squares = _added(sums, n_parts, column, WIDTH, BLOCK_C, BLOCK_P)
    average = total / n
    # In double precision: a small difference of large sums.
    variance = squares / n - average * average
    variance = tl.where(variance < 0, 0.0, variance)
    slope = tl.load(gain + column, mask=inside, other=0.0).to(tl.float64) / tl.sqrt(variance + epsilon)
    level = tl.load(bias + column, mask=inside, other=0.0).to(tl.float64) - average * slope
    tl.store(norm + column, slope.to(tl.float32), mask=inside)
    tl.store(norm + WIDTH + column, level.to(tl.float32), mask=inside)
    tl.store(statistics + column, average.to(tl.float32), mask=inside)
    tl.store(statistics + WIDTH + column, variance.to(tl.float32), mask=inside)


@triton.jit(do_not_specialize=_SIZES)
def finish_gradient(
    sums, n_parts, n, norm, statistics, epsilon, of_norm, tilt,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr,
):  # fmt: skip
    """Set of_norm [2, C] (gradients of gain and bias), and tilt, from `gradient_sums`: see `gradient_of_norm`."""
    column = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = column < WIDTH
    total, products = _added(sums, n_parts, column, WIDTH, BLOCK_C, BLOCK_P)
    average = tl.load(statistics + column, mask=inside, other=0.0).to(tl.float64)
    variance = tl.load(statistics + WIDTH + column, mask=inside, other=1.0).to(tl.float64)
    inverse = 1.0 / tl.sqrt(variance + epsilon)
    of_gain = (products - average * total) * inverse
    lean = of_gain / n * inverse
    slope = tl.load(norm + column, mask=inside, other=0.0).to(tl.float64)
    tl.store(of_norm + column, of_gain.to(tl.float32), mask=inside)
    tl.store(of_norm + WIDTH + column, total.to(tl.float32), mask=inside)
    tl.store(tilt + column, (-slope * lean).to(tl.float32), mask=inside)
    tl.store(tilt + WIDTH + column, (slope * (average * lean - total / n)).to(tl.float32), mask=inside)


@triton.jit
def _added(sums, n_parts, column, WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr):
    one = tl.zeros([BLOCK_C], tl.float64)
    two = tl.zeros([BLOCK_C], tl.float64)
    begin = n_parts * 0
    while begin < n_parts:
        part = begin + tl.arange(0, BLOCK_P)
        inside = (part < n_parts)[:, None] & (column < WIDTH)[None, :]
        place = sums + part[:, None] * 2 * WIDTH + column[None, :]
        one += tl.sum(tl.load(place, mask=inside, other=0.0).to(tl.float64), axis=0)
        two += tl.sum(tl.load(place + WIDTH, mask=inside, other=0.0).to(tl.float64), axis=0)
        begin += BLOCK_P
    return one, two


@triton.jit(do_not_specialize=_SIZES)
def nearest(
    points, offsets, jet_of_row, starts, k, source,
    WIDTH: tl.constexpr, BLOCK_C: tl.constexpr, BLOCK_P: tl.constexpr, LARGEST: tl.constexpr,
):  # fmt: skip
    """Write the neighbours of one row by rising distance, or all others of a jet that has no more than k of them."""
    i = tl.program_id(0)
    jet = tl.load(jet_of_row + i)
    first = tl.load(offsets + jet)
    size = tl.load(offsets + jet + 1) - first
    slot = tl.arange(0, BLOCK_P)
    distance = slot.to(tl.float32)
    if size > k + 1:
        distance = tl.zeros([BLOCK_P], tl.float32)
        for begin in range(0, WIDTH, BLOCK_C):
            column = begin + tl.arange(0, BLOCK_C)
            inside = (slot < size)[:, None] & (column < WIDTH)[None, :]
            mine = tl.load(points + i * WIDTH + column, mask=column < WIDTH, other=0.0)
            all = tl.load(points + (first + slot)[:, None] * WIDTH + column[None, :], mask=inside, other=0.0)
            step = all - mine[None, :]
            distance += tl.sum(step * step, axis=1)
        # What is NaN or infinite counts as the largest: no comparison is true of a NaN.
        distance = tl.where(distance < LARGEST, distance, LARGEST)
    distance = tl.where((slot < size) & (first + slot != i), distance, float("inf"))
    edge = tl.load(starts + i)
    last = tl.load(starts + i + 1)
    while edge < last:
        # A jet of one row has no other: the first of all infinities is that row.
        found = tl.argmin(distance, axis=0)
        tl.store(source + edge, first + found)
        distance = tl.where(slot == found, float("inf"), distance)
        edge += 1
