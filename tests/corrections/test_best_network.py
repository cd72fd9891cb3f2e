"""`MLJEC()` without a model: the best network that a file can feed, one for all files of a data set."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import awkward as ak
import cloudpickle
import numpy as np
import pytest
from coffea import processor

import coffea_mljec as mljec
from coffea_mljec import MissingBranchWarning, Status, defaults, models, workers
from coffea_mljec.corrections import best_network
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import open_nano
from coffea_mljec.payloads import read_text
from coffea_mljec.support.fingerprint import fingerprint
from tests.models import toy
from tests.nano.generated import write_layout

HERE = processor.IterativeExecutor(status=False, retries=0)
POOR = {"jet": ("pt", "eta"), "charged": ("eta", "pt"), "neutral": ("rel_pt",)}

pytestmark = pytest.mark.filterwarnings("ignore::coffea_mljec.MissingBranchWarning")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Networks as they may be ranked: one that reads tracks, one that reads momenta alone, one for PUPPI jets."""
    to = tmp_path_factory.mktemp("networks")
    return {
        "rich": str(toy.write(to / "rich", name="rich")),
        "poor": str(toy.write(to / "poor", offset=0.2, name="poor", features=POOR)),
        "puppi": str(toy.write(to / "puppi", offset=0.3, name="puppi", features=POOR, algorithm="AK4PFPuppi")),
    }


@pytest.fixture
def ranked(monkeypatch: pytest.MonkeyPatch, folders: dict[str, str]) -> dict[str, str]:
    monkeypatch.setattr(defaults, "NETWORKS", tuple(folders.values()))
    best_network._said.clear()
    return folders


@pytest.fixture(scope="module")
def files(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    to = tmp_path_factory.mktemp("files")
    names = ("pfnano", "nanox", "nano", "nanoaod_v15", "pfnano_run3")
    return {name: str(write_layout(name, sample, to)) for name in names}


def flat(values: Any) -> np.ndarray:
    return ak.to_numpy(ak.flatten(values))


def pt(provider: Any, file: str, mode: str = "virtual") -> np.ndarray:
    with open_nano(file) as nano:
        jets = provider.apply(nano.events(mode=mode))
        return flat(jets["pt"].compute() if mode == "dask" else jets["pt"])


def raw(file: str) -> np.ndarray:
    with open_nano(file) as nano:
        jets = nano.events().Jet
        return flat(jets.pt * (1 - jets.rawFactor))


class Corrected:
    """The jets' pT, file by file."""

    def __init__(self, corrector: Any = None) -> None:
        self.corrector = corrector

    def __call__(self, events: Any) -> dict[str, list[float]]:
        jets = mljec.apply(events) if self.corrector is None else self.corrector.apply(events)
        return {Path(events.metadata["filename"]).name: flat(jets.pt).tolist()}


def test_the_bundled_ranking() -> None:
    """All are bundled and correct jets, the default is the best, and none reads all that one before it reads."""
    cards = models.bundled()
    assert defaults.NETWORKS[0] == defaults.MODEL
    assert all(cards[name].corrects for name in defaults.NETWORKS)
    for place, name in enumerate(defaults.NETWORKS):
        for better in defaults.NETWORKS[:place]:
            if cards[better].algorithm == cards[name].algorithm:
                less, more = (
                    {(c, q) for c, names in cards[one].feature_set.constituent_quantities.items() for q in names}
                    for one in (name, better)
                )
                assert less < more


@pytest.mark.parametrize(
    ("file", "expected"),
    [("pfnano", "rich"), ("nanox", "poor"), ("nanoaod_v15", "puppi"), ("pfnano_run3", "puppi")],
)
def test_what_a_file_gets(ranked: Any, files: dict[str, str], file: str, expected: str) -> None:
    """In every mode the jets of the network that is named; PUPPI jets never one for CHS, whatever it could be fed."""
    named = mljec.MLJEC(ranked[expected])
    with open_nano(files[file]) as nano:
        decided = mljec.MLJEC().decided(nano.events(0, 0))
        assert mljec.MLJEC().required_branches(nano.events()) == named.required_branches(nano.events())
        assert np.array_equal(flat(mljec.apply(nano.events()).pt), pt(named, files[file]))
    assert (decided.name, fingerprint(decided)) == (expected, fingerprint(named))
    for mode in ("eager", "virtual", "dask"):
        assert np.array_equal(pt(mljec.MLJEC(), files[file], mode), pt(named, files[file])), mode
    assert not np.allclose(pt(named, files[file]), raw(files[file]))


def test_it_says_which(ranked: Any, files: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="coffea_mljec")
    for _ in range(2):
        pt(mljec.MLJEC(), files["pfnano"])
    assert [record.getMessage() for record in caplog.records] == ["MLJEC() takes 'rich' for Jet"]
    with pytest.warns(
        MissingBranchWarning, match=r"^MLJEC\(\) takes 'poor' for Jet: 'rich' needs cpf_d0, which the file"
    ):
        pt(mljec.MLJEC(), files["nanox"])


def test_files_that_disagree_in_one_process(ranked: Any, files: dict[str, str]) -> None:
    """Whichever comes first; what runs on both is named. Copies remember nothing, and another data set is another."""
    for first, second in (("pfnano", "nanox"), ("nanox", "pfnano")):
        corrector = mljec.MLJEC()
        before = fingerprint(corrector)
        pt(corrector, files[first])
        with pytest.raises(
            InputError,
            match=rf"{first}\w*\.root got '\w+' where .*{second}\w*\.root would get '\w+'\. Name .* MLJEC\('poor'\)",
        ):
            pt(corrector, files[second])
        assert fingerprint(corrector) == before
        pt(cloudpickle.loads(cloudpickle.dumps(corrector)), files[second])
        with open_nano(files[second]) as nano:
            corrector.apply(nano.events(metadata={"dataset": "other"}))


@pytest.mark.parametrize("corrector", ["kept", "made for each call"])
def test_the_first_file_of_a_data_set_decides(ranked: Any, files: dict[str, str], corrector: str) -> None:
    def process(dataset: dict[str, list[str]]) -> Any:
        given = mljec.MLJEC() if corrector == "kept" else None
        return workers.run(HERE, dataset, Corrected(given), chunk_size=5).result

    poor = mljec.MLJEC(ranked["poor"])
    rich, lacking = files["pfnano"], files["nanox"]
    found = process({"a": [lacking, rich], "b": [files["nanoaod_v15"]]})
    for file, named in ((lacking, poor), (rich, poor), (files["nanoaod_v15"], mljec.MLJEC(ranked["puppi"]))):
        assert np.array_equal(np.sort(found[Path(file).name]), np.sort(pt(named, file)))
    with pytest.raises(
        InputError,
        match=r"nanox\w*\.root, entries 0 to \d+.*: All files of a data set get one network, and .*pfnano\w*\.root, "
        r"its first, chose 'rich'\. This file cannot feed it: .*cpf_d0.*Name one .* MLJEC\('poor'\)",
    ):
        process({"a": [rich, lacking]})
    with pytest.raises(InputError, match=r"It is for AK4PFchs, and the Jet of this file are other jets"):
        process({"a": [rich, files["pfnano_run3"]]})


def test_a_file_that_can_feed_none(ranked: Any, files: dict[str, str], sample_jec: list[Path]) -> None:
    with pytest.raises(
        MissingBranchError,
        match=r"no bundled network can be fed by the Jet of this file\. What lacks least: model 'poor' needs the "
        r"particle-flow candidates of Jet.*and the standard path",
    ):
        pt(mljec.MLJEC(), files["nano"])
    standard = mljec.FactorizedJEC.from_txt(sample_jec)
    with open_nano(files["nano"]) as nano:
        jets = mljec.MLJEC(fallback=standard).apply(nano.events())
        assert np.array_equal(flat(jets.pt), flat(standard.apply(nano.events()).pt))
    assert ak.all((jets.mljec_status & int(Status.NO_CONSTITUENTS)) != 0)


def test_jets_that_no_network_is_for(ranked: Any, files: dict[str, str]) -> None:
    with (
        open_nano(files["pfnano"]) as nano,
        pytest.raises(
            InputError,
            match=r"no bundled network is for the jets of FatJet of this file: there are rich \(AK4PFchs\), poor ",
        ),
    ):
        mljec.MLJEC().apply(nano.events(), "FatJet")


def test_what_depends_on_the_file_is_not_told_before(ranked: Any) -> None:
    corrector = mljec.MLJEC()
    assert (corrector.name, corrector.algorithm) == ("mljec", None)
    for attribute in ("model", "card", "feature_names"):
        with pytest.raises(
            InputError, match=r"no model was named.*decided\(events\), or name one of rich, poor, puppi"
        ):
            getattr(corrector, attribute)


def test_payloads_choose_the_network_whose_jets_they_were_measured_on(sample: Path) -> None:
    (path,) = (sample.parent / "closures").glob("MLJECSim-jet-bdt_*_MLClosure_AK4PFchs.jec.txt")
    corrector = mljec.MLJEC(closure=read_text([path]))
    assert (corrector.name, corrector.card.name) == ("jet-bdt", "jet-bdt")
