"""What no payload can say is refused when it is read, or not valid where it is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coffea_mljec.errors import PayloadError
from coffea_mljec.payloads import (
    read_resolution_text,
    read_scale_factor_text,
    read_text,
    read_uncertainties_text,
)
from coffea_mljec.payloads.bounds import within

TAG = "Toy1_V1_MC"
L1 = "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-(z/y)*[0]*x) Correction L1FastJet}"
L1_ROW = "-5 5 7 0 70 8 500 0 10 0.6"
SOURCE = '{1 JetEta 1 JetPt "" Correction JECSource}'

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(level: str, *lines: str) -> Path:
        path = tmp_path / f"{TAG}_{level}_AK4PFchs.txt"
        path.write_text("\n".join(lines) + "\n")
        return path

    return written


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ("JetPt Rho JetA", r"JetPt ends at 70, too low for it"),
        ("Rho JetA JetPt", r"8 to 500 cannot be a range of JetA"),
        ("JetA JetPt Rho", r"Rho ends at 10, too low for it: are two quantities exchanged"),
    ],
)
def test_exchanged_variables(write: Write, variables: str, message: str) -> None:
    read_text([write("L1FastJet", L1, L1_ROW)])
    with pytest.raises(PayloadError, match=message):
        read_text([write("L1FastJet", L1.replace("Rho JetPt JetA", variables), L1_ROW)])


def test_a_factor_that_no_ordinary_jet_has(write: Write) -> None:
    """Ranges alone do not tell pT up to 500 GeV from rho up to 200 GeV."""
    row = L1_ROW.replace("0 70", "0 200")
    swapped = L1.replace("Rho JetPt", "JetPt Rho")
    with pytest.raises(PayloadError, match=r"it gives an ordinary jet \(.*pt_raw 100.*\) a factor of 0.0001, expected"):
        read_text([write("L1FastJet", swapped, row)])
    with pytest.raises(PayloadError, match=r"it gives an ordinary jet .* a factor of 1e\+38, expected 0.2 to 5"):
        read_text([write("L2Relative", "{1 JetEta 1 JetPt [0] Correction L2Relative}", "-5 5 3 8 3000 1e38")])


def test_words_after_the_last(write: Write) -> None:
    with pytest.raises(PayloadError, match=r"'L1FastJet' after the last word in the header"):
        read_text([write("L1FastJet", L1.replace("}", " L1FastJet}"), L1_ROW)])


@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_missing_rows_at_the_ends_of_an_inner_axis(write: Write, which: int) -> None:
    header = "{2 JetEta JetPt 1 JetPt [0] Correction L2Relative}"
    rows = [f"{e} {e + 5} {lo} {hi} 3 8 3000 1" for e in (-5, 0) for lo, hi in ((8, 200), (200, 3000))]
    read_text([write("L2Relative", header, *rows)])
    del rows[which]
    with pytest.raises(
        PayloadError, match=r"line \d: the bins of JetPt (begin|end) at 200 here and at (8|3000) elsewhere"
    ):
        read_text([write("L2Relative", header, *rows)])


def test_a_resolution_without_some_bins_of_rho(write: Write) -> None:
    """As a few files of 2016 are: the bin beside the gap is not stretched over it, the outermost are."""
    rows = ["-5 0 0 20 3 8 3000 0.1", "-5 0 20 40 3 8 3000 0.2", "0 5 0 20 3 8 3000 0.3"]
    resolution = read_resolution_text(write("PtResolution", "{2 JetEta Rho 1 JetPt [0] Resolution}", *rows))
    jets = {"pt": np.full(4, 50.0), "eta": np.array([-1.0, -1.0, 1.0, 1.0]), "rho": np.array([-3.0, 90.0, 10.0, 30.0])}
    value, valid = resolution.evaluate(jets)
    np.testing.assert_allclose(value, [0.1, 0.2, 0.3, np.nan])
    assert valid.tolist() == [True, True, True, False]


@pytest.mark.parametrize("number", ["1e38", "-1", "0", "11"])
def test_scale_factors(write: Write, number: str) -> None:
    header = "{1 JetEta 0 None ScaleFactor}"
    with pytest.raises(
        PayloadError, match=r"line 3: nominal, down, up are .*, expected scale factors above 0 and up to"
    ):
        read_scale_factor_text(write("SF", header, "-5 0 3 1.1 1.0 1.2", f"0 5 3 {number} 1.0 1.2"))


@pytest.mark.parametrize("number", ["1e38", "-1", "-1e38"])
def test_uncertainties(write: Write, number: str) -> None:
    rows = ["-5 0 6 10 0.03 0.03 100 0.02 0.02", f"0 5 6 10 0.03 0.03 100 0.02 {number}"]
    with pytest.raises(PayloadError, match=r"line 3: source jes shifts by .*expected shifts of -0.9 to 0.9"):
        read_uncertainties_text(write("Uncertainty", SOURCE, *rows))
    with pytest.raises(PayloadError, match=r"line 2: source jes .* at an impossible pT"):
        read_uncertainties_text(write("Uncertainty", SOURCE, "-5 5 6 10 0.03 0.03 1e38 0.02 0.02"))


def test_a_resolution_beyond_its_bounds_is_not_valid(write: Write) -> None:
    header, row = "{1 JetEta 1 JetPt [0]/x Resolution}", "-5 5 3 1 3000 10"
    value, valid = read_resolution_text(write("PtResolution", header, row)).evaluate(
        {"pt": [1.0, 50.0], "eta": [0.0] * 2}
    )
    np.testing.assert_allclose(value, [np.nan, 0.2])
    assert valid.tolist() == [False, True]


def test_bounds_exclude_the_lower_end_and_nan() -> None:
    assert within("scale factor", [0.0, 1e-9, 10.0, 10.1, np.nan, np.inf]).tolist() == [False, True, True, *[False] * 3]


def test_an_uncertainty_in_bins_of_something_else(write: Write) -> None:
    header = SOURCE.replace("JetEta", "JetPhi")
    with pytest.raises(
        PayloadError, match=r"a source in bins of JetPhi and points of JetPt, expected JetEta and JetPt"
    ):
        read_uncertainties_text(write("Uncertainty", header, "-3 3 6 10 0.03 0.03 100 0.02 0.02"))
