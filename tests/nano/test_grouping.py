"""Grouping of links by jet, against plain Python."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from coffea_mljec.nano.grouping import group_links, order_rows, pick_groups, rows_of_links, split_charged
from coffea_mljec.nano.table import Spans, spans_of
from coffea_mljec.nano.vertices import group_near, strays


def plain_groups(events: list[tuple[int, int, list[tuple[int, int]]]]) -> list[list[int]]:
    """Per jet: rows of the target table, in order. Each event is (jets, targets, links)."""
    groups: list[list[int]] = []
    start = 0
    for n_jets, n_targets, links in events:
        for jet in range(n_jets):
            groups.append(sorted(start + t for j, t in links if j == jet and 0 <= t < n_targets))
        start += n_targets
    return groups


def plain_faults(events: list[tuple[int, int, list[tuple[int, int]]]]) -> tuple[list[bool], int]:
    """Per jet whether a link of it is broken, and the first event with a link to a jet that it does not have."""
    broken = []
    beyond = [event for event, (n_jets, _, links) in enumerate(events) if any(j >= n_jets for j, _ in links)]
    for n_jets, n_targets, links in events:
        for jet in range(n_jets):
            own = [t for j, t in links if j == jet]
            broken.append(len(set(own)) < len(own) or any(not 0 <= t < n_targets for t in own))
    return broken, beyond[0] if beyond else -1


def as_arrays(events: list[tuple[int, int, list[tuple[int, int]]]]) -> tuple[Any, ...]:
    def offsets(counts: list[int]) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    links = [link for _, _, of_event in events for link in of_event]
    pairs = np.array(links, np.int32).reshape(-1, 2)
    return (
        spans_of(offsets([len(e[2]) for e in events])),
        pairs[:, 0].copy(),
        pairs[:, 1].copy(),
        offsets([e[0] for e in events]),
        spans_of(offsets([e[1] for e in events])),
    )


@pytest.mark.parametrize(
    "events",
    [
        [],
        [(0, 0, [])],
        [(2, 3, [])],
        [(2, 4, [(1, 3), (0, 2), (1, 0), (0, 1)]), (0, 2, []), (1, 1, [(0, 0)])],
        [(1, 300, [(0, i) for i in range(300)])],
        [(3, 4, [(0, 3), (0, 1), (2, 3), (2, 0)]), (0, 2, []), (1, 2, [(0, 1)])],
        [(2, 4, [(0, 1), (0, 2), (1, 1), (0, 3)]), (2, 4, [(0, 1), (1, 2)])],
    ],
)
def test_groups_equal_plain_python(events: list[tuple[int, int, list[tuple[int, int]]]]) -> None:
    index, offsets, broken, beyond = group_links(*as_arrays(events))
    got = [index[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    assert got == plain_groups(events)
    assert beyond == -1
    assert not broken.any()


def test_broken_and_foreign_links_are_reported() -> None:
    events = [(1, 2, [(0, 1), (-1, 0)]), (2, 2, [(0, -1), (1, 5), (1, 1), (2, 0)])]
    index, offsets, broken, beyond = group_links(*as_arrays(events))
    assert [index[a:b].tolist() for a, b in itertools.pairwise(offsets)] == [[1], [], [3]]
    assert broken.tolist() == [False, True, True]
    assert beyond == 1


def test_a_vertex_that_its_table_leaves_out_is_no_loss() -> None:
    """A target of -1; any other one beyond the table is."""
    events = [(3, 2, [(0, -1), (0, 1), (1, -2), (1, 0), (2, 2)]), (1, 1, [(0, 0), (0, -1)])]
    index, offsets, broken, _ = group_links(*as_arrays(events), droppable=True)
    assert [index[a:b].tolist() for a, b in itertools.pairwise(offsets)] == plain_groups(events)
    assert broken.tolist() == [False, True, True, False]


def test_vertices_beyond_the_radius_equal_plain_python() -> None:
    rng = np.random.default_rng(4)
    eta, phi = rng.normal(0, 1, 5), rng.uniform(-np.pi, np.pi, 5)
    index, offsets = rng.permutation(12)[:9], np.array([0, 2, 2, 4, 7, 9])
    jet = np.repeat(np.arange(5), np.diff(offsets))
    sv_eta, sv_phi = np.zeros(12), np.zeros(12)
    sv_eta[index] = eta[jet] + rng.uniform(-0.4, 0.4, 9)
    sv_phi[index] = (phi[jet] + rng.uniform(-0.4, 0.4, 9) + np.pi) % (2 * np.pi) - np.pi
    sv_phi[index[-1]] = np.nan
    d_phi = (sv_phi[index] - phi[jet] + np.pi) % (2 * np.pi) - np.pi
    beyond = ~((sv_eta[index] - eta[jet]) ** 2 + d_phi**2 < 0.16)
    expected = [bool(beyond[jet == j].any()) for j in range(5)]
    assert strays(index, offsets, sv_eta, sv_phi, eta, phi, 0.4, True).tolist() == expected
    known = np.isfinite(sv_eta[index] + sv_phi[index])
    somewhere = [bool((beyond & known)[jet == j].any()) for j in range(5)]
    assert strays(index, offsets, sv_eta, sv_phi, eta, phi, 0.4, False).tolist() == somewhere
    assert 0 < sum(expected) < 5


def test_a_candidate_twice_in_a_jet_breaks_that_jet() -> None:
    events = [(2, 3, [(0, 1), (1, 1), (0, 2), (0, 1)]), (1, 3, [(0, 1)])]
    index, offsets, broken, _ = group_links(*as_arrays(events))
    assert [index[a:b].tolist() for a, b in itertools.pairwise(offsets)] == plain_groups(events)
    assert broken.tolist() == [True, False, False]


@pytest.mark.parametrize("kind", ["int8", "uint16", "int64"])
def test_any_links_equal_plain_python(kind: str) -> None:
    """Sorted or not; with links to no jet, to no target, to a jet beyond the event's, twice to the same target."""
    rng = np.random.default_rng(11)
    least = 0 if kind.startswith("u") else -1
    seen = np.zeros(4, int)
    for _ in range(400):
        events = []
        for _ in range(rng.integers(0, 5)):
            n_jets, n_targets, n_links = rng.integers(0, 4), rng.integers(0, 9), rng.integers(0, 9)
            jets = rng.integers(rng.choice([0, least]), max(n_jets, 1) + rng.integers(0, 5) // 4, n_links)
            targets = rng.integers(rng.choice([0, least]), max(n_targets, 1) + rng.integers(0, 5) // 4, n_links)
            if rng.random() < 0.5:
                jets = np.sort(jets)
            events.append((n_jets, n_targets, list(zip(jets.tolist(), targets.tolist(), strict=True))))
        links, jets, targets, *other_tables = as_arrays(events)
        index, offsets, broken, beyond = group_links(links, jets.astype(kind), targets.astype(kind), *other_tables)
        assert index.dtype == offsets.dtype == np.int64
        assert [index[a:b].tolist() for a, b in itertools.pairwise(offsets)] == plain_groups(events)
        assert (broken.tolist(), beyond) == plain_faults(events)
        seen += [len(index) > 0, broken.any(), beyond >= 0, len(broken) == 0]
    assert (seen > 20).all()


def test_links_of_interleaved_jets_are_the_same_jets() -> None:
    rng = np.random.default_rng(2)
    events = [(3, 50, [(jet, t) for jet in range(3) for t in rng.permutation(50)[:12].tolist()]) for _ in range(5)]
    mixed = [(n_jets, n, [links[i] for i in np.arange(36).reshape(3, 12).T.ravel()]) for n_jets, n, links in events]
    for got, expected in zip(group_links(*as_arrays(mixed)), group_links(*as_arrays(events)), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_rows_of_events_that_were_cut_are_left_out() -> None:
    """Tables of a whole file, of which the events say where their rows are: the same groups as of copied tables."""
    events = [(2, 4, [(0, 2), (1, 3), (0, 1)]), (3, 5, [(0, 4), (2, 0)]), (1, 2, [(0, 1), (0, 0)])]
    links, jets, targets, _, candidates = as_arrays(events)
    for chosen in ([0, 2], [2, 0], [1], [2, 2], []):
        some = [events[event] for event in chosen]
        copied, *expected = group_links(*as_arrays(some))
        rows, there = (Spans(table.starts[chosen], table.stops[chosen]) for table in (links, candidates))
        offsets = np.concatenate([[0], np.cumsum([event[0] for event in some])]).astype(np.int64)
        index, *got = group_links(rows, jets, targets, offsets, there)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        moved = np.concatenate([np.arange(a, b) for a, b in zip(*there, strict=True)] or [np.zeros(0, np.int64)])
        np.testing.assert_array_equal(index, moved[copied])


def test_vertices_near_jets_equal_plain_python() -> None:
    rng = np.random.default_rng(3)
    jets, vertices = np.array([0, 3, 3, 5, 6]), np.array([0, 4, 5, 5, 9])
    eta, phi = rng.normal(0, 0.3, 6), rng.uniform(-np.pi, np.pi, 6)
    sv_eta, sv_phi = rng.normal(0, 0.3, 9), rng.uniform(-np.pi, np.pi, 9)
    phi[0], sv_phi[:2] = 3.1, (-3.1, 3.0)  # across the seam
    sv_eta[0], eta[0] = 0.0, 0.0
    eta[4] = np.nan
    index, offsets = group_near(eta, phi, jets, sv_eta, sv_phi, spans_of(vertices), 0.8)
    for event, (first, last) in enumerate(itertools.pairwise(jets)):
        for jet in range(first, last):
            expected = []
            for vertex in range(vertices[event], vertices[event + 1]):
                d_phi = (sv_phi[vertex] - phi[jet] + np.pi) % (2 * np.pi) - np.pi
                if (sv_eta[vertex] - eta[jet]) ** 2 + d_phi**2 < 0.64:
                    expected.append(vertex)
            assert index[offsets[jet] : offsets[jet + 1]].tolist() == expected
    assert {0, 1} <= set(index[: offsets[1]].tolist())
    assert offsets[4] == offsets[5]


def test_picked_groups_equal_plain_python() -> None:
    index, offsets = np.array([4, 1, 7, 2, 2]), np.array([0, 2, 2, 5])
    broken = np.array([False, True, False])
    picked, picked_offsets, picked_broken = pick_groups(np.array([2, -1, 0, 2, 1]), index, offsets, broken)
    got = [picked[a:b].tolist() for a, b in itertools.pairwise(picked_offsets)]
    assert got == [[7, 2, 2], [], [4, 1], [7, 2, 2], []]
    assert picked_broken.tolist() == [False, False, False, False, True]


def test_rows_without_a_number_are_ordered_by_what_they_hold() -> None:
    """As by numpy's lexsort; the same ones whatever order the table has; a jet with a NaN keeps its rows."""
    rng = np.random.default_rng(5)
    offsets = np.array([0, 0, 1, 9, 40])
    keys = rng.integers(0, 4, (3, 40)).astype(np.float32)  # few values: many are equal
    index = np.arange(40)
    order_rows(index, offsets, *keys)
    for first, last in itertools.pairwise(offsets):
        expected = first + np.lexsort([-key[first:last] for key in keys[::-1]])
        np.testing.assert_array_equal(index[first:last], expected)
    moved = np.concatenate([rng.permutation(np.arange(a, b)) for a, b in itertools.pairwise(offsets)])
    again = np.arange(40)
    order_rows(again, offsets, *keys[:, moved])
    np.testing.assert_array_equal(keys[:, moved][:, again], keys[:, index])
    keys[0, 3] = np.nan
    order_rows(index, offsets, *keys)
    assert sorted(index[1:9]) == list(range(1, 9))


def test_split_keeps_order_and_loses_nothing() -> None:
    pdg_id = np.array([211, 22, -11, 130, 1, 13, 2, -211], np.int32)
    index = np.array([7, 1, 0, 3, 2, 4, 5])
    offsets = np.array([0, 4, 4, 7])
    charged, charged_offsets, neutral, neutral_offsets = split_charged(index, offsets, pdg_id)
    assert (charged.tolist(), charged_offsets.tolist()) == ([7, 0, 2, 5], [0, 2, 2, 4])
    assert (neutral.tolist(), neutral_offsets.tolist()) == ([1, 3, 4], [0, 2, 2, 3])


@pytest.mark.parametrize(
    "events",
    [
        [],
        [(0, 0, [])],
        [(2, 3, [])],
        [(2, 4, [(0, 3), (0, 2), (1, 0), (1, 1)]), (0, 2, []), (1, 1, [(0, 0)])],
        [(2, 4, [(1, 3), (0, 2), (1, 0), (0, 1)]), (0, 2, [(0, 1), (-1, 0)]), (1, 2, [(0, 1)])],
        # To nothing, beyond the jets, beyond the targets, and twice to the same.
        [(3, 4, [(0, 3), (5, 1), (2, -1), (2, 0), (0, 9), (2, 3), (-1, 2)]), (1, 3, [(0, 2), (0, 0), (0, 2)])],
    ],
)
def test_rows_of_links(events: list[tuple[int, int, list[tuple[int, int]]]]) -> None:
    links, jet, target, jet_offsets, targets = as_arrays(events)
    index, offsets, broken, _ = group_links(links, jet, target, jet_offsets, targets)
    rows = rows_of_links(index, offsets, links, jet, target, jet_offsets, targets)
    assert len(rows) == len(index)
    starts = np.repeat(targets.starts, links.stops - links.starts)
    owner = np.repeat(jet_offsets[:-1], links.stops - links.starts)
    for number in range(len(offsets) - 1):
        own = rows[offsets[number] : offsets[number + 1]]
        if broken[number]:  # its links are not told apart, but they are its own
            assert set(own) <= {0, *np.flatnonzero(jet + owner == number)}
            continue
        np.testing.assert_array_equal(target[own] + starts[own], index[offsets[number] : offsets[number + 1]])
        assert np.all(jet[own] + owner[own] == number)
        assert len(set(own)) == len(own)
