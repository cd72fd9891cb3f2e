"""Cases of the whole fuzzer that once failed, and how they end now."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import awkward as ak
import cramjam
import pytest
import uproot

from coffea_mljec.errors import DamagedFileError
from coffea_mljec.nano.opening import reading
from tests.fuzz.case import Case, Mutation
from tests.fuzz.runner import judged, quiet
from tests.fuzz.targets.changes import apply_change
from tests.fuzz.world import corrector, in_memory, tables_of

pytest.importorskip("onnx", reason="the fuzzer writes graphs")
pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


def events(layout: str, corrector: str, mutations: list[Mutation], via: str = "memory", method: str = "apply") -> Case:
    setup = {
        "layout": layout, "corrector": corrector, "collection": "Jet", "via": via, "mode": "eager", "skim": False,
        "method": method,
    }  # fmt: skip
    return Case("events", setup, mutations)


@pytest.mark.parametrize("eta", ["-3e38", "-inf", "nan"])
def test_a_vertex_that_is_nowhere(eta: str) -> None:
    """It may have been any jet's of its event, where no link tells."""
    assert judged(events("rows_per_jet", "context", [["set", "SV", "eta", 0, eta]])).kind == "flagged"


def test_a_candidate_of_another_jet() -> None:
    assert judged(events("pfnano", "context", [["u_exchange", "JetPFCands", "jetIdx"]])).kind in ("flagged", "right")


def test_a_column_that_only_the_network_reads_in_dask_mode() -> None:
    """The fallback takes the jets: the network must not read what nobody has brought."""
    case = events("pfnano", "pfn+standard", [["drop_column", "PFCands", "d0"]], "dask", "correction")
    assert judged(case).kind == "flagged"


def test_events_in_lists() -> None:
    case = events("jmepfnano", "pnet", [["u_event", "event", "jagged"], ["u_events", "mask_option"]])
    outcome = judged(case)
    assert outcome.kind == "clear error"
    assert "events must be" in outcome.detail or "some events are missing" in outcome.detail


def test_a_card_without_jet_features() -> None:
    outcome = judged(Case("models", {"base": "edge", "digest renewed": True}, [["card_del", ["features", "jet"]]]))
    assert (outcome.kind, "takes jet features" in outcome.detail) == ("clear error", True)


def test_a_path_longer_than_a_name_can_be() -> None:
    outcome = judged(Case("commands", {"base": "verify"}, [["replace", 1, "DIGITS"]]))
    assert (outcome.kind, "expected a model folder" in outcome.detail) == ("clear error", True)


def test_a_branch_whose_description_is_damaged() -> None:
    """uproot says which key of its own classes it lacks."""
    with (
        pytest.raises(DamagedFileError, match=r"nano\.root is damaged: a column of it cannot be read"),
        reading("nano.root"),
    ):
        raise uproot.KeyInFileError("fTitle", file_path="nano.root")


@pytest.mark.parametrize("unpack", [zlib.decompress, cramjam.zstd.decompress])
def test_a_column_whose_compressed_bytes_are_damaged(unpack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DamagedFileError, match="a column of it cannot be read"), reading("nano.root"):
        unpack(b"no compressed bytes")


def test_links_of_unsigned_numbers_in_dask_mode() -> None:
    """coffea fails on them, on a worker."""
    outcome = judged(events("pfnano", "pfn+standard", [["cast", "JetPFCands", "jetIdx", "uint64"]], "dask"))
    assert (outcome.kind, "cannot read JetPFCands_jetIdx in dask mode" in outcome.detail) == ("clear error", True)


def test_variations_of_a_type_alone() -> None:
    """What dask-awkward and others make of a function of events: types go in, and types come out."""
    given, collection = apply_change(in_memory(tables_of("pfnano")), "Jet", ["u_events", "packed"])
    tracer = ak.Array(given.layout.to_typetracer(), behavior=given.behavior)
    found = dict(corrector("pfn+standard").variations(tracer, collection))
    assert ak.backend(found["nominal"]) == "typetracer"
    assert "pt_raw" in found["nominal"].fields
