"""Trainings with several outputs, teachers and averaged weights, down to corrected jets."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from coffea_mljec import MLJEC, Network, Status
from coffea_mljec.errors import InputError
from coffea_mljec.models import open_folder, write_folder
from coffea_mljec.models.engines import ENGINES
from tests.training.learning.tiny import SMALL, tiny
from training.dataset.selection import NO_MASS
from training.evaluate.jets import read_evaluated_jets
from training.learning.export import export
from training.learning.further import further_columns

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")


@pytest.mark.parametrize(
    ("loss", "names", "architecture", "engine"),
    [
        ("quantiles", ("q50", "q16", "q84"), {}, "pfn"),
        ("gaussian", ("mu", "sigma"), {}, "pfn"),
        ("quantiles", ("q50", "q16", "q84"), {"pooling": ("sum", "pt")}, "pfn"),
    ],
)
def test_several_outputs_from_training_to_jets(
    tmp_path: Path,
    toy_training: Callable[..., Path],
    sample: Path,
    open_nano: Callable[..., Any],
    loss: str,
    names: tuple[str, ...],
    architecture: dict[str, Any],
    engine: str,
) -> None:
    shape = {"phi_candidate": (8, 8), "phi_vertex": (4,), "head": (16, 8), "momentum": 0.2} | architecture
    run = toy_training(tiny(tmp_path, architecture=shape, learning={"max_epochs": 12, "loss": loss}))
    model = open_folder(export(run, tmp_path / "model"))
    assert model.card.engine == engine
    assert tuple(output.name for output in model.card.outputs) == names
    events = open_nano(sample, entry_stop=60)
    network = Network(model)
    found = network.outputs(events)
    again = Network(_on(model, "onnx", tmp_path / "onnx")).outputs(events)
    for name in names:
        np.testing.assert_allclose(ak.flatten(found[name]), ak.flatten(again[name]), rtol=1e-5, atol=1e-6)
    jets = MLJEC(model).apply(events)
    applied = ak.to_numpy(ak.flatten(Status.APPLIED.of(jets)))
    assert applied.sum() > 50
    width = ak.to_numpy(ak.flatten(jets.pt_resolution))
    if loss == "gaussian":
        wanted, middle = ak.to_numpy(ak.flatten(found.sigma)), found.mu
    else:
        wanted, middle = 0.5 * np.log(ak.to_numpy(ak.flatten(found.q84 / found.q16))), found.q50
    np.testing.assert_allclose(width[applied], wanted[applied], rtol=1e-5)
    assert np.isnan(width[~applied]).all()
    assert 0.01 < np.median(width[applied]) < 1.0
    np.testing.assert_allclose(ak.flatten(jets.pt)[applied], ak.flatten(jets.pt_raw * middle)[applied], rtol=1e-5)
    # An evaluation reads the interval of the same jets.
    judged = read_evaluated_jets([sample], {"m": MLJEC(model)}, progress=False)
    low, high = judged.intervals["m"].T
    assert np.isfinite(low).mean() > 0.9
    assert (low[np.isfinite(low)] < high[np.isfinite(low)]).all()
    of_judged = np.sort(0.5 * np.log(high / low)[np.isfinite(low)])
    nearest = of_judged[np.searchsorted(of_judged, width[applied] - 2e-6).clip(max=len(of_judged) - 1)]
    assert (np.abs(nearest - width[applied]) < 4e-6).sum() > 30


def with_masses(jets: Any) -> Any:
    """The same jets; the mass of their generator jets is 1.3 times the raw one, and a fifth has none."""
    n = len(jets)
    mass = np.where(np.arange(n) % 5 == 0, NO_MASS, np.log(1.3)).astype(np.float32)
    return replace(jets, columns=jets.columns | {"target_mass": mass})


def test_a_mass_from_training_to_jets(
    tmp_path: Path,
    toy_jets: Callable[..., Any],
    sample: Path,
    open_nano: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.learning import train, training_data

    monkeypatch.setattr(training_data, "prepare", lambda *a, **k: with_masses(toy_jets(4000, feature_set=SMALL)))
    recipe = tiny(
        tmp_path, selection={"masses": ["mass"]},
        learning={"max_epochs": 12, "loss": "quantiles", "learning_rate": 1e-2},
    )  # fmt: skip
    model = open_folder(export(train.train(recipe, progress=False), tmp_path / "model"))
    (output,) = model.card.outputs[3:]
    assert (output.name, output.quantity, output.transform) == ("mass", "mass", "exp_times_raw")
    jets = MLJEC(model).apply(open_nano(sample, entry_stop=60))
    applied = Status.APPLIED.of(jets)
    mass, raw = (ak.to_numpy(ak.flatten(jets[name][applied])) for name in ("mass", "mass_raw"))
    massive = raw > 0.1
    assert massive.sum() > 50
    assert np.median(mass[massive] / raw[massive]) == pytest.approx(1.3, rel=0.1)


def test_what_a_jet_counts_where_masses_are_learnt(tmp_path: Path, toy_jets: Callable[..., Any]) -> None:
    jets = with_masses(toy_jets(500, feature_set=SMALL))
    recipe = tiny(tmp_path, selection={"masses": ["mass"]})
    assert (further_columns(jets, recipe, False)["weight_mass"] == 1.0).all()
    recipe = tiny(tmp_path, selection={"masses": ["mass"]}, learning={"mass_from": 40.0})
    with pytest.raises(InputError, match=r"mass_from 40: .* the features have no jet.mass. Add it"):
        further_columns(jets, recipe, False)
    names = {"jet": ("pt", "mass")}
    recipe = tiny(tmp_path, selection={"masses": ["mass"]}, learning={"mass_from": 40.0}, features=names)
    raw = np.array([0.0, 10.0, 40.0, 300.0], np.float32)
    few = replace(
        jets,
        features={"jet_features": np.stack([np.ones(4), raw], axis=1)},
        columns={name: values[:4] for name, values in jets.columns.items()},
    )
    assert further_columns(few, recipe, False)["weight_mass"].tolist() == [0.0, 0.25, 1.0, 1.0]


def test_masses_stand_alone_beside_a_correction(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"selection\.masses mass are learnt beside a correction alone"):
        tiny(tmp_path, selection={"masses": ["mass"]}, learning={"classes": {"quark": [1], "gluon": [21]}})
    with pytest.raises(ValueError, match="'mass' or 'msoftdrop'"):
        tiny(tmp_path, selection={"masses": ["width"]})


def _on(model: Any, engine: str, folder: Path) -> Path:
    assert engine in ENGINES
    fields = model.card.model_dump(exclude={"schema_version", "sha256", "members"}) | {"engine": engine}
    write_folder(folder, model.graph, fields)
    return folder


def test_weights_averaged_over_the_last_batches(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    """The mean moves less than the weights; a resumed training gives the same."""
    plain = toy_training(tiny(tmp_path, name="plain", learning={"max_epochs": 4}))
    mean = toy_training(tiny(tmp_path, name="mean", learning={"max_epochs": 4, "ema": 0.9}))
    toy_training(tiny(tmp_path, name="parts", learning={"max_epochs": 2, "ema": 0.9}))
    parts = toy_training(tiny(tmp_path, name="parts", learning={"max_epochs": 4, "ema": 0.9}), resume=True)
    arrays = []
    for folder in (plain, mean, parts):
        with np.load(folder / "network.npz") as weights:
            arrays.append({key: weights[key] for key in weights.files})
    assert set(arrays[0]) == set(arrays[1])
    assert not np.array_equal(arrays[0]["output.weight"], arrays[1]["output.weight"])
    for key, value in arrays[1].items():
        np.testing.assert_allclose(arrays[2][key], value, rtol=1e-5, atol=1e-7, err_msg=key)


def shifted(model: Path, by: float, folder: Path) -> Path:
    """The same model, whose logarithm of the correction is larger by so much."""
    import onnx
    from onnx import numpy_helper

    opened = open_folder(model)
    graph = onnx.load_from_string(opened.graph)
    bias = next(one for one in graph.graph.initializer if one.name == "output.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(by), bias.name))
    write_folder(folder, graph.SerializeToString(), opened.card.model_dump(exclude={"schema_version", "sha256"}))
    return folder


def test_a_pupil_learns_what_its_teachers_say(tmp_path: Path, toy_training: Callable[..., Path]) -> None:
    """Two teachers who are wrong by .5 and .7: so is the pupil, by .6; one of other features is refused."""
    learning = {"max_epochs": 15, "learning_rate": 1e-2}
    right = export(toy_training(tiny(tmp_path, name="teacher", learning=learning)), tmp_path / "right")
    teachers = [shifted(right, by, tmp_path / f"teacher{by}") for by in (0.5, 0.7)]
    learning |= {"teachers": teachers, "teachers_share": 1.0, "max_epochs": 25}
    pupil = toy_training(tiny(tmp_path, name="pupil", seed=8, learning=learning))
    metrics = json.loads((pupil / "run.json").read_text())["metrics"]
    assert metrics["val_loss"] == pytest.approx(0.6, abs=0.1)
    with (pupil / "metrics.csv").open() as file:
        assert min(float(row["val_loss"]) for row in csv.DictReader(file)) < 0.15
    other = {"jet": ("log_pt",), "charged": ("rel_pt",), "neutral": ("pt",)}
    with pytest.raises(InputError, match="teacher 'teacher' reads other features than the recipe 'other'"):
        toy_training(tiny(tmp_path, name="other", features=other, learning=learning))
    with pytest.raises(ValueError, match="with teachers_share 1 nothing teaches the other outputs of the loss 'gauss"):
        tiny(tmp_path, learning={"loss": "gaussian", "teachers": teachers, "teachers_share": 1.0})
    with pytest.raises(ValueError, match="teachers give a correction, and the loss 'cross-entropy' teaches none"):
        tiny(tmp_path, learning={"loss": "cross-entropy", "classes": {"a": [1], "b": [5]}, "teachers": teachers})


def test_teachers_leave_the_widths_to_the_truth() -> None:
    """Teachers move the median; what they say of every jet alike must not make the interval narrow."""
    from training.learning.losses import LOSSES, teachers_term

    loss, n = LOSSES["quantiles"], 4000
    target = torch.from_numpy(np.random.default_rng(3).normal(0.0, 0.1, n))
    weight, taught = torch.ones(n, dtype=torch.float64), torch.full((n,), 0.02, dtype=torch.float64)
    outputs = torch.tensor([0.0, -2.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([outputs], lr=0.02)
    for _ in range(1000):
        optimiser.zero_grad()
        predicted = outputs.expand(n, 3)
        (0.1 * loss(predicted, target, weight) + 0.9 * teachers_term(predicted, taught, weight)).backward()
        optimiser.step()
    median, low, high = outputs.detach().numpy()
    assert median == pytest.approx(0.02, abs=0.002)
    inside = (target > median - np.exp(low)) & (target < median + np.exp(high))
    assert inside.double().mean() == pytest.approx(0.68, abs=0.02)
