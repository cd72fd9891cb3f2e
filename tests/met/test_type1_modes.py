"""Type-1 MET in every mode and chunking: the same numbers, from the branches that it declares."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec import Type1MET
from coffea_mljec.errors import InputError
from tests.met.plain import Payloads, column

Nano = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("warn_again")


def test_modes_agree_and_read_what_they_declare(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    propagation = Type1MET(toys.varied())
    paths = [("pt",), ("phi",), ("mljec_status",), *(("MET_UnclusteredEnergy", way, "pt") for way in ("up", "down"))]
    paths += [(name, way, "pt") for name in ("JER", "JES_Scale", "JES_Flavour") for way in ("up", "down")]
    eager = propagation.apply(open_nano(nano(), mode="eager"))
    log: list[Any] = []
    events = open_nano(nano(), access_log=log)
    declared = set(propagation.required_branches(events))
    virtual = propagation.apply(events)
    before = {one.branch for one in log}
    assert not any("Unclustered" in name for name in before), "variations wait until they are read"
    for path in paths:
        np.testing.assert_array_equal(column(virtual, *path), column(eager, *path))
    assert before < {one.branch for one in log} == declared
    pickled = pickle.loads(pickle.dumps(propagation)).apply(open_nano(nano()))
    np.testing.assert_array_equal(column(pickled.JER.up.pt), column(eager.JER.up.pt))


@pytest.mark.filterwarnings("ignore")
def test_dask_gives_the_same_and_reads_what_it_declares(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    dask_awkward = pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    corrector = toys.varied()
    propagation = Type1MET(corrector)
    eager = propagation.apply(open_nano(nano(), mode="eager"))
    events = open_nano(nano(), mode="dask")
    met = propagation.apply(events)
    (touched,) = dask_awkward.necessary_columns(met.pt).values()
    assert set(touched) == set(propagation.required_branches(events))
    assert met.fields == eager.fields
    computed = met.compute()
    given = propagation.apply(events, jets=corrector.apply(events))
    events.PuppiMET = met
    kept = events[events.event > 0].PuppiMET.compute()
    for one in (computed, given.compute(), kept):
        for path in (("pt",), ("phi",), ("pt_orig",), ("JER", "up", "pt"), ("MET_UnclusteredEnergy", "down", "phi")):
            np.testing.assert_array_equal(column(one, *path), column(eager, *path))
    assert computed.layout.form.type == eager.layout.form.type
    with pytest.raises(InputError, match="events are a dask collection and jets are not"):
        propagation.apply(events, jets=corrector.apply(open_nano(nano())))
    with pytest.raises(InputError, match="lack pt_raw, mljec_status, JER"):
        propagation.apply(events, jets=events.Jet)


@pytest.mark.filterwarnings("ignore")
def test_dask_has_payloads_in_one_task_of_many(toys: Payloads, nano: Nano) -> None:
    """They are some megabytes: not once a chunk."""
    pytest.importorskip("dask_awkward", reason="dask mode needs dask-awkward ([dask-awkward])")
    import cloudpickle
    from coffea.nanoevents import NanoAODSchema, NanoEventsFactory

    steps = [[start, start + 5] for start in range(0, 40, 5)]
    files = {str(nano()): {"object_path": "Events", "steps": steps}}
    events = NanoEventsFactory.from_root(files, schemaclass=NanoAODSchema, mode="dask").events()
    corrector = toys.varied()
    met = Type1MET(corrector).apply(events, jets=corrector.apply(events))
    tasks = [cloudpickle.dumps(task) for task in met.__dask_graph__().to_dict().values()]
    with_payloads = [task for task in tasks if b"coffea_mljec.payloads" in task]
    assert len(tasks) > 3 * len(steps)
    assert len(with_payloads) == 2, "jets and MET"


def test_any_chunking_gives_the_same(toys: Payloads, nano: Nano, open_nano: Any) -> None:
    propagation = Type1MET(toys.varied(), smeared=True)
    whole = propagation.apply(open_nano(nano()))
    edges = [0, 1, 1, 8, 33, len(whole)]
    parts = [
        propagation.apply(open_nano(nano(), entry_start=start, entry_stop=stop) if stop > start else
                          open_nano(nano())[:0])
        for start, stop in pairwise(edges)
    ]  # fmt: skip
    for path in (("pt",), ("phi",), ("JER", "up", "pt"), ("JES_Scale", "down", "phi"), ("mljec_status",)):
        np.testing.assert_array_equal(np.concatenate([column(one, *path) for one in parts]), column(whole, *path))
    mask = column(whole.pt) > 40
    cut = propagation.apply(open_nano(nano())[mask])
    np.testing.assert_array_equal(column(cut.JER.up.pt), column(whole.JER.up.pt)[mask])
    unclustered = [column(one.MET_UnclusteredEnergy.up.pt) for one in (cut, whole)]
    np.testing.assert_array_equal(unclustered[0], unclustered[1][mask])
