"""Jets cut, sorted, repeated or corrected upstream: found again exactly, or refused; never the wrong constituents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coffea_mljec as mljec
from coffea_mljec.errors import InputError, JetsChangedError
from coffea_mljec.nano import FlatJets, JetChunk, flatten, open_nano
from coffea_mljec.nano.origin import find_origin
from coffea_mljec.status import Status
from tests.factories import Tables, in_memory, write
from tests.nano.generated import read_sample, synthetic

QUANTITIES = ("pt", "eta", "phi")
PARTS = {"charged": QUANTITIES, "neutral": QUANTITIES, "sv": QUANTITIES}
pytestmark = pytest.mark.filterwarnings("ignore::coffea_mljec.FastSimulationWarning")
bounded = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def jets_of(flat: FlatJets) -> list[list[dict[str, Any]]]:
    """Event by event, jet by jet: raw pT, status, and the constituents themselves."""
    jets = []
    for jet in range(len(flat)):
        own: dict[str, Any] = {"pt_raw": float(flat.jet["pt_raw"][jet]), "flags": int(flat.flags[jet])}
        for name, part in flat.collections.items():
            rows = part.index[part.offsets[jet] : part.offsets[jet + 1]]
            own[name] = [tuple(float(part.columns[q][row]) for q in QUANTITIES) for row in rows]
        jets.append(own)
    return [jets[a:b] for a, b in zip(flat.jet_offsets[:-1], flat.jet_offsets[1:], strict=True)]


def read(events: Any) -> list[list[dict[str, Any]]]:
    return jets_of(flatten(events, constituents=PARTS))


@pytest.fixture(scope="module")
def whole(generated: Callable[..., Path]) -> Any:
    """Events of a file with everything, and what their jets hold."""
    with open_nano(generated("pfnano")) as nano:
        yield lambda: nano.events(), read(nano.events())


@st.composite
def selections(draw: st.DrawFn, counts: list[int]) -> tuple[list[int], list[list[int]]]:
    """Events in any order, some of them, and in each its jets in any order, some of them, some more than once."""
    events = draw(st.lists(st.integers(0, len(counts) - 1), unique=True, max_size=len(counts)))
    jets = [
        draw(st.lists(st.integers(0, counts[event] - 1), max_size=counts[event] + 1)) if counts[event] else []
        for event in events
    ]
    return events, jets


@bounded
@given(st.data())
def test_any_selection_is_found_again(whole: Any, data: st.DataObject) -> None:
    make, before = whole
    rows, jets = data.draw(selections([len(event) for event in before]))
    events = make()[np.array(rows, np.int64)]
    events["Jet"] = events.Jet[ak.values_astype(ak.Array([*jets, [0]])[:-1], np.int64)]
    assert read(events) == [[before[row][jet] for jet in own] for row, own in zip(rows, jets, strict=True)]


@bounded
@given(st.data())
def test_jets_with_a_part_of_their_constituents_are_found_again(whole: Any, data: st.DataObject) -> None:
    """A file that kept some links only: the same jets have the same part of them after any selection."""
    make, _ = whole
    thinned = make()
    keep = np.random.default_rng(data.draw(st.integers(0, 5))).random(int(ak.sum(ak.num(thinned.JetPFCands)))) < 0.7
    mask = ak.unflatten(keep, ak.num(thinned.JetPFCands))
    thinned["JetPFCands"] = thinned.JetPFCands[mask]
    before = read(thinned)
    rows, jets = data.draw(selections([len(event) for event in before]))
    events = thinned[np.array(rows, np.int64)]
    events["Jet"] = events.Jet[ak.values_astype(ak.Array([*jets, [0]])[:-1], np.int64)]
    assert read(events) == [[before[row][jet] for jet in own] for row, own in zip(rows, jets, strict=True)]


@bounded
@given(
    layout=st.sampled_from(["pfnano", "pfnano_106x", "rows_per_jet", "cmssw_defaults", "jmepfnano", "nanoaod_v15"]),
    sizes=st.lists(st.lists(st.sampled_from([0, 1, 2, 30, 255, 256, 300]), max_size=6), min_size=1, max_size=5),
    shuffled=st.booleans(),
)
def test_any_number_of_constituents_in_any_order(layout: str, sizes: list[list[int]], shuffled: bool) -> None:
    """Counts beyond those that NanoAOD's nConstituents can hold, jets without any, events without jets."""
    plain = synthetic(sizes, seed=1)
    events = in_memory(_relaid(layout, synthetic(sizes, seed=1, shuffled=shuffled)))
    flat = flatten(events, constituents={"charged": QUANTITIES, "neutral": QUANTITIES})
    expected = jets_of(flatten(in_memory(plain), constituents={"charged": QUANTITIES, "neutral": QUANTITIES}))
    counted = [[len(jet["charged"]) + len(jet["neutral"]) for jet in event] for event in expected]
    assert counted == sizes
    np.testing.assert_array_equal(
        flat.flags, [Status.NO_CONSTITUENTS if size == 0 else 0 for event in sizes for size in event]
    )
    for event, other in zip(jets_of(flat), expected, strict=True):
        for jet, same in zip(event, other, strict=True):
            for part in ("charged", "neutral"):
                # In an order that the links do not decide: that of the candidates' table, or by falling pT.
                assert jet[part] == (sorted(same[part], reverse=True) if layout == "rows_per_jet" else same[part])


def _relaid(layout: str, tables: Tables) -> Tables:
    """The synthetic jets in a layout; weights are all 1, so that PUPPI and CHS jets are the same."""
    from tests.nano.generated import owned_rows, pfnano_106x, renamed_candidates, stored_weights

    if layout == "pfnano_106x":
        return pfnano_106x(tables)
    if layout == "rows_per_jet":
        return owned_rows(tables).without("PFCands")
    if layout == "cmssw_defaults":
        return tables.renamed("JetPFCands", "JetPFCands", pFCandsIdx="candIdx")
    if layout == "jmepfnano":
        return renamed_candidates("PFCand", "PFCandIdx")(tables)
    if layout == "nanoaod_v15":
        return renamed_candidates("PFCand", "pfCandIdx")(stored_weights(tables))
    return tables


def test_a_correction_between_does_no_harm(whole: Any) -> None:
    """pT has changed, eta and phi have not."""
    make, _ = whole
    corrector = mljec.MLJEC("pfn-r-lite")
    expected = corrector(make())
    events = make()
    events["Jet"] = corrector(events)
    order = ak.argsort(events.Jet.pt, ascending=True)
    events["Jet"] = events.Jet[order][:, :3]
    again = corrector(events)
    for name in ("pt", "pt_raw", "mljec_status"):
        np.testing.assert_array_equal(ak.flatten(again[name]), ak.flatten(expected[order][:, :3][name]), err_msg=name)


def test_two_jets_in_one_direction(tmp_path: Path, sample: Path) -> None:
    """Left alone they keep their constituents; once the event's jets are cut, nothing tells them apart: no
    constituents, and the others keep theirs."""
    tables = read_sample(sample)
    jet = {name: values.copy() for name, values in tables.tables["Jet"].items()}
    event = int(np.argmax(tables.counts["Jet"] > 3))
    first = tables.offsets("Jet")[event]
    for name in ("eta", "phi"):
        jet[name][first + 1] = jet[name][first]
    path = write(tables.with_table("Jet", jet, tables.counts["Jet"]), tmp_path / "twins.root")
    with open_nano(path) as nano:
        events = nano.events()
        origin = find_origin(JetChunk.of(events))
        assert origin is not None
        assert origin.unchanged
        assert origin.rows.tolist() == list(range(len(jet["pt"])))
        kept = ak.local_index(events.Jet.pt) != 2
        cut = ak.with_field(events, events.Jet[kept], "Jet")
        offsets = np.concatenate([[0], np.cumsum(ak.num(cut.Jet).to_numpy())])
        origin = find_origin(JetChunk.of(cut))
        assert origin is not None
        assert not origin.unchanged
        begin = offsets[event]
        assert origin.rows[begin : begin + 2].tolist() == [-1, -1]
        others = np.delete(np.arange(len(origin.rows)), [begin, begin + 1])
        expected = np.flatnonzero(ak.flatten(kept).to_numpy())
        np.testing.assert_array_equal(origin.rows[others], expected[others])


def test_jets_that_the_file_does_not_have_are_refused(whole: Any) -> None:
    events = whole[0]()
    turned = ak.with_field(events.Jet, -events.Jet.eta, "eta")
    events["Jet"] = turned[:, ::-1]
    with pytest.raises(JetsChangedError, match=r"are not among the Jet of the file, by eta and phi"):
        mljec.apply(events)


def test_events_that_cannot_be_told_apart_are_refused(tmp_path: Path, sample: Path) -> None:
    tables = read_sample(sample)
    numbers = {name: np.ones_like(tables.events[name]) for name in ("run", "luminosityBlock", "event")}
    same = {**tables.events, **numbers}
    path = write(Tables(same, tables.counts, tables.tables), tmp_path / "same.root")
    with open_nano(path) as nano:
        events = nano.events()[3:]
        np.testing.assert_array_equal(ak.num(mljec.apply(events)), ak.num(events.Jet))
        events["Jet"] = events.Jet[:, ::-1]
        with pytest.raises(JetsChangedError, match=r"was cut or sorted before the correction.*cannot be read again"):
            mljec.apply(events)


def test_events_without_their_file_are_refused(whole: Any) -> None:
    """As they are after pickling, or when somebody built them."""
    events = whole[0]()
    events["Jet"] = events.Jet[:, 1:]
    with pytest.raises(JetsChangedError, match=r"cannot be read again.*dask mode, pickled events.*Correct first, then"):
        mljec.apply(ak.Array(events.layout, behavior=events.behavior))


@pytest.mark.parametrize("mode", ["eager", "virtual"])
@pytest.mark.parametrize("kind", ["TTree", "RNTuple", "Parquet"])
def test_every_format_and_mode(mode: str, kind: str, layout_events: Callable[..., Any]) -> None:
    expected = mljec.apply(layout_events("pfnano"))
    events = layout_events("pfnano", kind, mode)
    events.Jet = events.Jet[events.Jet.pt > 20]
    np.testing.assert_array_equal(ak.flatten(mljec.apply(events).pt), ak.flatten(expected.pt[expected.pt_orig > 20]))


def test_only_declared_branches_are_read_again(layout_events: Callable[..., Any]) -> None:
    log: list[Any] = []
    events = layout_events("pfnano", access_log=log)
    corrector = mljec.MLJEC("pfn-r-lite")
    declared = set(corrector.required_branches(events))
    events["Jet"] = events.Jet[:, ::-1]
    corrector(events)
    assert {entry.branch for entry in log} <= declared
    # Events selected as well: the numbers of the events are needed beside.
    events = layout_events("pfnano", access_log=log)[2:]
    events["Jet"] = events.Jet[:, ::-1]
    corrector(events)
    assert {entry.branch for entry in log} - declared <= {"run", "luminosityBlock", "event"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_dask_refuses_what_it_cannot_find_again(layout_events: Callable[..., Any]) -> None:
    pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    events = layout_events("pfnano", mode="dask")
    events["Jet"] = events.Jet[events.Jet.pt > 20]
    with pytest.raises(JetsChangedError, match=r"was cut or sorted before the correction.*Correct first, then cut"):
        mljec.apply(events).pt.compute()


def test_masked_option_and_union_jets_are_refused_with_the_remedy(whole: Any) -> None:
    events = whole[0]()
    jets = events.Jet
    for changed in (ak.mask(jets, jets.pt > 30), ak.pad_none(jets, 8)):
        events["Jet"] = changed
        with pytest.raises(InputError, match=r"must be a plain jagged array.*Remove missing values \(ak.drop_none\)"):
            mljec.apply(events)
    events["Jet"] = ak.drop_none(ak.mask(jets, jets.pt > 30))
    assert ak.all(ak.num(mljec.apply(events)) == ak.sum(jets.pt > 30, axis=1))
    other = ak.zip({"pt": jets.pt, "eta": jets.eta, "phi": jets.phi, "mass": jets.mass, "tag": jets.pt})
    events["Jet"] = ak.concatenate([jets[:, :1], other[:, 1:]], axis=1)
    with pytest.raises((InputError, LookupError), match=r"plain jagged array|rawFactor"):
        mljec.apply(events)


def test_masked_events(whole: Any) -> None:
    make, before = whole
    events = make()
    assert read(events[events.event % 2 == 0]) == [
        own for own, number in zip(before, make().event, strict=True) if number % 2 == 0
    ]
    assert read(events[3:7]) == before[3:7]
    assert read(events[[5, 1]]) == [before[5], before[1]]
