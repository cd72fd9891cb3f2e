"""Particle flow networks with context: sizes, a plain twin, gradients, invariances, jagged edge cases, the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coffea_mljec.errors import InputError
from coffea_mljec.features import PFNANO, FeatureSet, compute
from coffea_mljec.models import open_folder
from coffea_mljec.nano import flatten

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'coffea-mljec[train]'")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'coffea-mljec[train]'")
import onnxruntime  # noqa: E402

from tests.models.running import log_correction  # noqa: E402
from tests.training.networks.jets import COUNTS, batch_of, offsets_of, one_jet, settled, tensors  # noqa: E402
from training.learning.recipe import read_recipe  # noqa: E402
from training.learning.run_folder import read_network, write_run  # noqa: E402
from training.networks import ARCHITECTURES, ContextArchitecture, Standardisation  # noqa: E402
from training.networks.context import ContextPFN  # noqa: E402
from training.networks.layers import Block, parameter_count  # noqa: E402
from training.networks.rows.jet_sums import jet_sums, to_rows  # noqa: E402
from training.networks.rows.segments import segment_sums  # noqa: E402
from training.onnx.graph import network_graph  # noqa: E402

NAMES = ("pfn-c-lite", "pfn-c")
SMALL = ContextArchitecture(
    blocks_candidate=((7, 5), (6,), (4, 3)), blocks_vertex=((3,), (4, 2), (5,)), context=(6, 4), head=(5, 3)
)


def session_of(network: ContextPFN) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network_graph(network), options, providers=["CPUExecutionProvider"])


def evaluated(network: ContextPFN, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return network(tensors(dict(arrays))).numpy()


def difference(session: Any, network: ContextPFN, arrays: dict[str, np.ndarray]) -> float:
    (got,) = session.run(["log_correction"], arrays)
    wanted = evaluated(network, arrays)
    assert got.dtype == np.float32
    assert got.shape == wanted.shape == (len(arrays["jet_features"]),)
    assert np.isfinite(got).all()
    return float(np.abs(got - wanted).max(initial=0.0))


def layer(x: np.ndarray, weight: np.ndarray, norm: Any) -> np.ndarray:
    """One hidden layer in evaluation mode, by numpy in double precision."""
    parameters = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    mean, variance, gain, shift = (value.detach().double().numpy() for value in parameters)
    return np.maximum(0.0, (x @ weight.T - mean) / np.sqrt(variance + norm.eps) * gain + shift)


def block_twin(block: Block, x: np.ndarray, told: np.ndarray | None = None, context: np.ndarray | None = None) -> Any:
    """A block whose first dense layer reads rows and context side by side, as one matrix."""
    for dense, norm in zip(list(block)[0::3], list(block)[1::3], strict=True):
        weight = dense.weight.detach().double().numpy()
        if told is not None:
            weight, x = np.hstack([weight, told]), np.hstack([x, np.tile(context, (len(x), 1))])
            told = None
        x = layer(x, weight, norm)
    return x


def twin(network: ContextPFN, arrays: Mapping[str, np.ndarray], j: int) -> float:
    """The j-th jet alone, with its context appended to every constituent: no offsets, no index, double precision."""
    rows, share = {}, {}
    for c in network.collections:
        part = arrays[f"{c}_features"][slice(*arrays[f"{c}_offsets"][j : j + 2])]
        share[c] = part[:, network.standardisations[c].features.index("rel_pt")].astype(np.float64)
        rows[c] = network.standardisations[c](part)
    jet = network.standardisations["jet"](arrays["jet_features"][j : j + 1])[0]
    context = np.zeros(0)
    for i, block in enumerate([*network.contexts, network.head]):
        sums = []
        for c in network.collections:
            told = network.told[c][i - 1].weight.detach().double().numpy() if i else None
            rows[c] = block_twin(network.phi[c][i], rows[c], told, context)
            sums += [rows[c].sum(axis=0), share[c] @ rows[c]]
        context = block_twin(block, np.concatenate([*sums, context, jet])[None])[0]
    output = network.output
    return float(context @ output.weight.detach().double().numpy()[0] + output.bias.detach().double().numpy()[0])


@pytest.mark.parametrize("architecture", [*NAMES, SMALL])
def test_the_plain_twin_gives_the_same(architecture: Any) -> None:
    arrays = batch_of(PFNANO, COUNTS)
    network = settled(architecture, PFNANO, arrays)
    assert isinstance(network, ContextPFN)
    wanted = [twin(network, arrays, j) for j in range(len(COUNTS))]
    np.testing.assert_allclose(evaluated(network, arrays), wanted, rtol=0, atol=2e-5)
    assert np.std(wanted) > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_counted_by_hand(name: str) -> None:
    shape = ARCHITECTURES[name]
    assert isinstance(shape, ContextArchitecture)

    def dense(*sizes: int) -> int:
        return sum(a * b + 4 * b for a, b in pairwise(sizes))  # weights, and four numbers a norm; no bias

    n_jet, context, total = len(PFNANO.jet), shape.context[-1], 0
    for i in range(2):
        pooled = 0
        for c in PFNANO.constituents:
            widths = shape.blocks(c)[i]
            before = shape.blocks(c)[0][-1] if i else len(getattr(PFNANO, c))
            total += dense(before, *widths) + (context * widths[0] if i else 0)
            pooled += 2 * widths[-1]
        total += dense(pooled + n_jet, *shape.context) if i == 0 else dense(pooled + context + n_jet, *shape.head)
    total += shape.head[-1] + 1
    network = settled(name, PFNANO, batch_of(PFNANO, COUNTS))
    assert parameter_count(network) == total == {"pfn-c-lite": 73_857, "pfn-c": 243_201}[name]


def test_a_constituent_hears_of_the_other_collections() -> None:
    """Without context the gradient of one candidate's features does not depend on another collection's rows."""
    arrays = batch_of(PFNANO, COUNTS)
    network = settled(SMALL, PFNANO, arrays).double()
    network.head = torch.nn.Linear(network.head[0].in_features, 3, bias=False).double()  # linear: no mixing there

    def gradient(scale: float) -> Any:
        batch = {name: x.double() if x.is_floating_point() else x for name, x in tensors(arrays).items()}
        batch["neutral_features"] = batch["neutral_features"] * scale
        batch["charged_features"].requires_grad_()
        network(batch).sum().backward()
        return batch["charged_features"].grad

    assert not torch.allclose(gradient(1.0), gradient(1.5), rtol=1e-3)


def test_gradients_are_those_of_finite_differences() -> None:
    """The whole network in training mode: batch norms, sums, and the context's way back to every row."""
    torch.manual_seed(2)
    features = FeatureSet(jet=("log_pt", "eta"), charged=("rel_pt", "rel_eta"), sv=("rel_pt", "mass"))
    small = SMALL.model_copy(update={"blocks_candidate": ((4, 3), (3,)), "blocks_vertex": ((3,), (2,))})
    network = ContextPFN(small, {c: Standardisation.neutral(c, names) for c, names in features.names().items()})
    batch = tensors(batch_of(features, (5, 0, 2, 3, 9, 1)))
    batch = {name: x.double() if x.is_floating_point() else x for name, x in batch.items()}
    network.double().train()
    given = {
        name: parameter.detach() + 0.1 * torch.randn_like(parameter) for name, parameter in network.named_parameters()
    }
    names = list(given)

    def value(*parameters: Any) -> Any:
        return torch.func.functional_call(network, dict(zip(names, parameters, strict=True)), (batch,))

    assert torch.autograd.gradcheck(
        value, tuple(parameter.requires_grad_() for parameter in given.values()), fast_mode=True
    )


def test_sums_and_what_rows_are_told_are_each_others_gradient() -> None:
    torch.manual_seed(3)
    offsets = torch.from_numpy(offsets_of((3, 0, 1, 6, 0)))
    rows, weights, values = (torch.randn(*shape, dtype=torch.float64) for shape in ((10, 3), (10, 2), (5, 3)))
    assert torch.autograd.gradcheck(lambda x: jet_sums(x, weights, offsets), rows.requires_grad_())
    assert torch.autograd.gradcheck(lambda x: to_rows(x, offsets, 10), values.requires_grad_())
    for j, (first, last) in enumerate(pairwise(offsets)):
        got = jet_sums(rows, weights, offsets)[j]
        wanted = [(weights[first:last, k, None] * rows[first:last]).sum(dim=0) for k in range(2)]
        torch.testing.assert_close(got, torch.cat(wanted), rtol=0, atol=1e-12)
        # As on a GPU.
        plain = [segment_sums(weights[:, k, None] * rows, offsets)[j] for k in range(2)]
        torch.testing.assert_close(torch.cat(plain), got, rtol=0, atol=1e-12)
        assert (to_rows(values, offsets, 10)[first:last] == values[j]).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_batches_without_constituents_pass(n: int, training: bool) -> None:
    network = settled("pfn-c-lite", PFNANO, batch_of(PFNANO, COUNTS)).train(training)
    out = network(tensors(batch_of(PFNANO, (0,) * n)))
    assert out.shape == (n,)
    assert torch.isfinite(out).all()
    out.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("counts", [(), (0,), (1,), (0, 0, 0), (0, 0, 3, 2), (3, 0, 0, 0, 2), (3, 2, 0, 0), (200,)])
def test_graph_on_every_shape_of_batch(counts: tuple[int, ...]) -> None:
    network = settled(SMALL, PFNANO, batch_of(PFNANO, (*COUNTS, 200)))
    assert difference(session_of(network), network, batch_of(PFNANO, counts, seed=7)) < 1e-5


def test_a_set_without_some_collections() -> None:
    for features in (
        FeatureSet(jet=("log_pt", "eta"), neutral=("rel_phi", "rel_pt")),
        FeatureSet(jet=("log_pt", "eta", "rho")),
        FeatureSet(jet=("eta",), charged=("rel_pt",), sv=("pt", "rel_pt")),
    ):
        arrays = batch_of(features, COUNTS)
        network = settled(SMALL, features, arrays)
        session = session_of(network)
        assert {item.name for item in session.get_inputs()} == set(arrays)
        assert difference(session, network, arrays) < 1e-5


def test_order_of_constituents_and_size_of_batches_do_not_matter(toy_jets: Callable[..., Any]) -> None:
    arrays = toy_jets(60).features
    network = settled("pfn-c-lite", PFNANO, arrays)
    session = session_of(network)
    (whole,) = session.run(None, arrays)
    rng, turned = np.random.default_rng(4), dict(arrays)
    for c in PFNANO.constituents:
        order = np.concatenate([rng.permutation(np.arange(a, b)) for a, b in pairwise(arrays[f"{c}_offsets"])])
        turned[f"{c}_features"] = arrays[f"{c}_features"][order]
    np.testing.assert_allclose(session.run(None, turned)[0], whole, rtol=0, atol=5e-6)
    np.testing.assert_allclose(evaluated(network, turned), whole, rtol=0, atol=1e-5)
    for j in range(60):
        (alone,) = session.run(None, one_jet(arrays, PFNANO, j))
        np.testing.assert_allclose(alone, whole[j : j + 1], rtol=0, atol=5e-6)


def test_a_nan_or_an_infinity_stays_in_its_jet(toy_jets: Callable[..., Any]) -> None:
    arrays = {name: values.copy() for name, values in toy_jets(8).features.items()}
    network = settled("pfn-c-lite", PFNANO, arrays)
    arrays["neutral_features"][arrays["neutral_offsets"][3], 0] = np.inf
    arrays["jet_features"][5, 0] = np.nan
    for out in (evaluated(network, arrays), session_of(network).run(None, arrays)[0]):
        assert set(np.flatnonzero(~np.isfinite(out))) == {3, 5}


def features_of(events: Any) -> dict[str, Any]:
    flat = flatten(events, "Jet", jet=PFNANO.jet_quantities, constituents=PFNANO.constituent_quantities)
    return compute(flat, PFNANO)


def test_graph_equals_torch_on_real_and_simulated_jets(
    real_data: Path, sample: Path, open_nano: Callable[..., Any]
) -> None:
    real = features_of(open_nano(real_data / "nano" / "pfnano_ul17_mc.root"))
    simulated = features_of(open_nano(sample, entry_stop=150))
    assert len(real["jet_features"]) == 64
    assert len(simulated["jet_features"]) > 400
    for name in NAMES:
        for arrays in (real, simulated):
            network = settled(name, PFNANO, arrays)
            assert difference(session_of(network), network, arrays) < 1e-5


def test_export_and_reading_back(tmp_path: Path, toy_jets: Callable[..., Any]) -> None:
    from tests.training.learning.test_export import record_of
    from training.learning.export import export

    arrays = toy_jets(100).features
    network = settled("pfn-c-lite", PFNANO, arrays)
    write_run(tmp_path / "run", network, record_of(network, PFNANO))
    again = read_network(tmp_path / "run")
    assert isinstance(again, ContextPFN)
    np.testing.assert_array_equal(evaluated(again, arrays), evaluated(network, arrays))
    export(tmp_path / "run", tmp_path / "model")
    model = open_folder(tmp_path / "model")
    assert model.card.engine == "context"
    assert model.card.parameters == parameter_count(network)
    np.testing.assert_allclose(log_correction(model, arrays), evaluated(network, arrays), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_recipes_name_their_architecture(name: str) -> None:
    recipe = read_recipe(Path(__file__).parents[3] / "training" / "configs" / f"{name}.yaml")
    assert (recipe.name, recipe.widths) == (name, ARCHITECTURES[name])
    assert ContextArchitecture.model_validate(recipe.widths.model_dump()) == recipe.widths


def test_impossible_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="pooling by pt needs rel_pt among the features of neutral: add it"):
        ContextPFN(SMALL, {c: Standardisation.neutral(c, ("pt",)) for c in ("jet", "neutral")})
    with pytest.raises(ValueError, match="blocks_candidate has 3 rounds and blocks_vertex 2: give both as many"):
        ContextArchitecture.model_validate(SMALL.model_dump() | {"blocks_vertex": ((3,), (2,))})
    with pytest.raises(ValueError, match="each way of pooling can stand once, got pt, pt"):
        ContextArchitecture.model_validate(SMALL.model_dump() | {"pooling": ("pt", "pt")})
