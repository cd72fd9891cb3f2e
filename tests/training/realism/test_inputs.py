"""The bundled sample beside itself, and beside a copy whose tracks were spoilt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from coffea_mljec.errors import InputError
from coffea_mljec.features import CATALOGUE, FEATURE_SETS
from training.realism.inputs import GROSS, PROBABILITIES, compare_inputs

EVENTS = 60  # of the bundled sample
SCALARS = ("run", "luminosityBlock", "event", "PV_x", "PV_y", "PV_z", "PV_npvsGood", "fixedGridRhoFastjetAll")
TABLES = ("Jet", "PFCands", "JetPFCands", "SV", "JetSVs")

Columns = dict[str, ak.Array]


def by_name(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["collection"], row["name"]): row for row in rows}


def columns_of(sample: Path) -> Columns:
    """What the features need of the first events."""
    with uproot.open(sample) as file:
        arrays = file["Events"].arrays(entry_stop=EVENTS)
    return {name: arrays[name] for name in arrays.fields if name in SCALARS or name.split("_")[0] in TABLES}


def write(path: Path, columns: Columns) -> Path:
    tables: dict[str, Columns] = {}
    for name, column in columns.items():
        table, _, field = name.partition("_")
        if name not in SCALARS:
            tables.setdefault(table, {})[field] = column
    with uproot.recreate(path) as file:
        data = {name: columns[name] for name in SCALARS} | {t: ak.zip(fields) for t, fields in tables.items()}
        file.mktree("Events", {name: array.type for name, array in data.items()}).extend(data)
    return path


@pytest.fixture(scope="module")
def columns(sample: Path) -> Columns:
    return columns_of(sample)


@pytest.fixture(scope="module")
def few(columns: Columns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("few") / "few.root", columns)


def test_a_sample_is_like_itself(few: Path) -> None:
    rows = compare_inputs(few, [few], limit=EVENTS)
    names = [(row["collection"], row["name"]) for row in rows]
    ours = {(c, name) for features in FEATURE_SETS.values() for c, own in features.names().items() for name in own}
    assert names == [(c, n) for c, features in CATALOGUE.items() for n in features if (c, n) in ours] + [
        ("count", collection) for collection in ("charged", "neutral", "sv")
    ]
    for row in rows:
        assert row["distance"] == pytest.approx(0.0, abs=1e-6), row["name"]
        assert 0.0 <= row["expected"] < 1.0
        assert row["reference"] == pytest.approx(row["simulation"])
        assert row["reference_mean"] == pytest.approx(row["simulation_mean"], rel=1e-5, abs=1e-6)
        assert row["gross"] is False


def test_what_was_spoilt_is_gross(few: Path, columns: Columns, tmp_path: Path) -> None:
    """Every track in a vertex fit, and impact parameters five times as large."""
    d0 = columns["PFCands_d0"]
    spoilt = columns | {
        "PFCands_d0": ak.values_astype(ak.where(columns["PFCands_d0Err"] > 0, 5.0 * d0, d0), np.float32),
        "PFCands_pvAssocQuality": ak.full_like(columns["PFCands_pvAssocQuality"], 7),
    }
    rows = by_name(compare_inputs(few, [write(tmp_path / "spoilt.root", spoilt)], limit=EVENTS))
    assert rows["charged", "pv_assoc_7"]["gross"] is True
    assert rows["charged", "pv_assoc_7"]["simulation_mean"] == pytest.approx(1.0)
    assert rows["charged", "pv_assoc_7"]["reference_mean"] < 0.9
    significance = rows["charged", "dxy_sig"]
    assert significance["distance"] > significance["expected"]
    assert significance["simulation"][3] > 2.0 * significance["reference"][3] > 0.0
    for name in ("pt", "rel_eta", "norm_chi2", "id_211"):
        assert rows["charged", name]["gross"] is False
        assert rows["charged", name]["distance"] < GROSS
    assert len(significance["reference"]) == len(PROBABILITIES)


def test_the_spectrum_is_that_of_the_reference(few: Path, columns: Columns, tmp_path: Path) -> None:
    """A reference with constituents for hard jets only has hard jets only; the simulation follows."""
    raw = columns["Jet_pt"] * (1.0 - columns["Jet_rawFactor"])
    kept = raw[columns["JetPFCands_jetIdx"]] > 60.0
    links = {name: column[kept] for name, column in columns.items() if name.startswith("JetPFCands_")}
    rows = by_name(compare_inputs(write(tmp_path / "hard.root", columns | links), [few], limit=EVENTS))
    assert rows["jet", "pt"]["reference"][0] > 60.0
    assert rows["jet", "pt"]["simulation"][0] > 60.0
    assert not rows["jet", "pt"]["gross"]


def test_features_that_the_reference_lacks_have_no_verdict(real_data: Path, few: Path) -> None:
    rows = by_name(compare_inputs(real_data / "nano" / "pfnano_ul17_mc.root", [few], limit=EVENTS))
    hits = rows["charged", "n_hits"]
    assert (hits["reference"], hits["distance"], hits["gross"]) == (None, None, False)
    assert rows["charged", "dxy"]["distance"] > 0.0


def test_bad_input(few: Path, real_data: Path) -> None:
    with pytest.raises(InputError, match="limit must be at least one event, got 0"):
        compare_inputs(few, [few], limit=0)
    with pytest.raises(InputError, match="supplies no feature set with constituents"):
        compare_inputs(real_data / "nano" / "nanoaod_v12_tt_mc.root", [few], limit=5)


def test_jets_without_a_flavour_are_refused(few: Path, columns: Columns, tmp_path: Path) -> None:
    path = write(tmp_path / "data.root", {n: c for n, c in columns.items() if n != "Jet_hadronFlavour"})
    with pytest.raises(InputError, match="no Jet_hadronFlavour"):
        compare_inputs(path, [few], limit=5)


def test_jets_unlike_any_other_are_refused(columns: Columns, tmp_path: Path) -> None:
    rho = columns["fixedGridRhoFastjetAll"]
    quiet = write(tmp_path / "quiet.root", columns | {"fixedGridRhoFastjetAll": ak.full_like(rho, 1.0)})
    busy = write(tmp_path / "busy.root", columns | {"fixedGridRhoFastjetAll": ak.full_like(rho, 60.0)})
    with pytest.raises(InputError, match=r"none of \d+ simulated jets is like the reference's \d+ in pT"):
        compare_inputs(quiet, [busy], limit=EVENTS)
