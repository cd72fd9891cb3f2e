"""Random numbers that belong to a jet: the published generator, normal, uncorrelated, the same however read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from coffea_mljec.errors import InputError
from coffea_mljec.systematics import standard_normal
from coffea_mljec.systematics.randomness import philox

MASK = 0xFFFFFFFF
KNOWN = [  # the kat_vectors of Random123, philox4x32 with 10 rounds: counter, key, result
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def plain_philox(counter: list[int], key: list[int]) -> list[int]:
    """The definition of the paper in Python's own integers."""
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            (second >> 32) ^ counter[1] ^ key[0],
            second & MASK,
            (first >> 32) ^ counter[3] ^ key[1],
            first & MASK,
        ]
        key = [(key[0] + 0x9E3779B9) & MASK, (key[1] + 0xBB67AE85) & MASK]
    return counter


def plain_normal(run: int, block: int, event: int, eta: float, phi: float, seed: int) -> float:
    bits = [int((np.float32(angle) + np.float32(0)).view(np.uint32)) for angle in (eta, phi)]
    key = [run & MASK, (block + seed * 0x9E3779B9) & MASK]
    a, b, c, d = plain_philox([event & MASK, event >> 32 & MASK, *bits], key)
    u, v = ((a << 21 | b >> 11) + 1) / 2**53, (c << 21 | d >> 11) / 2**53
    return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_the_generator_is_the_published_one(counter: str, key: str, want: str) -> None:
    got = philox(*(np.uint64(word) for word in words(counter) + words(key)))
    assert [int(word) for word in got] == words(want) == plain_philox(words(counter), words(key))


def jets(n: int = 200_000, per_event: int = 5) -> dict[str, Any]:
    """Jets as in a file: events in a row, directions with the few bits that NanoAOD keeps."""
    rng = np.random.default_rng(5)
    event = np.repeat(np.arange(n // per_event, dtype=np.uint64) + np.uint64(77), per_event)
    return {
        "run": np.uint32(1), "luminosity_block": (event // np.uint64(100)).astype(np.uint32), "event": event,
        "eta": np.round(rng.normal(0, 1.5, n) * 512).astype(np.float32) / 512,
        "phi": np.round(rng.uniform(-np.pi, np.pi, n) * 512).astype(np.float32) / 512,
    }  # fmt: skip


def test_equals_the_plain_twin() -> None:
    cases = [
        (1, 1, 1, 0.5, 0.5, 0), (1, 1, 2**31 - 1, 0.0, -np.pi, 0), (370_000, 5, 2**31, -0.0, np.pi, 3),
        (370_000, 2**32 - 1, 2**40 + 5, 4.7, 1e-30, 2**32 - 1), (2**32 - 1, 7, 2**64 - 1, -5.0, 3.1, 1),
    ]  # fmt: skip
    for run, block, event, eta, phi, seed in cases:
        got = standard_normal(run, block, np.array([event], np.uint64), np.array([eta]), np.array([phi]), seed=seed)
        assert got[0] == pytest.approx(plain_normal(run, block, event, eta, phi, seed), rel=1e-12, abs=1e-14)


def test_normal() -> None:
    numbers = standard_normal(**jets())
    n = numbers.size
    assert np.isfinite(numbers).all()
    assert abs(numbers.mean()) < 4 / math.sqrt(n)
    assert abs(numbers.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((numbers**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((numbers**4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert kstest(numbers, "norm").pvalue > 1e-3
    assert np.unique(numbers).size == n


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """In units of its own error."""
    return float(np.mean(first * second) * math.sqrt(first.size))


def test_uncorrelated() -> None:
    columns = jets()
    numbers = standard_normal(**columns)
    by_event = numbers.reshape(-1, 5)
    for lag in range(1, 5):
        assert abs(correlation(by_event[:, 0], by_event[:, lag])) < 4  # the jets of an event
    for lag in (1, 2, 10, 100):
        assert abs(correlation(by_event[lag:, 0], by_event[:-lag, 0])) < 4  # neighbouring events
    for change in ({"seed": 1}, {"run": np.uint32(2)}, {"event": columns["event"] + np.uint64(2**32)}):
        assert abs(correlation(numbers, standard_normal(**columns | change))) < 4
    # One bit of the direction, or the same direction in every event: the worst that a weak hash would meet.
    moved = columns | {"eta": np.nextafter(columns["eta"], np.float32(9))}
    assert abs(correlation(numbers, standard_normal(**moved))) < 4
    same = standard_normal(**columns | {"eta": np.full(numbers.size, 0.5), "phi": np.full(numbers.size, 0.5)})[::5]
    assert abs(same.mean()) < 4 / math.sqrt(same.size)
    assert kstest(same, "norm").pvalue > 1e-3
    # Squares too: no pattern in the size of the numbers.
    squares = (by_event**2 - 1) / math.sqrt(2)
    assert abs(correlation(squares[:, 0], squares[:, 1])) < 4.5


def test_belong_to_the_jet() -> None:
    columns = jets(2000)
    whole = standard_normal(**columns)
    n = whole.size

    def part(rows: Any) -> np.ndarray:
        return standard_normal(
            **{name: column[rows] if np.ndim(column) else column for name, column in columns.items()}
        )

    order = np.random.default_rng(1).permutation(n)
    np.testing.assert_array_equal(part(order), whole[order])
    for size in (1, 7, 999):
        chunks = [part(slice(start, start + size)) for start in range(0, min(n, 40 * size), size)]
        np.testing.assert_array_equal(np.concatenate(chunks), whole[: min(n, 40 * size)])
    np.testing.assert_array_equal(part(columns["eta"] > 0), whole[columns["eta"] > 0])
    assert part(slice(0, 0)).size == 0
    # The same values in other types, and in memory that is not contiguous.
    other = {"eta": columns["eta"].astype(np.float64), "event": columns["event"].astype(np.int64), "run": np.full(n, 1)}
    np.testing.assert_array_equal(standard_normal(**columns | other), whole)
    strided = {name: np.repeat(columns[name], 2)[::2] for name in ("event", "eta", "phi")}
    np.testing.assert_array_equal(standard_normal(**columns | strided), whole)


def test_minus_zero_is_zero() -> None:
    at_zero = [standard_normal(1, 1, np.array([5]), np.array([zero]), np.array([0.1])) for zero in (0.0, -0.0)]
    assert at_zero[0] == at_zero[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event": np.array([1.0, 2.0])}, r"event: expected an integer for each of 2 jets .* got float64"),
        ({"run": np.array([1])}, r"run: expected an integer .* of shape \(1,\)"),
        ({"eta": np.zeros((2, 1))}, r"eta and phi: expected two flat columns .* of shape \(2, 1\)"),
        ({"phi": np.zeros(3)}, "eta and phi: expected two flat columns"),
        ({"phi": np.array(["a", "b"])}, "eta and phi: expected two flat columns of numbers"),
        ({"seed": -1}, "seed: expected a number from 0 to 4294967295, got -1"),
        ({"seed": 2**32}, "seed: expected"),
    ],
)  # fmt: skip
def test_refuses(change: dict[str, Any], message: str) -> None:
    columns = {"run": 1, "luminosity_block": 1, "event": np.arange(2), "eta": np.zeros(2), "phi": np.zeros(2)}
    with pytest.raises(InputError, match=message):
        standard_normal(**columns | change)
