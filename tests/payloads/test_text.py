"""Text payloads: right files are read as coffea and correctionlib read them, damaged ones are refused."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.payloads import Payload, level_files, read_json, read_text

L1 = "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-(z/y)*[0]*x) Correction L1FastJet}"
L2 = "{1 JetEta 1 JetPt [0]+[1]*log10(x) Correction L2Relative}"
L2_ROWS = "-5.0 0.0 4 8 3000 1.1 0.01\n0.0 5.0 4 8 3000 1.2 0.02\n"
PREFIX, ALGORITHM = "Toy1_V1_MC", "AK4PFchs"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text payload and return its path."""

    def write_it(level: str, text: str, prefix: str = PREFIX, algorithm: str = ALGORITHM) -> Path:
        path = tmp_path / f"{prefix}_{level}_{algorithm}.jec.txt"
        path.write_text(text)
        return path

    return write_it


def jets(n: int, seed: int = 7) -> dict[str, np.ndarray]:
    """Random jets over the whole range."""
    rng = np.random.default_rng(seed)
    return {
        "pt_raw": np.exp(rng.uniform(np.log(8), np.log(4000), n)),
        "eta": rng.uniform(-5.19, 5.19, n),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "area": rng.uniform(0.3, 0.7, n),
        "rho": rng.uniform(0, 70, n),
    }


def coffea_factor(paths: list[Path], columns: dict[str, np.ndarray]) -> np.ndarray:
    """Evaluate with coffea's own tools."""
    from coffea.jetmet_tools import FactorizedJetCorrector
    from coffea.lookup_tools import extractor

    extract = extractor()
    extract.add_weight_sets([f"* * {path}" for path in paths])
    extract.finalize()
    evaluator = extract.make_evaluator()
    corrector = FactorizedJetCorrector(**{name: evaluator[name] for name in evaluator.keys()})  # noqa: SIM118 (no __iter__)
    ours = {"JetPt": "pt_raw", "JetEta": "eta", "JetPhi": "phi", "JetA": "area", "Rho": "rho"}
    return np.asarray(corrector.getCorrection(**{name: columns[ours[name]] for name in corrector.signature}))


# --- right files


def test_levels_are_applied_in_the_standard_order_whatever_the_order_of_the_files(write: Write) -> None:
    paths = [
        write("L2L3Residual", L2.replace("L2Relative", "L2L3Residual") + "\n" + L2_ROWS),
        write("L2Relative", f"{L2}\n{L2_ROWS}"),
        write("L1FastJet", f"{L1}\n-5 5 7 0 200 8 3000 0 10 1.0\n"),
    ]
    payload = read_text(paths)
    assert payload.levels == ("L1FastJet", "L2Relative", "L2L3Residual")
    assert payload.inputs == ("pt_raw", "eta", "area", "rho")
    got, valid = payload.evaluate({"pt_raw": [50.0], "eta": [1.0], "area": [0.5], "rho": [20.0]})
    first = 1 - 0.5 / 50 * 20
    second = 1.2 + 0.02 * np.log10(50 * first)
    third = 1.2 + 0.02 * np.log10(50 * first * second)
    assert valid.all()
    np.testing.assert_allclose(got, [first * second * third], rtol=1e-15)


def test_variables_are_clamped_to_the_range_of_their_row(write: Write) -> None:
    payload = read_text([write("L2Relative", f"{L2}\n{L2_ROWS}")])
    got, _ = payload.evaluate({"pt_raw": [1.0, 8.0, 3000.0, 9000.0], "eta": np.ones(4)})
    assert got[0] == got[1]
    assert got[2] == got[3]


def test_comments_blank_lines_tabs_and_unsorted_rows_are_fine(write: Write) -> None:
    rows = L2_ROWS.splitlines()
    plain = read_text([write("L2Relative", f"{L2}\n{L2_ROWS}")])
    text = f"# made by hand\n\n  {L2}  \n{rows[1]}\n# a comment\n\n{rows[0].replace(' ', chr(9))}\n\n"
    other = read_text([write("L2Relative", text)])
    columns = jets(100)
    np.testing.assert_array_equal(other.evaluate(columns)[0], plain.evaluate(columns)[0])


@pytest.mark.parametrize("end", [".jec.txt", ".txt", ".jec.txt.gz", ".txt.gz"])
def test_plain_and_gzipped(tmp_path: Path, end: str) -> None:
    path = tmp_path / f"{PREFIX}_L2Relative_{ALGORITHM}{end}"
    text = f"{L2}\n{L2_ROWS}".encode()
    path.write_bytes(gzip.compress(text) if end.endswith("gz") else text)
    assert read_text([str(path)]).levels == ("L2Relative",)


def test_tag_algorithm_and_kind_come_from_the_name(write: Write) -> None:
    payload = read_text([write("L2Relative", f"{L2}\n{L2_ROWS}", "Summer19UL17_RunB_V5_DATA", "AK8PFPuppi")])
    assert (payload.tag, payload.algorithm, payload.is_data) == ("Summer19UL17_RunB_V5_DATA", "AK8PFPuppi", True)


def test_bins_in_two_quantities(write: Write) -> None:
    header = "{2 JetEta JetPt 1 JetPt [0]*x/100 Correction L2Relative}"
    rows = ["-5 0 0 50 3 0 1e4 1", "-5 0 50 6500 3 0 1e4 2", "0 5 0 20 3 0 1e4 3", "0 5 20 6500 3 0 1e4 4"]
    payload = read_text([write("L2Relative", "\n".join([header, *rows, ""]))])
    pt = np.array([30.0, 60.0, 10.0, 30.0, 7000.0])
    got, valid = payload.evaluate({"pt_raw": pt, "eta": np.array([-1.0, -1.0, 1.0, 1.0, 1.0])})
    # the last jet lies beyond the bins in pT: the level counts as 1, as in CMSSW and coffea
    np.testing.assert_allclose(100 * got / pt, [1, 2, 3, 4, 1 / 70], rtol=1e-14)
    assert valid.all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("-5 -1 4 8 3000 1.1 0\n1 5 4 8 3000 1.2 0\n", r"line 3: no bin of JetEta from -1 to 1 \(line 2 ends there\)"),
        ("-5 5 4 8 3000 1_0 0\n", r"line 2: '1_0' is not a number"),
        ("8 3000 4 -5 5 1.1 0\n", r"line 2: 8 to 3000 cannot be a range of JetEta: are two quantities swapped"),
        ("-5 5 4 -8 3000 1.1 0\n", r"line 2: -8 to 3000 cannot be a range of JetPt"),
    ],
)
def test_rows_that_a_correction_cannot_have(write: Write, rows: str, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        read_text([write("L2Relative", f"{L2}\n{rows}")])


def test_a_missing_interior_row_of_an_inner_axis(write: Write) -> None:
    header = "{2 JetEta JetPt 1 JetPt [0] Correction L2Relative}"
    bins = [(eta, low, high) for eta in (-5, 0) for low, high in ((8, 20), (20, 50), (50, 100))]
    rows = [f"{eta} {eta + 5} {low} {high} 3 8 3000 1" for eta, low, high in bins]
    read_text([write("L2Relative", "\n".join([header, *rows]) + "\n")])
    with pytest.raises(PayloadError, match="line 6: no bin of JetPt from 20 to 50"):
        read_text([write("L2Relative", "\n".join([header, *rows[:4], *rows[5:]]) + "\n")])
    twice = "{2 JetEta JetEta 1 JetPt [0] Correction L2Relative}"
    with pytest.raises(PayloadError, match=r"binned quantities that come twice \(JetEta, JetEta\)"):
        read_text([write("L2Relative", "\n".join([twice, *rows]) + "\n")])
    with pytest.raises(PayloadError, match="no number"):
        read_text(
            [write("L2Relative", "{" + "1" * 5000 + " JetEta 1 JetPt [0] Correction L2Relative}\n" + rows[0] + "\n")]
        )


def test_equals_coffea_on_a_synthetic_correction(write: Write) -> None:
    paths = [
        write("L1FastJet", f"{L1}\n-5.25 5.25 7 0 200 8 3000 0 10 0.5\n"),
        write(
            "L2Relative",
            "{2 JetEta JetPt 1 JetPt max(0.0001,((x<30)*([0]))+((x>=30)*([1]+exp(-[2]*log(x))))) "
            "Correction L2Relative}\n"
            + "".join(
                f"{low} {low + 1.75} {a} {b} 5 10 4000 1.25 1.125 {c}\n"
                for low in np.arange(-5.25, 5, 1.75)
                for a, b, c in ((0, 64, 0.5), (64, 6500, 0.75))
            ),
        ),
    ]
    columns = jets(20_000)
    got, valid = read_text(paths).evaluate(columns)
    assert valid.all()
    np.testing.assert_allclose(got, coffea_factor(paths, columns), rtol=1e-12)


# --- real files


def txt(real_data: Path, stem: str, levels: tuple[str, ...], rest: str) -> list[Path]:
    return [real_data / "jec" / "txt" / f"{stem}_{level}_{rest}" for level in levels]


SUMMER22_LEVELS = ("L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual")
SUMMER22 = ("Summer22_22Sep2023_V3_MC", SUMMER22_LEVELS, "AK4PFPuppi.jec.txt.gz")
SUMMER19 = ("Summer19UL18_V5_MC", ("L1FastJet", "L2Relative"), "AK4PFchs.jec.txt")


def test_real_text_and_json_of_one_correction_are_equal(real_data: Path) -> None:
    columns = jets(100_000)
    text, valid = read_text(txt(real_data, *SUMMER22)).evaluate(columns)
    payload = read_json(real_data / "jec" / "2022_Summer22_jet_jerc.json.gz", SUMMER22[0], "AK4PFPuppi")
    assert valid.all()
    assert payload.levels == SUMMER22[1]
    np.testing.assert_allclose(text, payload.evaluate(columns)[0], rtol=1e-6)  # the JSON's parameters have 8 digits


@pytest.mark.parametrize("files", [SUMMER22, SUMMER19])
def test_real_files_equal_coffea(real_data: Path, files: tuple[str, tuple[str, ...], str]) -> None:
    paths = txt(real_data, *files)
    columns = jets(20_000)
    got, valid = read_text(paths).evaluate(columns)
    assert valid.all()
    # coffea keeps parameters in 32 bits: near the floor of L1 (0.0001) that is 1e-4 of the factor, < 1e-6 of raw pT
    np.testing.assert_allclose(got, coffea_factor(paths, columns), rtol=1e-6, atol=1e-6)


def test_coffea_differs_by_its_32_bit_parameters(real_data: Path) -> None:
    paths = txt(real_data, *SUMMER19)
    columns = jets(20_000)
    payload = read_text(paths)
    tables: Any = payload.stack
    for table in tables:
        for array in (table.parameters, table.ranges):
            array[:] = array.astype(np.float32)
    rounded, _ = Payload(tables, payload.tag, payload.algorithm).evaluate(columns)
    np.testing.assert_allclose(rounded, coffea_factor(paths, columns), rtol=1e-10)


def test_real_file_that_is_no_level(real_data: Path) -> None:
    folder = real_data / "jec" / "txt"
    for name, what in (
        ("Summer22_22Sep2023_V3_MC_UncertaintySources_AK4PFPuppi.junc.txt.gz", "uncertainty sources"),
        ("Summer22_22Sep2023_JRV1_MC_PtResolution_AK4PFPuppi.jr.txt.gz", "a resolution"),
        ("Summer22_22Sep2023_JRV1_MC_SF_AK4PFPuppi.jersf.txt.gz", "resolution scale factors"),
    ):
        with pytest.raises(PayloadError, match=f"{name} holds {what}, not a level"):
            read_text([folder / name])


def test_every_cut_of_a_real_file_is_noticed(real_data: Path, tmp_path: Path) -> None:
    (source,) = txt(real_data, SUMMER19[0], ("L2Relative",), SUMMER19[2])
    text = source.read_text().rstrip() + "\n"
    path = tmp_path / source.name
    for length in [*range(0, len(text) - 1, 97), *range(len(text) - 80, len(text))]:
        path.write_text(text[:length])
        with pytest.raises(PayloadError, match=path.name):
            read_text([path])
    path.write_text(text)
    assert read_text([path]).levels == ("L2Relative",)


# --- wrong files


def refused(path: Path, message: str) -> None:
    with pytest.raises(PayloadError, match=message) as caught:
        read_text([path])
    error: BaseException | None = caught.value
    assert path.name in str(error)
    while error is not None:  # coffea's skipbadfiles swallows an OSError anywhere in the chain, and drops the chunk
        assert not isinstance(error, OSError)
        error = error.__cause__


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: expected a header"),
        ("\n# only a comment\n", "is empty: expected a header"),
        (f"{L2}\n", "ends after its header, line 1: expected rows"),
        (f"{L2[:-1]}\n{L2_ROWS}", "line 1: no braces in the header"),
        (L2_ROWS, "line 1: no braces in the header"),
        ("{}\n", r"no number \(1 to 4\) of binned quantities"),
        ("{JetEta 1 JetPt 1 Correction L2Relative}\n", r"no number \(1 to 4\) of binned quantities"),
        ("{2 JetEta}\n", "1 of 2 binned quantities"),
        ("{1 JetEta JetPt [0] Correction L2Relative}\n", r"no number \(1 to 4\) of variables"),
        ("{1 JetEta 2 JetPt}\n", "1 of 2 variables"),
        ("{1 JetEta 1 JetPt [0] Correction}\n", "2 of the 3 last words"),
        ("{1 JetEtaa 1 JetPt [0] Correction L2Relative}\n", r"binned quantities JetEtaa \(known: JetPt, JetEta"),
        ("{1 JetEta 1 Pt [0] Correction L2Relative}\n", "unknown variables Pt"),
        ('{1 JetEta 1 JetPt "" Resolution L2Relative}\n', "'Resolution' instead of 'Correction'"),
        (f"{L2.replace('log10(x)', 'log10(x')}\n{L2_ROWS}", r"line 1: cannot read the formula.*expected '\)'"),
        (f"{L2.replace('log10', 'system')}\n{L2_ROWS}", "line 1: cannot read the formula.*known function"),
        (f"{L2.replace('log10(x)', 'y')}\n{L2_ROWS}", "a formula of 2 variables, but only 1 named"),
        (f"{L2}\n{L2_ROWS}0.0 5.0 4 8 3000 1.2\n", "line 4: 3 numbers follow the bin, expected 4 as the row says"),
        (f"{L2}\n{L2_ROWS}5.0\n", "line 4: 1 numbers, expected at least 7"),
        (f"{L2}\n-5 5 3 8 3000 1.1\n", "line 2: 3 numbers follow the bin, expected at least 4: the range of JetPt"),
        (f"{L2}\n-5 0 4 8 3000 1 0\n0 5 5 8 3000 1 0 0\n", "line 3: 8 numbers, but 7 in line 2: expected as many"),
        (f"{L2}\n{L2_ROWS.replace('1.2', '1..2')}", "line 3: '1..2' is not a number"),
        (f"{L2}\n{L2_ROWS.replace('1.2', 'nan')}", "line 3: 'nan' is not finite"),
        (f"{L2}\n{L2_ROWS.replace('0.02', '1e999')}", "line 3: '1e999' is not finite"),
        (f"{L2}\n{L2_ROWS.rstrip()}", "line 3: the file ends in the middle of a line"),
        (f"{L2}\n-5 -5 4 8 3000 1 0\n", "line 2: the range of JetEta, -5 to -5, is not ascending"),
        (f"{L2}\n-5 5 4 3000 8 1 0\n", "line 2: the range of JetPt, 3000 to 8, is not ascending"),
        (f"{L2}\n-5 1 4 8 3000 1 0\n0 5 4 8 3000 1 0\n", "line 3: the bin of JetEta, 0 to 5, overlaps .*line 2"),
        (f"{L2}\n-5 5 4 8 3000 1 0\n-5 5 4 8 3000 2 0\n", "lines 2 and 3 are for the same bin"),
        (f"{L2}\n{L2_ROWS.splitlines()[0]}\n", "line 2: the bins of JetEta end at 0 but begin at -5"),
    ],
)  # fmt: skip
def test_damaged_files(write: Write, text: str, message: str) -> None:
    refused(write("L2Relative", text), message)


def test_every_message_ends_with_a_remedy(write: Write) -> None:
    path = write("L2Relative", f"{L2}\n-5 5 4 8\n")
    refused(path, r"copy the whole file again \(from the JERC group's JECDatabase\)$")


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("L2Relativ", "unknown level 'L2Relativ', expected one of L1FastJet"),
        ("L5Flavor", "unknown level 'L5Flavor'"),
        ("UncertaintySources", "holds uncertainty sources, not a level"),
        ("SF", "holds resolution scale factors, not a level"),
    ],
)
def test_files_that_are_no_level(write: Write, level: str, message: str) -> None:
    refused(write(level, f"{L2}\n{L2_ROWS}"), message)


@pytest.mark.parametrize(
    "name", ["jec.txt", "L2Relative.txt", "Toy1_V1_L2Relative_AK4PFchs.txt", "Toy1_MC_L2Relative.txt"]
)
def test_names_that_do_not_say_what_the_file_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(f"{L2}\n{L2_ROWS}")
    refused(path, "a JEC file's name says what it is for, expected .*keep the original name")


@pytest.mark.parametrize("other", [{"prefix": "Toy1_V2_MC"}, {"prefix": "Toy1_V1_DATA"}, {"algorithm": "AK8PFPuppi"}])
def test_levels_of_different_corrections_are_not_mixed(write: Write, other: dict[str, str]) -> None:
    first = write("L1FastJet", f"{L1}\n-5 5 7 0 200 8 3000 0 10 1.0\n")
    second = write("L2Relative", f"{L2}\n{L2_ROWS}", **other)
    with pytest.raises(PayloadError, match=f"{second.name} is for .*{first.name} for {PREFIX} {ALGORITHM}: levels"):
        read_text([first, second])


def test_a_step_is_given_once(write: Write) -> None:
    path = write("L2Relative", f"{L2}\n{L2_ROWS}")
    with pytest.raises(PayloadError, match=r"both step 2 of the sequence \(L2Relative, L2Relative\): give one file"):
        read_text([path, path])
    row = "-5 5 7 0 200 8 3000 0 10 1.0\n"
    with pytest.raises(PayloadError, match=r"both step 1 of the sequence \(L1FastJet, L1RC\)"):
        read_text([write("L1FastJet", f"{L1}\n{row}"), write("L1RC", f"{L1}\n{row}")])


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / f"{PREFIX}_L2Relative_{ALGORITHM}.jec.txt.gz"
    refused(path, "no such payload")
    whole = gzip.compress(f"{L2}\n{L2_ROWS}".encode())
    path.write_bytes(whole[:-12])
    refused(path, "the gzip stream is cut short")
    path.write_bytes(whole[:12] + b"\xff" * 20)
    refused(path, "cannot read|cut short")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(200)))
    refused(path, "is not a text file")
    path.unlink()
    path.mkdir()
    refused(path, "is no plain file")


def test_paths_must_be_a_sequence(tmp_path: Path) -> None:
    for paths in ("one.txt", tmp_path / "one.txt", []):
        with pytest.raises(InputError, match="expected a sequence of JEC text files"):
            read_text(paths)  # type: ignore[arg-type]


def test_reading_warns_of_nothing(write: Write) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        payload = read_text([write("L2Relative", f"{L2}\n{L2_ROWS}")])
        payload.evaluate({"pt_raw": [0.0, -1.0, np.nan, 1e300], "eta": np.zeros(4)})


def test_a_folder_may_hold_the_corrections_of_several_algorithms(write: Write, tmp_path: Path) -> None:
    assert level_files(tmp_path) == level_files(tmp_path / "nowhere") == []
    chs = [write("L1FastJet", L1), write("L2Relative", L2)]
    write("MLClosure", L2, prefix="Toy1-network_V1_MC")
    (tmp_path / f"{PREFIX}_PtResolution_{ALGORITHM}.jr.txt").write_text("")
    assert level_files(tmp_path) == level_files(tmp_path, ALGORITHM) == chs
    with pytest.raises(InputError, match=r"has no correction for AK4PFPuppi jets, only for AK4PFchs"):
        level_files(tmp_path, "AK4PFPuppi")
    puppi = [write("L2Relative", L2, algorithm="AK4PFPuppi")]
    assert (level_files(tmp_path, ALGORITHM), level_files(tmp_path, "AK4PFPuppi")) == (chs, puppi)
    with pytest.raises(InputError, match=r"has corrections for AK4PFPuppi and AK4PFchs jets: say which algorithm"):
        level_files(tmp_path)
