"""Payload: levels in sequence, which jets are valid, what columns it takes."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import Payload, read_text
from coffea_mljec.payloads import payload as payload_module
from coffea_mljec.payloads.payload import BLOCK, payload_content

TAG = "Toy1_V1_MC"


@pytest.fixture
def payload(tmp_path: Path) -> Payload:
    """L1 from rho and area, L2 that depends on pT and phi."""
    first = tmp_path / f"{TAG}_L1FastJet_AK4PFchs.txt"
    first.write_text("{1 JetEta 3 Rho JetPt JetA max(0.0001,1-x*z/y) Correction L1FastJet}\n-5 5 6 0 200 1 1000 0 10\n")
    second = tmp_path / f"{TAG}_L2Relative_AK4PFchs.txt"
    second.write_text(
        "{2 JetEta JetPhi 1 JetPt [0]+1/x Correction L2Relative}\n"
        "-5 5 -3.1416 0 3 1 1000 1.1\n-5 5 0 3.1416 3 1 1000 1.2\n"
    )
    return read_text([second, first])


def columns(n: int = 1) -> dict[str, np.ndarray]:
    return {
        "pt_raw": np.full(n, 50.0),
        "eta": np.zeros(n),
        "phi": np.ones(n),
        "area": np.full(n, 0.5),
        "rho": np.full(n, 20.0),
    }


def test_each_level_sees_the_pt_corrected_so_far(payload: Payload) -> None:
    factor, valid = payload.evaluate(columns())
    assert valid.all()
    np.testing.assert_allclose(factor, [(40 / 50) * (1.2 + 1 / 40)], rtol=1e-15)
    assert payload.levels == ("L1FastJet", "L2Relative")
    assert (payload.tag, payload.algorithm, payload.is_data) == (TAG, "AK4PFchs", False)
    assert payload.inputs == ("pt_raw", "eta", "phi", "area", "rho")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pt_raw", 0.0),
        ("pt_raw", -1.0),
        ("pt_raw", np.nan),
        ("pt_raw", np.inf),
        ("eta", 5.0),
        ("eta", -5.01),
        ("eta", np.nan),
        ("phi", np.nan),
        ("phi", 4.0),
        ("rho", np.nan),
        ("area", -np.inf),
    ],
)
def test_flags_jets_that_it_cannot_correct_and_no_others(payload: Payload, name: str, value: float) -> None:
    jets = columns(3)
    jets[name][1] = value
    factor, valid = payload.evaluate(jets)
    assert valid.tolist() == [True, False, True]
    assert np.isnan(factor[1])
    np.testing.assert_array_equal(factor[[0, 2]], payload.evaluate(columns(2))[0])


def test_phi_that_was_rounded_beyond_pi_keeps_its_bin(payload: Payload) -> None:
    # 12 bits of mantissa: the largest phi in NanoAOD is 6434 / 2048 > 3.1416, where payloads end
    jets = columns(4)
    jets["phi"][:] = [3.1, 6434 / 2048, -3.1, -6434 / 2048]
    factor, valid = payload.evaluate(jets)
    assert valid.all()
    assert factor[0] == factor[1] > factor[2] == factor[3]


def test_a_factor_that_is_not_positive_is_not_valid(tmp_path: Path) -> None:
    path = tmp_path / f"{TAG}_L2Relative_AK4PFchs.txt"
    path.write_text("{1 JetEta 1 JetPt log(x/60) Correction L2Relative}\n-5 5 2 1 1000\n")
    factor, valid = read_text([path]).evaluate({"pt_raw": np.array([200.0, 60.0, 50.0]), "eta": np.zeros(3)})
    assert valid.tolist() == [True, False, False]
    np.testing.assert_allclose(factor, [np.log(200 / 60), np.nan, np.nan])


@pytest.mark.parametrize("n", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_any_number_of_jets(payload: Payload, n: int) -> None:
    rng = np.random.default_rng(n)
    jets = columns(n)
    jets["pt_raw"] = rng.uniform(10, 500, n)
    factor, valid = payload.evaluate(jets)
    assert factor.shape == valid.shape == (n,)
    assert (factor.dtype, valid.dtype) == (np.float64, np.bool_)
    for i in range(0, n, 1000):
        assert factor[i] == payload.evaluate({name: column[i : i + 1] for name, column in jets.items()})[0][0]


def test_does_not_change_its_input_and_survives_pickling(payload: Payload) -> None:
    jets = {name: column.astype(np.float32) for name, column in columns(5).items()}
    jets["phi"][:] = 6434 / 2048
    before = {name: column.copy() for name, column in jets.items()}
    factor, _ = payload.evaluate(jets)
    again, _ = pickle.loads(pickle.dumps(payload)).evaluate(jets)
    np.testing.assert_array_equal(again, factor)
    for name, column in before.items():
        np.testing.assert_array_equal(jets[name], column)


def test_names_missing_columns(payload: Payload) -> None:
    jets = columns()
    del jets["rho"], jets["area"]
    with pytest.raises(InputError, match=f"{TAG} AK4PFchs needs the columns .*missing area, rho, got pt_raw, eta, phi"):
        payload.evaluate(jets)


def test_refuses_columns_of_other_shapes(payload: Payload) -> None:
    with pytest.raises(InputError, match=r"'rho' has shape \(1,\), pt_raw has \(3,\).*repeated"):
        payload.evaluate(columns(3) | {"rho": np.ones(1)})
    with pytest.raises(InputError, match=r"'eta' has shape \(1, 3\)"):
        payload.evaluate(columns(3) | {"eta": np.zeros((1, 3))})
    with pytest.raises(InputError, match="'eta' is not a flat array of numbers: flatten"):
        payload.evaluate(columns(2) | {"eta": [[1.0], [1.0, 2.0]]})


def test_files_without_end_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device, a pipe that nobody writes to, a small file that unpacks to a large one."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("pipe", "link"):
        with pytest.raises(PayloadError, match=rf"{name} is no plain file: copy it again"):
            payload_content(tmp_path / name, "copy it again")
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(1 << 20)))
    assert len(payload_content(tmp_path / "bomb.gz", "")) == 1 << 20
    monkeypatch.setattr(payload_module, "LARGEST", 10_000)
    with pytest.raises(PayloadError, match=r"bomb\.gz has more than 10,000 bytes, unpacked"):
        payload_content(tmp_path / "bomb.gz", "copy it again")
