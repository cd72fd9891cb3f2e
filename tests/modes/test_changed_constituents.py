"""Candidates, vertices and links that an analysis cut, sorted or replaced before the correction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import MLJEC, Status
from coffea_mljec.errors import InputError, JetsChangedError

pytestmark = pytest.mark.filterwarnings("ignore::coffea_mljec.FastSimulationWarning")
TABLES = ("PFCands", "SV", "JetPFCands", "JetSVs")
CHANGES: dict[str, Callable[[Any], Any]] = {
    "cut": lambda table: table[:, 1:],
    "cut twice": lambda table: table[:, 1:][:, ::2],
    "reversed": lambda table: table[:, ::-1],
    "emptied": lambda table: table[:, :0],
}


@pytest.fixture(scope="module", params=["pfn-r-lite", "particlenet-r-lite"])
def mljec(request: pytest.FixtureRequest) -> MLJEC:
    return MLJEC(request.param)


def _without_file(events: Any) -> Any:
    """As they are after pickling."""
    return ak.Array(events.layout, behavior=events.behavior)


def same(found: Any, expected: Any) -> None:
    for name in ("pt", "mljec_status"):
        np.testing.assert_array_equal(ak.to_numpy(ak.flatten(found[name])), ak.to_numpy(ak.flatten(expected[name])))


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("mode", ["virtual", "eager"])
@pytest.mark.parametrize("table", TABLES)
def test_rows_are_found_again_in_the_file(
    table: str, mode: str, how: str, layout_events: Callable[..., Any], mljec: MLJEC
) -> None:
    events = layout_events("pfnano", mode=mode)
    expected = mljec.apply(events)
    events[table] = CHANGES[how](events[table])
    same(mljec.apply(events), expected)


@pytest.mark.parametrize("mode", ["virtual", "eager"])
def test_also_in_selected_events(mode: str, layout_events: Callable[..., Any], mljec: MLJEC) -> None:
    events = layout_events("pfnano", mode=mode)
    mask = events.event % 2 == 0
    expected = mljec.apply(events)[mask]
    before, after = events[mask], ak.copy(events)
    before["SV"] = before.SV[before.SV.dlenSig > 5]
    before["PFCands"] = before.PFCands[before.PFCands.pt > 1]
    same(mljec.apply(before), expected)
    after["SV"] = after.SV[after.SV.dlenSig > 5]
    after["PFCands"] = after.PFCands[after.PFCands.pt > 1]
    same(mljec.apply(after[mask]), expected)


@pytest.mark.parametrize("mode", ["virtual", "eager"])
@pytest.mark.parametrize(("table", "column"), [("JetPFCands", "pFCandsIdx"), ("JetSVs", "sVIdx"), ("JetSVs", "jetIdx")])
def test_links_that_were_exchanged_are_read_again(
    table: str, column: str, mode: str, layout_events: Callable[..., Any], mljec: MLJEC
) -> None:
    events = layout_events("pfnano", mode=mode)
    expected = mljec.apply(events)
    values = events[table][column]
    events[table] = ak.with_field(events[table], values[:, ::-1], column)
    same(mljec.apply(events), expected)


def test_vertices_within_the_radius_too(layout_events: Callable[..., Any], mljec: MLJEC) -> None:
    """Without links, vertices are those near the jet."""
    events = layout_events("pfnano_no_sv_links")
    expected = mljec.apply(events)
    events["SV"] = events.SV[events.SV.dlenSig > 5]
    same(mljec.apply(events), expected)


def test_other_values_are_believed(layout_events: Callable[..., Any], mljec: MLJEC) -> None:
    """Who writes other values means them: a scale of the candidates, or of the vertices, with a cut on top."""
    events = layout_events("pfnano")
    expected = mljec.apply(events)
    events["SV"] = ak.with_field(events.SV, 1.1 * events.SV.mass, "mass")
    scaled = mljec.apply(events)
    assert ak.any(scaled.pt != expected.pt)
    events["SV"] = events.SV[events.SV.dlenSig > 5]
    same(mljec.apply(events), scaled)


def test_copies_of_what_is_left_are_refused(layout_events: Callable[..., Any], mljec: MLJEC) -> None:
    events = layout_events("pfnano")
    events["PFCands"] = ak.to_packed(events.PFCands[events.PFCands.pt > 1])
    with pytest.raises(
        JetsChangedError, match=r"rows of PFCands are not those of the file: .*Correct first, then chan"
    ):
        mljec.apply(events)


@pytest.mark.parametrize("table", TABLES)
def test_dask_refuses(table: str, layout_events: Callable[..., Any]) -> None:
    pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    events = layout_events("pfnano", mode="dask")
    events[table] = events[table][:, 1:]
    with pytest.raises(JetsChangedError, match=rf"rows of {table} are not those of the file"):
        MLJEC("pfn-r-lite").apply(events).pt.compute()


def test_vertices_of_other_jets_in_the_file(layout_events: Callable[..., Any], mljec: MLJEC) -> None:
    """Nothing but the links tells whose they are: a vertex outside the jet's radius is not its own."""
    events = layout_events("pfnano", mode="eager")
    expected = mljec.apply(events)
    links = events.JetSVs
    other = (links.sVIdx + 1) % ak.num(events.SV)
    events = _without_file(events)
    events["JetSVs"] = ak.with_field(links, other, "sVIdx")
    found = mljec.apply(events)
    flagged = (found.mljec_status & int(Status.INCOMPLETE_CONSTITUENTS)) != 0
    assert ak.any(flagged)
    own = ak.num(links.jetIdx[links.jetIdx >= 0]) == 0
    same(found[own], expected[own])
    assert ak.all(flagged | (found.pt == expected.pt) | (ak.num(events.SV) > 1))


def test_the_order_of_links_does_not_matter(layout_events: Callable[..., Any], mljec: MLJEC) -> None:
    """Bit by bit, where the file itself has them in another order: sums run by the rows of the tables."""
    events = layout_events("pfnano", mode="eager")
    expected = mljec.apply(events)
    events = _without_file(events)
    rng = np.random.default_rng(3)
    for table in ("JetPFCands", "JetSVs"):
        links = events[table]
        key = ak.unflatten(rng.random(int(ak.sum(ak.num(links)))), ak.num(links))
        events[table] = ak.to_packed(links[ak.argsort(key, axis=1)])
    same(mljec.apply(events), expected)


@pytest.mark.parametrize("kind", ["int8", "uint16"])
def test_numbers_of_particles_that_do_not_fit(kind: str, layout_events: Callable[..., Any], mljec: MLJEC) -> None:
    events = layout_events("pfnano")
    events["PFCands"] = ak.with_field(events.PFCands, ak.values_astype(events.PFCands.pdgId, kind), "pdgId")
    with pytest.raises(InputError, match=rf"PFCands_pdgId is {kind}, which cannot hold .* 211 and -211"):
        mljec.apply(events)
