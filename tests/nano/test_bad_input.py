"""Broken or foreign files: a clear error, or a status where only some jets suffer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import detect, flatten, open_nano
from coffea_mljec.status import Status
from tests.factories import Tables, in_memory
from tests.nano.generated import synthetic

CANDIDATES = {"charged": ("pt",), "neutral": ("pt",)}
SIZES = [[4, 6, 3], [], [5, 8]]


@pytest.fixture
def tables() -> Tables:
    return synthetic(SIZES)


def links(tables: Tables, **columns: np.ndarray) -> Tables:
    return tables.with_columns("JetPFCands", **columns)


def flags(tables: Tables) -> list[int]:
    return flatten(in_memory(tables), constituents=CANDIDATES).flags.tolist()


def test_nothing_wrong(tables: Tables) -> None:
    assert flags(tables) == [0] * 5


def test_candidates_without_a_link_table(tables: Tables) -> None:
    with pytest.raises(MissingBranchError, match=r"looked for the tables PFCands, .* JetPFCands_jetIdx.*not have both"):
        flags(tables.without("JetPFCands"))


def test_links_without_candidates(tables: Tables) -> None:
    with pytest.raises(MissingBranchError, match=r"this call needs the particle-flow candidates of Jet: looked for"):
        flags(tables.without("PFCands"))


def test_a_link_table_for_other_candidates(tables: Tables) -> None:
    """An index field names its table; that another one is there does not help."""
    renamed = tables.renamed("JetPFCands", "JetPFCands", pFCandsIdx="pfCandIdx")
    with pytest.raises(MissingBranchError, match=r"looked for the tables PFCands, PFCand"):
        flags(renamed)


@pytest.mark.parametrize("index", [-1, -7, 13, 10_000])
def test_a_link_to_no_candidate_is_the_loss_of_one_jet(tables: Tables, index: int) -> None:
    changed = tables.tables["JetPFCands"]["pFCandsIdx"].copy()
    changed[5] = index  # of the second jet of the first event, which has 13 candidates
    assert flags(links(tables, pFCandsIdx=changed)) == [0, Status.INCOMPLETE_CONSTITUENTS, 0, 0, 0]


def test_a_jet_whose_links_all_lead_nowhere_has_constituents(tables: Tables) -> None:
    """They are lost, which is another thing than to have none."""
    changed = tables.tables["JetPFCands"]["pFCandsIdx"].copy()
    changed[:4] = -100  # of the first jet
    assert flags(links(tables, pFCandsIdx=changed)) == [Status.INCOMPLETE_CONSTITUENTS, 0, 0, 0, 0]


def test_a_candidate_table_shorter_than_its_links(tables: Tables) -> None:
    """The last event has lost its last two candidates, which were the last jet's."""
    counts = tables.counts["PFCands"].copy()
    counts[-1] -= 2
    short = {name: values[:-2] for name, values in tables.tables["PFCands"].items()}
    assert flags(tables.with_table("PFCands", short, counts)) == [0, 0, 0, 0, Status.INCOMPLETE_CONSTITUENTS]


def test_a_duplicated_link(tables: Tables) -> None:
    """Even of a candidate so soft that the sum would not tell."""
    soft = tables.tables["PFCands"]["pt"].copy()
    soft[0] = 1e-4
    changed = tables.with_columns("PFCands", pt=soft)
    column = tables.tables["JetPFCands"]
    counts = tables.counts["JetPFCands"].copy()
    counts[0] += 1
    twice = {name: np.concatenate([values[:1], values]) for name, values in column.items()}
    assert flags(changed)[0] & Status.INCOMPLETE_CONSTITUENTS  # one candidate is another than the jet was made of
    doubled = tables.with_table("JetPFCands", twice, counts)
    assert flags(doubled) == [Status.INCOMPLETE_CONSTITUENTS, 0, 0, 0, 0]


@pytest.mark.parametrize("jet", [3, 100])
def test_links_to_jets_that_the_file_does_not_have(tables: Tables, jet: int) -> None:
    """The jets are those of the file, so nobody cut them: the link is the file's mistake and its jet's loss."""
    changed = tables.tables["JetPFCands"]["jetIdx"].copy()
    changed[0] = jet
    assert flags(links(tables, jetIdx=changed)) == [Status.INCOMPLETE_CONSTITUENTS, 0, 0, 0, 0]


def test_links_to_no_jet_are_left_out(tables: Tables) -> None:
    changed = tables.tables["JetPFCands"]["jetIdx"].copy()
    changed[:4] = -1
    assert flags(links(tables, jetIdx=changed)) == [Status.NO_CONSTITUENTS, 0, 0, 0, 0]


def test_links_of_two_jets_exchanged_in_the_file(tables: Tables) -> None:
    """Constituents that point elsewhere are nobody's, where the jets are those of the file."""
    changed = tables.tables["JetPFCands"]["jetIdx"].copy()
    changed[:10] = [1] * 4 + [0] * 6
    assert flags(links(tables, jetIdx=changed)) == [Status.INCOMPLETE_CONSTITUENTS] * 2 + [0, 0, 0]


@pytest.mark.parametrize("name", ["eta", "phi"])
def test_jets_without_a_direction(tables: Tables, name: str) -> None:
    jet = {column: values for column, values in tables.tables["Jet"].items() if column != name}
    events = in_memory(tables.with_table("Jet", jet, tables.counts["Jet"]))
    with pytest.raises(MissingBranchError, match=rf"needs {name}: looked for Jet_{name}, and the file has none"):
        flatten(events, constituents=CANDIDATES)


@pytest.mark.parametrize("lacking", ["rawFactor", "mass"])
def test_nothing_works_on_jets_without_their_raw_momentum(tables: Tables, lacking: str) -> None:
    """Not even the standard path, which is what works where constituents lack."""
    jet = {column: values for column, values in tables.tables["Jet"].items() if column != lacking}
    events = in_memory(tables.with_table("Jet", jet, tables.counts["Jet"]))
    with pytest.raises(MissingBranchError, match=rf"Nothing corrects jets without Jet_{lacking}: keep all"):
        flatten(events, jet=("pt_raw", "mass_raw"), constituents=CANDIDATES)


def test_a_direction_that_is_no_number(tables: Tables) -> None:
    eta = tables.tables["Jet"]["eta"].copy()
    eta[1] = np.nan
    found = flags(tables.with_columns("Jet", eta=eta))
    assert found[1] & Status.BAD_INPUT
    assert [found[jet] for jet in (0, 2, 3, 4)] == [0] * 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["pt", "eta", "phi"])
def test_a_constituent_that_is_no_number_is_the_loss_of_one_jet(tables: Tables, name: str, value: float) -> None:
    column = tables.tables["PFCands"][name].copy()
    column[5] = value  # of the second jet of the first event
    assert flags(tables.with_columns("PFCands", **{name: column})) == [0, Status.INCOMPLETE_CONSTITUENTS, 0, 0, 0]


@pytest.mark.parametrize("where", ["Jet", "PFCands", "JetPFCands"])
def test_option_types_are_refused(tables: Tables, where: str) -> None:
    events = in_memory(tables)
    events[where] = ak.mask(events[where], ak.local_index(events[where]) != 1)
    with pytest.raises(InputError, match=r"must be a plain jagged array.*drop_none"):
        flatten(events, constituents=CANDIDATES)


def test_nanoevents_of_a_file_without_nanoaods_names() -> None:
    events = ak.Array({"jet_pt": [[1.0]], "met": [2.0]})
    with pytest.raises(InputError, match=r"events must be NanoEvents with a collection 'Jet'; got fields jet_pt, met"):
        detect(events)


def test_a_parquet_file_without_nanoaods_names(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "other.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"pt": [1.0, 2.0], "eta": [0.0, 0.1]}), path)
    with (
        pytest.raises(MissingBranchError, match=r"other.parquet has not the columns of NanoAOD .* no branch run"),
        open_nano(path),
    ):
        pass


def test_a_parquet_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "cut.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"cut.parquet cannot be read as a Parquet file"), open_nano(path):
        pass
    with pytest.raises(InputError, match=r"no such file: .*nowhere.parquet"), open_nano(tmp_path / "nowhere.parquet"):
        pass


@pytest.mark.parametrize("kind", ["RNTuple", "Parquet"])
def test_no_dask_mode_where_coffea_has_none(kind: str, generated: Callable[..., Path]) -> None:
    with (
        open_nano(generated("pfnano", kind)) as nano,
        pytest.raises(InputError, match=rf"is (ROOT::)?{kind}, which coffea does not read in dask mode"),
    ):
        nano.events(mode="dask")


def test_ranges_of_every_format(generated: Callable[..., Path]) -> None:
    numbers: list[Any] = []
    uuids: set[str] = set()
    for kind in ("TTree", "RNTuple", "Parquet"):
        with open_nano(generated("pfnano", kind)) as nano:
            assert nano.kind.removeprefix("ROOT::") == kind
            assert nano.entries == 12
            uuids.add(nano.uuid)
            numbers.append(nano.events(3, 7).event.tolist())
    assert numbers[0] == numbers[1] == numbers[2]
    assert len(numbers[0]) == 4
    assert len(uuids) == 3


def test_no_jets_at_all() -> None:
    empty = synthetic([[], []])
    assert flags(empty) == []
