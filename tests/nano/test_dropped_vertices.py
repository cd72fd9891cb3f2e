"""Vertices that the file's table dropped: found again from what the links say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.nano import JetChunk, detect
from coffea_mljec.nano.dropped_vertices import read_from_links
from tests.factories import Tables, in_memory
from tests.nano.generated import LAYOUTS, read_sample

QUANTITIES = ("pt", "mass", "eta", "phi", "n_tracks", "norm_chi2", "transverse_distance", "transverse_significance",
              "flight_distance", "flight_significance")  # fmt: skip


def wrapped(angle: Any) -> Any:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def with_links(tables: Tables) -> Tables:
    """Links of large jets to their vertices, as PFNano writes them."""
    rows: dict[str, list[float]] = {}
    counts = []
    jets, vertices = tables.tables["FatJet"], tables.tables["SV"]
    for event in range(len(tables.counts["SV"])):
        before = len(rows.get("jetIdx", ()))
        for number, jet in enumerate(range(*tables.offsets("FatJet")[event : event + 2])):
            for place, vertex in enumerate(range(*tables.offsets("SV")[event : event + 2])):
                v, j = ({k: float(x[i]) for k, x in t.items()} for t, i in ((vertices, vertex), (jets, jet)))
                delta_phi = float(wrapped(v["phi"] - j["phi"]))
                distance = float(np.hypot(v["eta"] - j["eta"], delta_phi))
                if distance >= 0.8:
                    continue
                energies = [np.hypot(x["pt"] * np.cosh(x["eta"]), x["mass"]) for x in (v, j)]
                row = {
                    "jetIdx": number, "sVIdx": place, "phirel": delta_phi, "deltaR": min(distance - 0.5, 0.0),
                    "ptrel": v["pt"] / (0.9 * j["pt"]), "enration": energies[0] / (0.9 * energies[1]),
                    "pt": v["pt"], "mass": v["mass"], "ntracks": v["ntracks"], "normchi2": v["chi2"],
                    "chi2": v["chi2"] * v["ndof"], "dxy": v["dxy"], "dxysig": v["dxySig"], "d3d": v["dlen"],
                    "d3dsig": v["dlenSig"], "distance": distance,
                }  # fmt: skip
                for name, value in row.items():
                    rows.setdefault(name, []).append(value)
        counts.append(len(rows.get("jetIdx", ())) - before)
    integers = ("jetIdx", "sVIdx")
    columns = {k: np.array(v, np.int32 if k in integers else np.float32) for k, v in rows.items()}
    return tables.with_table("FatJetSVs", columns, np.array(counts))


@pytest.fixture(scope="module")
def listed(sample: Path) -> Tables:
    return with_links(LAYOUTS["pfnano"](read_sample(sample, 200)).without("FatJet_nConstituents"))


def dropped(tables: Tables, share: float) -> Tables:
    """Some links lead nowhere."""
    target = tables.tables["FatJetSVs"]["sVIdx"]
    lost = np.random.default_rng(2).random(len(target)) < share
    return tables.with_columns("FatJetSVs", sVIdx=np.where(lost, -1, target).astype(np.int32))


def read(events: Any, whole: bool = True) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Quantities of the vertices, jet by jet, and offsets."""
    layout = detect(events, "FatJet")
    layout = read_from_links(layout, QUANTITIES) if whole else layout
    found = JetChunk(events, layout, "this test").flat((), {"sv": QUANTITIES}).collections["sv"]
    return {name: found.columns[name][found.rows(name)] for name in QUANTITIES}, found.offsets


def in_order(vertices: dict[str, np.ndarray], offsets: np.ndarray) -> np.ndarray:
    """Vertices by jet, pT and mass."""
    jet = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pt, mass = ([float(f"{value:.5g}") for value in vertices[name]] for name in ("pt", "mass"))
    return np.lexsort((mass, pt, jet))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_all_are_there_where_they_were(listed: Tables, share: float) -> None:
    expected, offsets = read(in_memory(listed), whole=False)
    got, again = read(in_memory(dropped(listed, share)))
    np.testing.assert_array_equal(again, offsets)
    assert offsets[-1] > 100
    # Rows of a jet's own have an order of their own: back to that of the links.
    places = np.empty(offsets[-1], np.int64)
    places[in_order(expected, offsets)] = in_order(got, offsets)
    got = {name: values[places] for name, values in got.items()}
    near = listed.tables["FatJetSVs"]["distance"] < 0.5
    for name in QUANTITIES:
        if name == "eta" and share > 0:
            # Beside eta 0 the energy does not tell the sides apart.
            clear = near & (np.abs(expected["eta"]) > 0.1)
            assert clear.sum() > 80
            np.testing.assert_allclose(got["eta"][clear], expected["eta"][clear], atol=1e-3)
            far = ~near & (np.abs(expected["eta"]) > 0.5)
            np.testing.assert_allclose(np.abs(got["eta"][far]), np.abs(expected["eta"][far]), atol=1e-3)
            continue
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-5, atol=2e-6, err_msg=name)
    if share == 0:  # those of the table itself, to the last bit
        for name in ("eta", "phi"):
            np.testing.assert_array_equal(got[name], expected[name])


def test_others_do_not_see_them(listed: Tables) -> None:
    lost = dropped(listed, 0.4)
    expected, _ = read(in_memory(listed), whole=False)
    there = lost.tables["FatJetSVs"]["sVIdx"] >= 0
    got, offsets = read(in_memory(lost), whole=False)
    assert offsets[-1] == there.sum() < len(there)
    for name in QUANTITIES:
        np.testing.assert_array_equal(got[name], expected[name][there])


def test_one_chunk_read_in_both_ways(listed: Tables) -> None:
    """What was read by one layout is not taken for the other's."""
    events = in_memory(dropped(listed, 0.4))
    chunk = JetChunk.of(events, "FatJet")
    other = chunk.asked_by("another", read_from_links(chunk.layout, QUANTITIES))
    sizes = [len(c.flat((), {"sv": QUANTITIES}).collections["sv"].index) for c in (chunk, other, chunk, other)]
    assert sizes[0] == sizes[2] < sizes[1] == sizes[3]


def test_cut_sorted_and_selected(listed: Tables) -> None:
    tables = dropped(listed, 0.4)
    whole, offsets = read(in_memory(tables))
    jets = in_memory(tables).FatJet
    number = ak.unflatten(np.arange(len(offsets) - 1), ak.num(jets))

    def expected(order: Any, name: str) -> np.ndarray:
        parts = [whole[name][offsets[jet] : offsets[jet + 1]] for jet in ak.flatten(order)]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    for change in (lambda j: j.pt > 30, lambda j: ak.argsort(j.eta)):
        events = in_memory(tables)
        picked = change(events.FatJet)
        events["FatJet"] = events.FatJet[picked]
        layout = read_from_links(detect(events, "FatJet"), QUANTITIES)
        # Candidates tell whose the links are.
        flat = JetChunk(events, layout, "this test").flat((), {"candidates": ("pt",), "sv": QUANTITIES})
        found = flat.collections["sv"]
        for name in ("pt", "eta", "phi"):
            got = found.columns[name][found.rows(name)]
            np.testing.assert_allclose(got, expected(number[picked], name), atol=2e-6, err_msg=name)
    mask = np.arange(len(jets)) % 3 == 0
    got, _ = read(in_memory(tables)[mask])
    for name in ("pt", "eta", "phi"):
        np.testing.assert_array_equal(got[name], expected(number[mask], name))
    assert len(read(in_memory(tables)[:0])[0]["eta"]) == 0


@pytest.mark.parametrize("lacking", ["FatJetSVs_enration", "FatJetSVs_d3dsig", "FatJetSVs", "SV_eta", "FatJet_mass"])
def test_links_that_say_too_little(listed: Tables, lacking: str) -> None:
    layout = detect(in_memory(listed.without(lacking)), "FatJet")
    assert read_from_links(layout, QUANTITIES) is layout


def test_what_is_read_is_declared(listed: Tables) -> None:
    from coffea_mljec.nano.requirements import required_branches

    layout = read_from_links(detect(in_memory(listed), "FatJet"), QUANTITIES)
    names = {branch.name for branch in required_branches(layout, (), {"sv": QUANTITIES}, "this test")}
    assert names >= {"SV_eta", "SV_phi", "FatJetSVs_sVIdx", "FatJetSVs_deltaR", "FatJetSVs_enration", "FatJetSVs_pt"}
    assert "FatJetSVs_normchi2" in names
    assert "SV_pt" not in names
