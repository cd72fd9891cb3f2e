"""What every test may use: the real files, if they are here, and NanoEvents of a file with the schema that it needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec import models
from coffea_mljec.payloads import correctionlib_json, level_files, resolution_files, uncertainty_files

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--faults``: run the tests marked ``faults``, and no others."""
    parser.addoption("--faults", action="store_true", help="run the tests marked faults, and no others")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no worker of xdist waits at the end for another one's long file."""
    wanted = [(item.get_closest_marker("faults") is not None) == config.getoption("--faults") for item in items]
    config.hook.pytest_deselected(items=[item for item, so in zip(items, wanted, strict=True) if not so])
    items[:] = [item for item, so in zip(items, wanted, strict=True) if so]
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def real_data() -> Iterator[Path]:
    """Folder with the public CMS files (``nano/``, ``jec/``, ``models/``); without it the test skips, visibly.

    The last of its payloads is parsed once: the text of 15 to 30 MB takes a second, and tests read it piece by piece.
    """
    where = os.environ.get("MLJEC_REAL_DATA")
    folder = Path(where) if where else ROOT.parent / "shared" / "data"
    if not (folder / "nano").is_dir():
        pytest.skip(f"no real CMS files: neither MLJEC_REAL_DATA nor {ROOT.parent / 'shared' / 'data'} leads to them")
    parse = correctionlib_json.load
    kept = lru_cache(maxsize=1)(parse)

    def load(path: Path) -> dict[str, Any]:
        return kept(path) if folder in path.parents else parse(path)

    with pytest.MonkeyPatch.context() as patch:
        for module in (correctionlib_json, resolution_files, uncertainty_files):
            patch.setattr(module, "load", load)
        yield folder


@pytest.fixture(scope="session")
def sample() -> Path:
    """The simulated sample that comes with the package, in the PFNano layout."""
    return ROOT / "coffea_mljec" / "data" / "mljec_sample.root"


@pytest.fixture(scope="session")
def sample_jec() -> list[Path]:
    """The standard correction of that sample, one text file a level."""
    return level_files(ROOT / "coffea_mljec" / "data" / "jec", "AK4PFchs")


@pytest.fixture(scope="session")
def mean_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with the mean of a bundled network and one like it, whose head is a little off."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'coffea-mljec[train]'")
    from training.learning.ensemble import ensemble

    folder = tmp_path_factory.mktemp("mean")
    model = models.open_model("pfn-r-lite")
    graph = onnx.load_from_string(model.graph)
    (weight,) = (constant for constant in graph.graph.initializer if constant.name == "output.weight")
    weight.CopyFrom(onnx.numpy_helper.from_array(1.1 * onnx.numpy_helper.to_array(weight), weight.name))
    fields = model.card.model_dump(mode="json") | {"name": "like-it"}
    models.write_folder(folder / "like-it", graph.SerializeToString(), fields)
    return ensemble(
        [ROOT / "coffea_mljec" / "models" / "bundled" / "pfn-r-lite", folder / "like-it"], folder / "mean", "mean"
    )


@pytest.fixture(scope="session")
def open_nano() -> Callable[..., Any]:
    """``open_nano(path, mode="virtual", **options)``: NanoEvents with PFNanoAODSchema where the file has candidates."""

    def open_it(path: str | os.PathLike[str], mode: str = "virtual", treename: str = "Events", **options: Any) -> Any:
        import uproot
        from coffea.nanoevents import NanoAODSchema, NanoEventsFactory, PFNanoAODSchema

        with uproot.open(path) as file:
            names = set(file[treename].keys())
        schema = PFNanoAODSchema if names & {"nPFCands", "nPFCand"} else NanoAODSchema
        return NanoEventsFactory.from_root({str(path): treename}, schemaclass=schema, mode=mode, **options).events()

    return open_it
