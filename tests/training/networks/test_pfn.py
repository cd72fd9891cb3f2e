"""The particle flow networks: sizes, jagged edge cases, standardisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.features import PFNANO, THESIS, FeatureSet

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from training.networks import ARCHITECTURES, Standardisation, Transform, fit_standardisation  # noqa: E402
from training.networks.layers import hold_norms, parameter_count  # noqa: E402
from training.networks.pfn import PFN  # noqa: E402


def neutral_network(name: str, features: FeatureSet) -> PFN:
    torch.manual_seed(3)
    return PFN(ARCHITECTURES[name], {c: Standardisation.neutral(c, names) for c, names in features.names().items()})


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: torch.from_numpy(values) for name, values in arrays.items()}


# reference/architecture.json of the project's founders: the totals that the thesis counts (total, trainable, the rest).
@pytest.mark.parametrize(
    ("name", "total", "trainable"), [("pfn-r-lite", 41_305, 40_249), ("pfn-r", 1_473_313, 1_467_105)]
)
def test_parameter_totals_are_those_of_the_thesis(name: str, total: int, trainable: int) -> None:
    network = neutral_network(name, THESIS)
    assert parameter_count(network) == total
    assert sum(p.numel() for p in network.parameters()) == trainable


def test_architectures_are_those_of_the_reference_file(reference: Any) -> None:
    for ours, theirs in (("pfn-r-lite", "PFN-r Lite"), ("pfn-r", "PFN-r")):
        layers = reference[theirs]
        assert (
            list(ARCHITECTURES[ours].phi("charged")) == list(ARCHITECTURES[ours].phi("neutral")) == layers["phi_cand"]
        )
        assert list(ARCHITECTURES[ours].phi("sv")) == layers["phi_sv"]
        assert list(ARCHITECTURES[ours].head) == layers["head"]
        assert ARCHITECTURES[ours].bias == layers["dense_bias"]


def test_layers_are_dense_batch_norm_relu() -> None:
    network = neutral_network("pfn-r-lite", PFNANO)
    kinds = [type(layer).__name__ for layer in network.phi["sv"]]
    assert kinds == ["Linear", "BatchNorm", "ReLU"] * 3
    assert all(layer.bias is None for block in (network.phi["sv"], network.head) for layer in list(block)[0::3])
    assert network.output.bias is not None


def test_initial_weights_are_he_normal() -> None:
    weights = list(neutral_network("pfn-r", THESIS).head)[3].weight.detach().numpy()  # 1024 -> 512
    assert weights.std() == pytest.approx(np.sqrt(2 / 1024), rel=0.01)
    assert abs(weights.mean()) < 1e-3


def assert_jets_are_alone(
    network: PFN, arrays: dict[str, np.ndarray], pool: Callable[[Any, str, np.ndarray], Any]
) -> None:
    """The network evaluated jet by jet, without any index, gives the same.

    ``pool(out, collection, rows)``: the sums over one jet's rows that enter the head.
    """
    with torch.no_grad():
        together = network(tensors(arrays)).numpy()
        for j in range(20):
            parts = []
            for c in network.collections:
                rows = arrays[f"{c}_features"][slice(*arrays[f"{c}_offsets"][j : j + 2])]
                parts += pool(network.phi[c](network.standardise[c](torch.from_numpy(rows))), c, rows)
            jet = network.standardise["jet"](torch.from_numpy(arrays["jet_features"][j : j + 1]))
            alone = network.output(network.head(torch.cat([*parts, jet], dim=1))).numpy()
            np.testing.assert_allclose(together[j], alone[0, 0], rtol=0, atol=2e-5)


def test_pooling_is_the_sum_over_each_jets_constituents(toy_jets: Callable[..., Any]) -> None:
    network = neutral_network("pfn-r-lite", PFNANO).eval()
    assert_jets_are_alone(network, toy_jets(20).features, lambda out, *_: [out.sum(dim=0, keepdim=True)])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_batches_without_constituents_pass(n: int, training: bool) -> None:
    network = neutral_network("pfn-r-lite", PFNANO).train(training)
    arrays: dict[str, np.ndarray] = {"jet_features": np.ones((n, len(PFNANO.jet)), np.float32)}
    for c in PFNANO.constituents:
        arrays[f"{c}_features"] = np.zeros((0, len(getattr(PFNANO, c))), np.float32)
        arrays[f"{c}_offsets"] = np.zeros(n + 1, np.int64)
    out = network(tensors(arrays))
    assert out.shape == (n,)
    assert torch.isfinite(out).all()
    out.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_a_collection_may_be_absent(toy_jets: Callable[..., Any]) -> None:
    features = FeatureSet(jet=("pt", "eta"), neutral=("pt", "rel_pt"))
    network = neutral_network("pfn-r-lite", features).eval()
    assert network.collections == ("neutral",)
    with torch.no_grad():
        assert network(tensors(toy_jets(6, feature_set=features).features)).shape == (6,)


def test_pooling_by_pt_weighs_with_the_share_of_the_jet(toy_jets: Callable[..., Any]) -> None:
    def pool(out: Any, c: str, rows: np.ndarray) -> list[Any]:
        share = torch.from_numpy(rows[:, getattr(PFNANO, c).index("rel_pt"), None])
        return [out.sum(dim=0, keepdim=True), (share * out).sum(dim=0, keepdim=True)]

    assert_jets_are_alone(neutral_network("pfn-m", PFNANO).eval(), toy_jets(20).features, pool)
    with pytest.raises(InputError, match="pooling by pt needs rel_pt among the features of neutral: add it"):
        neutral_network("pfn-m", FeatureSet(jet=("pt",), charged=("rel_pt",), neutral=("pt",)))


def test_dropout_is_of_the_head_and_of_the_training_alone(toy_jets: Callable[..., Any]) -> None:
    jets = toy_jets(200)
    batch = tensors(dict(jets.features))
    plain, thinned = (
        PFN(
            ARCHITECTURES["pfn-r-lite"].model_copy(update={"dropout": dropout}),
            {c: Standardisation.neutral(c, names) for c, names in jets.feature_set.names().items()},
        )
        for dropout in (0.0, 0.5)
    )
    thinned.load_state_dict(plain.state_dict())
    assert [block.dropout for block in thinned.phi.values()] == [0.0] * len(thinned.phi)
    with torch.no_grad():
        assert not torch.equal(thinned(batch), thinned(batch))
        # Statistics of the norms stay, and the zeros are drawn anew.
        hold_norms(thinned)
        before = {name: values.clone() for name, values in thinned.state_dict().items()}
        assert not torch.equal(thinned(batch), thinned(batch))
        assert all(torch.equal(values, before[name]) for name, values in thinned.state_dict().items())
        thinned.load_state_dict(plain.state_dict())
        assert torch.equal(thinned.eval()(batch), plain.eval()(batch))


def test_unknown_collection_and_missing_jet_features_are_refused() -> None:
    jet = Standardisation.neutral("jet", ("pt",))
    with pytest.raises(InputError, match=r"unknown collections \['muons'\]"):
        PFN(ARCHITECTURES["pfn-r-lite"], {"jet": jet, "muons": jet})
    with pytest.raises(InputError, match="at least one jet feature"):
        PFN(ARCHITECTURES["pfn-r-lite"], {"charged": Standardisation.neutral("charged", ("pt",))})


def test_standardisation_in_torch_equals_numpy() -> None:
    rng = np.random.default_rng(5)
    sample = rng.standard_cauchy((4000, 3)).astype(np.float32)
    transforms = {
        "dxy": Transform(kind="symlog", unit=0.01),
        "eta": Transform(),
        "pt": Transform(kind="symlog", unit=2.0),
    }
    fitted = fit_standardisation("charged", ("dxy", "eta", "pt"), sample, transforms)
    from training.networks.layers import Standardise

    got = Standardise(fitted)(torch.from_numpy(sample)).numpy()
    np.testing.assert_allclose(got, fitted(sample), rtol=2e-6, atol=2e-6)
    # By hand, one value: sign(x) log(1 + |x| / unit).
    x = float(sample[7, 0])
    by_hand = (np.sign(x) * np.log(1 + abs(x) / 0.01) - fitted.shift[0]) / fitted.scale[0]
    assert got[7, 0] == pytest.approx(by_hand, rel=1e-5)


def test_fit_is_robust_and_leaves_flags_alone() -> None:
    rng = np.random.default_rng(6)
    gauss = rng.normal(3.0, 2.0, 20_000)
    gauss[:20] = 1e6
    flag = (rng.random(20_000) < 0.1).astype(float)
    mostly_zero = np.where(rng.random(20_000) < 0.1, 4.0, 0.0)
    constant = np.full(20_000, 7.0)
    columns = {"eta": gauss, "id_211": flag, "lost_hits": mostly_zero, "phi": constant}
    fitted = fit_standardisation("charged", tuple(columns), np.stack(list(columns.values()), axis=1))
    assert fitted.shift[0] == pytest.approx(3.0, abs=0.05)
    assert fitted.scale[0] == pytest.approx(2.0, rel=0.03)
    assert (fitted.shift[1], fitted.scale[1]) == (0.0, 1.0)
    assert (fitted.shift[2], fitted.scale[2]) == pytest.approx((mostly_zero.mean(), mostly_zero.std()))
    assert (fitted.shift[3], fitted.scale[3]) == (7.0, 1.0)


def test_smooth_flags_stay_as_they_are() -> None:
    """Most jets are far from the place: their range is next to nothing."""
    near = np.exp(-(np.linspace(0.0, 12.0, 200) ** 2))
    fitted = fit_standardisation("jet", ("near_eta_2p5", "eta"), np.stack([near, 3.0 * near], axis=1))
    assert (fitted.shift[0], fitted.scale[0]) == (0.0, 1.0)
    assert fitted.scale[1] < 0.1


def test_fit_without_rows_is_neutral() -> None:
    fitted = fit_standardisation("sv", ("pt", "eta"), np.zeros((0, 2)))
    assert (fitted.shift, fitted.scale) == ((0.0, 0.0), (1.0, 1.0))


def test_bad_samples_and_transforms_are_refused() -> None:
    with pytest.raises(InputError, match=r"transforms name \['dzz'\], which are no charged features"):
        fit_standardisation("charged", ("dz",), np.zeros((3, 1)), {"dzz": Transform()})
    with pytest.raises(InputError, match=r"shape \(N, 2\), got \(3, 1\)"):
        fit_standardisation("charged", ("dz", "pt"), np.zeros((3, 1)))
    with pytest.raises(InputError, match="charged feature 'dz' has NaN or infinite values"):
        fit_standardisation("charged", ("dz",), np.array([[1.0], [np.inf]]))


def test_a_nan_or_an_infinity_is_not_hidden(toy_jets: Callable[..., Any]) -> None:
    """Each comes out of its jet, and of no other."""
    network = neutral_network("pfn-r-lite", PFNANO).eval()
    arrays = {name: values.copy() for name, values in toy_jets(8).features.items()}
    arrays["neutral_features"][arrays["neutral_offsets"][3], 0] = np.inf
    arrays["jet_features"][5, 0] = np.nan
    with torch.no_grad():
        out = network(tensors(arrays)).numpy()
    assert set(np.flatnonzero(~np.isfinite(out))) == {3, 5}
