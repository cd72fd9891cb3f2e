"""Grouping of links by jet, against plain Python."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from coffea_mljec.layouts.grouping import constituent_sums, group_links, group_near, pick_groups, split_charged


def plain_groups(events: list[tuple[int, int, list[tuple[int, int]]]]) -> list[list[int]]:
    """Per jet: rows of the target table. Each event is (jets, targets, links)."""
    groups: list[list[int]] = []
    start = 0
    for n_jets, n_targets, links in events:
        for jet in range(n_jets):
            groups.append([start + t for j, t in links if j == jet and 0 <= t < n_targets])
        start += n_targets
    return groups


def as_arrays(events: list[tuple[int, int, list[tuple[int, int]]]]) -> tuple[np.ndarray, ...]:
    def offsets(counts: list[int]) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    links = [link for _, _, of_event in events for link in of_event]
    pairs = np.array(links, np.int32).reshape(-1, 2)
    return (
        offsets([len(e[2]) for e in events]),
        pairs[:, 0].copy(),
        pairs[:, 1].copy(),
        offsets([e[0] for e in events]),
        offsets([e[1] for e in events]),
    )


@pytest.mark.parametrize(
    "events",
    [
        [],
        [(0, 0, [])],
        [(2, 3, [])],
        [(2, 4, [(1, 3), (0, 2), (1, 0), (0, 1)]), (0, 2, []), (1, 1, [(0, 0)])],
        [(1, 300, [(0, i) for i in range(300)])],
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


def test_a_candidate_twice_in_a_jet_breaks_that_jet() -> None:
    events = [(2, 3, [(0, 1), (1, 1), (0, 2), (0, 1)]), (1, 3, [(0, 1)])]
    index, offsets, broken, _ = group_links(*as_arrays(events))
    assert [index[a:b].tolist() for a, b in itertools.pairwise(offsets)] == plain_groups(events)
    assert broken.tolist() == [True, False, False]


def test_vertices_near_jets_equal_plain_python() -> None:
    rng = np.random.default_rng(3)
    jets, vertices = np.array([0, 3, 3, 5, 6]), np.array([0, 4, 5, 5, 9])
    eta, phi = rng.normal(0, 0.3, 6), rng.uniform(-np.pi, np.pi, 6)
    sv_eta, sv_phi = rng.normal(0, 0.3, 9), rng.uniform(-np.pi, np.pi, 9)
    phi[0], sv_phi[:2] = 3.1, (-3.1, 3.0)  # across the seam
    sv_eta[0], eta[0] = 0.0, 0.0
    eta[4] = np.nan
    index, offsets = group_near(eta, phi, jets, sv_eta, sv_phi, vertices, 0.8)
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


def test_split_keeps_order_and_loses_nothing() -> None:
    pdg_id = np.array([211, 22, -11, 130, 1, 13, 2, -211], np.int32)
    index = np.array([7, 1, 0, 3, 2, 4, 5])
    offsets = np.array([0, 4, 4, 7])
    charged, charged_offsets, neutral, neutral_offsets = split_charged(index, offsets, pdg_id)
    assert (charged.tolist(), charged_offsets.tolist()) == ([7, 0, 2, 5], [0, 2, 2, 4])
    assert (neutral.tolist(), neutral_offsets.tolist()) == ([1, 3, 4], [0, 2, 2, 3])


def test_sums_equal_numpy() -> None:
    rng = np.random.default_rng(1)
    pt, eta, phi = rng.exponential(5, 20), rng.normal(0, 2, 20), rng.uniform(-np.pi, np.pi, 20)
    index, offsets = np.arange(20)[::-1].copy(), np.array([0, 0, 1, 20])
    sums = constituent_sums(index, offsets, pt.astype(np.float32), eta.astype(np.float32), phi.astype(np.float32))
    momentum = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=1)[index]
    expected = np.stack([momentum[a:b].sum(0) for a, b in itertools.pairwise(offsets)])
    np.testing.assert_allclose(sums, expected, rtol=1e-5)
    assert (sums[0] == 0).all()
