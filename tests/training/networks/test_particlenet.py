"""ParticleNet against a plain twin in numpy, jet by jet; gradients; invariances."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.features import PFNANO, THESIS, FeatureSet, compute
from coffea_mljec.nano import flatten

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")

from tests.training.networks.jets import COUNTS, batch_of, offsets_of, one_jet, settled, tensors  # noqa: E402
from training.learning.recipe import Recipe  # noqa: E402
from training.learning.run_folder import read_network, write_run  # noqa: E402
from training.networks import ARCHITECTURES, ParticleNetArchitecture, Standardisation  # noqa: E402
from training.networks.edges.convolution import EdgeConv  # noqa: E402
from training.networks.edges.neighbours import find_edges  # noqa: E402
from training.networks.edges.tiles import tiles_of  # noqa: E402
from training.networks.layers import parameter_count  # noqa: E402
from training.networks.network import make_network  # noqa: E402
from training.networks.particlenet import ParticleNet  # noqa: E402

SMALL = ParticleNetArchitecture(
    blocks_candidate=((5, 6), (7, 4, 3)), blocks_vertex=((4,), (3, 2)), k_candidate=3, k_vertex=2, head=(6, 5)
)
FEW = FeatureSet(
    jet=("log_pt", "eta"), charged=("pt", "rel_eta", "rel_phi", "dxy"), neutral=("rel_phi", "pt", "rel_eta"),
    sv=("rel_eta", "rel_phi", "mass"),
)  # fmt: skip


class Twin:
    """The same network on one jet or many, in double precision, with a loop over rows and neighbours."""

    def __init__(self, network: ParticleNet, training: bool) -> None:
        self.network, self.training = network, training

    def norm(self, layer: Any, rows: np.ndarray) -> np.ndarray:
        mean, variance = layer.running_mean.double().numpy(), layer.running_var.double().numpy()
        if self.training and len(rows) > 1:
            mean, variance = rows.mean(axis=0), rows.var(axis=0)
        gain, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        return (rows - mean) / np.sqrt(variance + layer.eps) * gain + bias

    def dense(self, layer: Any, rows: np.ndarray) -> np.ndarray:
        out = rows @ layer.weight.detach().double().numpy().T
        return out if layer.bias is None else out + layer.bias.detach().double().numpy()

    def convolution(
        self, block: EdgeConv, x: np.ndarray, points: np.ndarray, offsets: np.ndarray, k: int
    ) -> np.ndarray:
        rows, owner = [], []
        for first, last in pairwise(offsets):
            for i in range(first, last):
                others = [j for j in range(first, last) if j != i]
                others.sort(key=lambda j: (((points[i] - points[j]) ** 2).sum(), j))
                for j in others[:k] or [i]:
                    rows.append(np.concatenate([x[i], x[j] - x[i]]))
                    owner.append(i)
        edges = np.array(rows).reshape(len(rows), 2 * x.shape[1])
        for dense, norm in zip(block.dense, block.norm, strict=True):
            edges = np.maximum(self.norm(norm, self.dense(dense, edges)), 0.0)
        means = np.array([edges[np.array(owner) == i].mean(axis=0) for i in range(len(x))]).reshape(-1, edges.shape[1])
        return np.maximum(self.norm(block.shortcut_norm, self.dense(block.shortcut, x)) + means, 0.0)

    def __call__(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        network, parts = self.network, []
        for c in network.collections:
            features, offsets = arrays[f"{c}_features"], arrays[f"{c}_offsets"]
            names = network.standardisations[c].features
            points = features[:, [names.index("rel_eta"), names.index("rel_phi")]].astype(np.float64)
            x = network.standardisations[c](features)
            for block in network.convolutions[c]:
                x = points = self.convolution(block, x, points, offsets, network.architecture.k(c))
            means = [x[a:b].mean(axis=0) if b > a else np.zeros(x.shape[1]) for a, b in pairwise(offsets)]
            parts.append(np.array(means))
        hidden = np.concatenate([*parts, network.standardisations["jet"](arrays["jet_features"])], axis=1)
        layers = list(network.head)
        for dense, norm in zip(layers[0::3], layers[1::3], strict=True):
            hidden = np.maximum(self.norm(norm, self.dense(dense, hidden)), 0.0)
        return self.dense(network.output, hidden)[:, 0]


# reference/architecture.json of the project's founders: the totals that the thesis counts (total, trainable, the rest).
@pytest.mark.parametrize(
    ("name", "total", "trainable"),
    [("particlenet-r-lite", 38_417, 36_737), ("particlenet-r", 1_199_553, 1_188_673)],
)
def test_parameter_totals_are_those_of_the_thesis(name: str, total: int, trainable: int) -> None:
    network = make_network(ARCHITECTURES[name], {c: Standardisation.neutral(c, n) for c, n in THESIS.names().items()})
    assert isinstance(network, ParticleNet)
    assert parameter_count(network) == total
    assert sum(p.numel() for p in network.parameters()) == trainable


def test_architectures_are_those_of_the_reference_file(reference: Any) -> None:
    for ours, theirs in (("particlenet-r", "ParticleNet-r"), ("particlenet-r-lite", "ParticleNet-r Lite")):
        architecture = ARCHITECTURES[ours]
        assert isinstance(architecture, ParticleNetArchitecture)
        for c, widths in reference[theirs]["edgeconv_channels"].items():
            assert [list(block) for block in architecture.blocks(c)] == widths
        assert list(architecture.head) == reference[theirs]["head"]
        for c, k in reference["ParticleNet-r"]["k"].items():
            assert architecture.k({"ch": "charged", "ne": "neutral", "sv": "sv"}[c]) == k


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["small", "particlenet-r-lite"])
def test_forward_equals_the_plain_twin(name: str, training: bool) -> None:
    features = FEW if name == "small" else PFNANO
    counts = COUNTS if name == "small" else (*COUNTS, 17, 18, 25)
    arrays = batch_of(features, counts)
    network = settled(SMALL if name == "small" else name, features, arrays)
    wanted = Twin(network, training)(arrays)
    network.train(training)
    with torch.no_grad():
        got = network(tensors(arrays)).numpy()
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5 if not training else 1e-4)
    assert wanted.std() > 0.05


def test_forward_equals_the_plain_twin_on_real_jets(real_data: Path, open_nano: Callable[..., Any]) -> None:
    events = open_nano(real_data / "nano" / "pfnano_ul17_mc.root")
    flat = flatten(events, "Jet", jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)
    arrays = compute(flat, PFNANO)
    network = settled("particlenet-r-lite", PFNANO, arrays)
    with torch.no_grad():
        got = network(tensors(arrays)).numpy()
    np.testing.assert_allclose(got, Twin(network, training=False)(arrays), rtol=0, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_an_edge_convolution(training: bool) -> None:
    """Derivatives by finite differences in double precision; the neighbours are held."""
    torch.manual_seed(5)
    offsets = torch.from_numpy(offsets_of([3, 0, 1, 5, 2]))
    edges = find_edges(torch.randn(11, 2, dtype=torch.float64), offsets, 2)
    block = EdgeConv(3, (4, 3), epsilon=1e-3, momentum=0.1).double().train(training)
    names = [name for name, _ in block.named_parameters()]

    def evaluate(x: Any, *values: Any) -> Any:
        return torch.func.functional_call(block, dict(zip(names, values, strict=True)), (x, edges))

    x = torch.randn(11, 3, dtype=torch.float64, requires_grad=True)
    values = [(p.detach() + 0.1 * torch.randn_like(p)).requires_grad_() for p in block.parameters()]
    assert torch.autograd.gradcheck(evaluate, (x, *values), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_order_of_constituents_and_of_jets_does_not_matter(training: bool) -> None:
    arrays = batch_of(FEW, COUNTS)
    network = settled(SMALL, FEW, arrays).train(training)
    rng = np.random.default_rng(8)
    jets = rng.permutation(len(COUNTS))
    turned = {"jet_features": arrays["jet_features"][jets]}
    for c in FEW.constituents:
        offsets = arrays[f"{c}_offsets"]
        rows = [rng.permutation(np.arange(offsets[j], offsets[j + 1])) for j in jets]
        turned[f"{c}_features"] = arrays[f"{c}_features"][np.concatenate(rows)]
        turned[f"{c}_offsets"] = offsets_of([len(part) for part in rows])
    with torch.no_grad():
        whole, again = network(tensors(arrays)).numpy(), network(tensors(turned)).numpy()
    np.testing.assert_allclose(again, whole[jets], rtol=0, atol=1e-5)


def test_a_batch_is_its_jets_one_by_one() -> None:
    arrays = batch_of(FEW, COUNTS)
    network = settled(SMALL, FEW, arrays)
    with torch.no_grad():
        whole = network(tensors(arrays)).numpy()
        for j in range(len(COUNTS)):
            alone = network(tensors(one_jet(arrays, FEW, j))).numpy()
            np.testing.assert_allclose(alone, whole[j : j + 1], rtol=0, atol=2e-6)


def test_one_constituent_is_itself_with_zero_difference() -> None:
    arrays = batch_of(FEW, (1,))
    block = settled(SMALL, FEW, batch_of(FEW, COUNTS)).convolutions["charged"][0]
    x = torch.from_numpy(arrays["charged_features"])
    edges = find_edges(x[:, :2], torch.tensor([0, 1]), 3)
    with torch.no_grad():
        psi = torch.cat([x, torch.zeros_like(x)], dim=1)
        for dense, norm in zip(block.dense, block.norm, strict=True):
            psi = torch.relu(norm(dense(psi)))
        wanted = torch.relu(block.shortcut_norm(block.shortcut(x)) + psi)
        torch.testing.assert_close(block(x, edges), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_batches_without_constituents_pass(n: int, training: bool) -> None:
    network = settled(SMALL, FEW, batch_of(FEW, COUNTS)).train(training)
    arrays = batch_of(FEW, (0,) * n)
    out = network(tensors(arrays))
    assert out.shape == (n,)
    assert torch.isfinite(out).all()
    if n:
        twin = Twin(network, training=training and n > 1)
        np.testing.assert_allclose(out.detach().numpy(), twin(arrays), rtol=0, atol=1e-5)
    out.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_a_collection_may_be_absent() -> None:
    features = FeatureSet(jet=("pt", "eta"), neutral=("rel_eta", "rel_phi"))
    arrays = batch_of(features, COUNTS)
    network = settled(SMALL, features, arrays)
    assert network.collections == ("neutral",)
    with torch.no_grad():
        np.testing.assert_allclose(network(tensors(arrays)), Twin(network, False)(arrays), rtol=0, atol=1e-5)


def test_a_nan_or_an_infinity_is_not_hidden() -> None:
    """Each comes out of its jet, and of no other."""
    arrays = batch_of(FEW, COUNTS)
    network = settled(SMALL, FEW, arrays)
    arrays["charged_features"][arrays["charged_offsets"][7], 1] = np.nan  # a coordinate
    arrays["neutral_features"][arrays["neutral_offsets"][3], 1] = np.inf
    arrays["jet_features"][5, 0] = np.nan
    with torch.no_grad():
        out = network(tensors(arrays)).numpy()
    assert set(np.flatnonzero(~np.isfinite(out))) == {3, 5, 7}


def test_features_without_coordinates_are_refused() -> None:
    parts = {"jet": Standardisation.neutral("jet", ("pt",)), "sv": Standardisation.neutral("sv", ("mass", "rel_eta"))}
    with pytest.raises(InputError, match="the sv features lack rel_phi; got mass, rel_eta"):
        make_network(SMALL, parts)
    with pytest.raises(InputError, match="at least one jet feature"):
        make_network(SMALL, {"sv": parts["sv"]})


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("widths", [(4,), (6, 5), (5, 6, 7)])
def test_tiles_equal_torchs_own_operators(
    monkeypatch: pytest.MonkeyPatch, threads: int, widths: tuple[int, ...]
) -> None:
    """Values, gradients and running statistics, with many tiles and several threads."""
    monkeypatch.setattr("training.networks.edges.tiles._TILE", 64)
    counts = (*COUNTS, 30, 1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        results = []
        for plain in (False, True):
            torch.manual_seed(6)
            block = EdgeConv(3, widths, epsilon=1e-3, momentum=0.1)
            x = torch.randn(sum(counts), 3, requires_grad=True)
            edges = find_edges(x[:, :2], torch.from_numpy(offsets_of(counts)), 3)
            assert len(tiles_of(edges, max(widths))) > 5
            if plain:
                block._heard = block.plain
            out = block(x, edges)
            (out * torch.randn(out.shape)).sum().backward()
            parts = {"out": out, "x": x.grad} | {name: p.grad for name, p in block.named_parameters()}
            parts |= dict(block.named_buffers())
            with torch.no_grad():
                parts["eval"] = block.eval()(x, edges)
            results.append(parts)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for name, wanted in results[1].items():
        torch.testing.assert_close(results[0][name], wanted, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    arrays = batch_of(FEW, COUNTS)
    network = settled(SMALL, FEW, arrays)
    write_run(tmp_path, network, {})
    again = read_network(tmp_path)
    assert isinstance(again, ParticleNet)
    assert again.architecture == network.architecture
    with torch.no_grad():
        assert torch.equal(again(tensors(arrays)), network(tensors(arrays)))


def test_recipes_resolve_the_names_and_the_widths() -> None:
    fields = {"name": "x", "description": "x", "sample": "x", "fast_simulation": True, "productions": ["x"]}
    for name in ("pfn-r", "pfn-r-lite", "particlenet-r", "particlenet-r-lite"):
        assert Recipe.model_validate(fields | {"architecture": name}).widths == ARCHITECTURES[name]
    spelt = SMALL.model_dump(mode="json")
    assert Recipe.model_validate(fields | {"architecture": spelt}).widths == SMALL
    with pytest.raises(ValueError, match="unknown architecture 'particle-net': choose one of pfn-r-lite, pfn-r, pfn-m"):
        Recipe.model_validate(fields | {"architecture": "particle-net"})


def test_validation_under_inference_mode_uses_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Lightning validates; the mode belongs to a thread, and the tiles have threads of their own."""
    monkeypatch.setattr("training.networks.edges.tiles._TILE", 64)
    arrays = batch_of(FEW, COUNTS)
    network = settled(SMALL, FEW, arrays)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.inference_mode():
            got = network(tensors(arrays)).numpy()
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(got, Twin(network, training=False)(arrays), rtol=0, atol=1e-5)
