"""Leptons, photons and missing momentum against plain loops over vectors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import vector

from training.simulate.batch import Jagged, RecoBatch
from training.simulate.prompt import missing_momentum, prompt_tables

from .fakes import random_batch


@pytest.fixture(scope="module")
def batch() -> RecoBatch:
    """Give a random batch in which some candidates and generator particles are leptons, photons and neutrinos."""
    made = random_batch(7, n_events=4, n_soft=120)
    rng = np.random.default_rng(1)
    candidates, gen = dict(made.candidates.columns), dict(made.gen.columns)
    number = candidates["pdgId"].copy()
    chosen = rng.choice(len(number), 200, replace=False)
    number[chosen] = rng.choice([11, -11, 13, -13, 22], 200)
    candidates["pdgId"] = number
    candidates["charge"] = np.where(number == 22, 0, -np.sign(number)) * (number != 130)
    candidates["pt"] = np.where(np.isin(np.arange(len(number)), chosen), 4.0 * candidates["pt"] + 3.0, candidates["pt"])
    candidates["pt"] = candidates["pt"].astype(np.float32)
    number = gen["pdgId"].copy()
    chosen = rng.choice(len(number), 150, replace=False)
    number[chosen] = rng.choice([11, -13, 12, -14, 16, 22], 150)
    gen["pdgId"] = number
    gen["pt"] = np.where(number == 211, 0.2, 4.0 * gen["pt"]).astype(np.float32)
    gen["pt"][np.flatnonzero(number == 22)[::7]] = 800.0  # harder than all around it
    return dataclasses.replace(
        made, candidates=Jagged(made.candidates.offsets, candidates), gen=Jagged(made.gen.offsets, gen)
    )


def _vectors(rows: Jagged, event: int) -> list[tuple[vector.MomentumObject4D, dict[str, float]]]:
    found = []
    for i in range(rows.offsets[event], rows.offsets[event + 1]):
        row = {name: float(column[i]) for name, column in rows.columns.items()}
        found.append((vector.obj(pt=row["pt"], eta=row["eta"], phi=row["phi"], mass=row["mass"]), row))
    return found


def test_missing_momentum_is_minus_the_sum(batch: RecoBatch) -> None:
    got = missing_momentum(batch)
    for event in range(len(batch.candidates)):
        total = sum((v for v, _ in _vectors(batch.candidates, event)), vector.obj(px=0.0, py=0.0, pz=0.0, E=0.0))
        invisible = [v for v, row in _vectors(batch.gen, event) if abs(row["pdgId"]) in (12, 14, 16)]
        neutrinos = sum(invisible, vector.obj(px=0.0, py=0.0, pz=0.0, E=0.0))
        for name, expected in (("RawMET", -total), ("GenMET", neutrinos)):
            x = got[f"{name}_pt"][event] * np.cos(got[f"{name}_phi"][event])
            y = got[f"{name}_pt"][event] * np.sin(got[f"{name}_phi"][event])
            np.testing.assert_allclose([x, y], [expected.px, expected.py], rtol=1e-5, atol=1e-4)
        scalar = sum(v.pt for v, _ in _vectors(batch.candidates, event))
        np.testing.assert_allclose(got["RawMET_sumEt"][event], scalar, rtol=1e-5)


@pytest.mark.parametrize(
    ("table", "number", "pt_min", "eta_max"),
    [("Electron", 11, 5.0, 2.5), ("Muon", 13, 3.0, 2.4), ("Photon", 22, 15.0, 2.5)],
)
def test_reconstructed_and_their_isolation(
    batch: RecoBatch, table: str, number: int, pt_min: float, eta_max: float
) -> None:
    got, checked = prompt_tables(batch)[table], 0
    for event in range(len(batch.candidates)):
        everyone = _vectors(batch.candidates, event)
        expected = []
        for k, (v, row) in enumerate(everyone):
            if abs(row["pdgId"]) != number or v.pt <= pt_min or abs(v.eta) >= eta_max:
                continue
            if row["charge"] != 0 and row["fromPV"] == 0:
                continue
            sums = {"own": 0.0, "neutral": 0.0, "pileup": 0.0}
            for j, (other, about) in enumerate(everyone):
                if j != k and v.deltaR(other) < 0.3:
                    kind = "neutral" if about["charge"] == 0 else "own" if about["fromPV"] != 0 else "pileup"
                    sums[kind] += other.pt
            expected.append((v.pt, (sums["own"] + max(0.0, sums["neutral"] - 0.5 * sums["pileup"])) / v.pt))
        expected.sort(key=lambda found: -found[0])
        rows = slice(got.offsets[event], got.offsets[event + 1])
        pairs = np.array(expected).reshape(-1, 2)
        np.testing.assert_allclose(got["pt"][rows], pairs[:, 0])
        np.testing.assert_allclose(got["pfRelIso03_all"][rows], pairs[:, 1], rtol=1e-5, atol=1e-6)
        checked += len(pairs)
    assert checked > 5


def test_dressed_leptons_and_isolated_photons(batch: RecoBatch) -> None:
    tables, leptons, photons = prompt_tables(batch), 0, 0
    for event in range(len(batch.gen)):
        everyone = _vectors(batch.gen, event)
        dressed = []
        for v, row in everyone:
            if abs(row["pdgId"]) in (11, 13) and v.pt > 5.0 and abs(v.eta) < 3.0:
                near = (p for p, about in everyone if about["pdgId"] == 22 and v.deltaR(p) < 0.1)
                dressed.append(sum(near, v))
        dressed.sort(key=lambda found: -found.pt)
        got = tables["GenDressedLepton"]
        rows = slice(got.offsets[event], got.offsets[event + 1])
        np.testing.assert_allclose(got["pt"][rows], [v.pt for v in dressed], rtol=1e-5)
        np.testing.assert_allclose(got["eta"][rows], [v.eta for v in dressed], rtol=1e-4, atol=1e-5)
        leptons += len(dressed)
        isolated = []
        for k, (v, row) in enumerate(everyone):
            if row["pdgId"] != 22 or v.pt <= 10.0 or abs(v.eta) >= 3.0:
                continue
            around = sum(
                p.pt for j, (p, about) in enumerate(everyone)
                if j != k and abs(about["pdgId"]) not in (12, 14, 16) and v.deltaR(p) < 0.3
            )  # fmt: skip
            if around < 0.1 * v.pt:
                isolated.append(v.pt)
        got = tables["GenIsolatedPhoton"]
        rows = slice(got.offsets[event], got.offsets[event + 1])
        np.testing.assert_allclose(got["pt"][rows], sorted(isolated, reverse=True), rtol=1e-6)
        photons += len(isolated)
    assert leptons > 5
    assert photons >= 1
