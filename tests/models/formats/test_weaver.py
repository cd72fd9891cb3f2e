"""Graph and ``preprocess.json`` -> a model: what is seen in them, and what is refused by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from coffea_mljec import Network
from coffea_mljec.errors import InputError, ModelError
from tests.models import weaver_toy as toy


def quantities(network: Network) -> dict[str, tuple[str, str]]:
    return {output.name: (output.quantity, output.transform) for output in network.card.outputs}


def imported(
    folder: Path, names: Any = toy.CLASSES, *, softmax: bool = True, content: Any = None, **options: Any
) -> Network:
    return Network.from_weaver(
        *toy.write(folder, names, softmax=softmax, content=content), **{"collection": "Jet"} | options
    )


def test_probabilities_are_seen(tmp_path: Path) -> None:
    network = imported(tmp_path)
    assert quantities(network) == {name: (f"probability:{name}", "identity") for name in ("b", "c", "g")}
    assert network.output_names == ("b", "c", "g")
    assert repr(network) == "Network('toy-0': b (probability:b), c (probability:c), g (probability:g))"
    card = network.card
    assert (card.engine, card.algorithm, card.collections, card.parameters) == ("padded", "AK4PF", ("Jet",), None)
    assert card.features.candidates == (
        "rel_eta", "rel_phi", "log_pt_unweighted", "log_energy_unweighted", "charge", "track_dxy_sig", "mask"
    )  # fmt: skip
    assert {name: (rule.order_by, rule.at_most) for name, rule in card.selection.items()} == {
        "candidates": ("pt", 12), "sv": ("transverse_significance", 3)
    }  # fmt: skip


def test_numbers_that_are_no_probabilities(tmp_path: Path) -> None:
    assert quantities(imported(tmp_path, softmax=False)) == {name: ("value", "identity") for name in ("b", "c", "g")}
    assert quantities(imported(tmp_path, ["mass"], softmax=False)) == {"mass": ("mass", "identity")}
    assert quantities(imported(tmp_path, ["what"], softmax=False)) == {"what": ("value", "identity")}


def test_outputs_as_the_user_says(tmp_path: Path) -> None:
    network = imported(
        tmp_path, ["ratio", "mass", "label_b"], softmax=False,
        outputs={"ratio": ("pt", "exp"), "mass": ("mass", "times_raw"), "label_b": "probability:beauty"},
    )  # fmt: skip
    assert quantities(network) == {
        "ratio": ("pt", "exp"), "mass": ("mass", "times_raw"), "b": ("probability:beauty", "identity")
    }  # fmt: skip


def test_puppi_jets_lose_light_candidates(tmp_path: Path) -> None:
    for collection, algorithm, weight in (
        ("FatJet", None, 0.01), ("Jet", None, None), ("Jet", "AK4PFPuppi", 0.01), ("Jet", "AK4PFchs", None)
    ):  # fmt: skip
        card = imported(tmp_path, collection=collection, algorithm=algorithm).card
        assert card.selection["candidates"].minimum_puppi_weight == weight


def test_the_order_of_variables_that_cmssw_orders_otherwise(tmp_path: Path) -> None:
    content = toy.preprocess()
    assert imported(tmp_path, content=content, order_by="dxy").card.selection["candidates"].order_by == "dxy"
    for group in ("pf_features",):
        names = content[group]["var_names"]
        names[names.index("pfcand_charge")] = "jet_pfcand_charge"
        content[group]["var_infos"]["jet_pfcand_charge"] = content[group]["var_infos"].pop("pfcand_charge")
    assert imported(tmp_path, content=content).card.selection["candidates"].order_by == "pt_unweighted"


def renamed(old: str, new: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(toy.preprocess()).replace(f'"{old}"', f'"{new}"'))
    return content


def test_unknown_variables(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"no feature for the variable 'pfcand_chage': no NanoAOD flavour holds it "
        r"\(nearest: pfcand_charge.*variables={'pfcand_chage': 'collection.feature'}",
    ):
        imported(tmp_path, content=renamed("pfcand_charge", "pfcand_chage"))
    content = renamed("pfcand_charge", "my_charge")
    network = imported(tmp_path, content=content, variables={"my_charge": "candidates.charge"})
    assert "charge" in network.card.features.candidates
    with pytest.raises(InputError, match=r"variables: 'my_charge' is said to be 'candidates.chrge'; expected "):
        imported(tmp_path, content=content, variables={"my_charge": "candidates.chrge"})
    with pytest.raises(InputError, match=r"variables: .*preprocess.json has no variable 'other'"):
        imported(tmp_path, variables={"other": "candidates.charge"})


def test_groups_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="group 'pf_features' mixes variables of candidates and sv"):
        imported(tmp_path, content=renamed("pfcand_charge", "sv_mass"))
    content = toy.preprocess()
    for group in ("sv_features", "sv_mask"):
        content[group] = {key: content[group][key] for key in ("var_names", "var_infos")} | {"var_length": None}
    with pytest.raises(ModelError, match="group 'sv_features' holds sv variables and says no length"):
        imported(tmp_path, content=content)
    content = toy.preprocess()
    content["pf_mask"] |= {"min_length": 13}
    with pytest.raises(
        ModelError, match=r"group 'pf_mask' is impossible: .*min_length must not be above max_length; got 13, 12"
    ):
        imported(tmp_path, content=content)
    content = toy.preprocess()
    content["pf_mask"]["var_infos"]["pfcand_mask"] |= {"lower_bound": 1.0, "upper_bound": 1.0}
    with pytest.raises((ModelError, ValueError), match=r"lower_bound must be below upper_bound; got 1.0, 1.0") as error:
        imported(tmp_path, content=content)
    assert isinstance(error.value, ModelError)


def test_quantities_of_jets_have_no_length(tmp_path: Path) -> None:
    """A third input of the graph, [n, 1]: the jet's mass, with var_length null."""
    graph = onnx.load_model_from_string(toy.graph(1, softmax=False))
    graph.graph.input.append(helper.make_tensor_value_info("jet", TensorProto.FLOAT, ["n", 1]))
    graph.graph.node.append(helper.make_node("Add", ["output", "jet"], ["sum"]))
    graph.graph.output.pop()
    graph.graph.output.append(helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", 1]))
    path = tmp_path / "jet.onnx"
    path.write_bytes(graph.SerializeToString())
    content = toy.preprocess(["what"])
    content["input_names"].append("jet")
    info = {"median": 0, "norm_factor": 1, "lower_bound": -1e32, "upper_bound": 1e32}
    content["jet"] = {"var_names": ["jet_mass"], "var_infos": {"jet_mass": info}, "var_length": None}
    (tmp_path / "p.json").write_text(json.dumps(content))
    options: dict[str, Any] = {"collection": "Jet", "variables": {"jet_mass": "jet.mass"}}
    network = Network.from_weaver(path, tmp_path / "p.json", **options)
    assert network.card.features.jet == ("mass",)
    tensor = network.card.tensors[-1]
    assert (tensor.collection, tensor.min_length, tensor.max_length) == ("jet", 1, 1)
    content["jet"] |= {"var_length": 3}
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="group 'jet' holds jet variables and has the length 3"):
        Network.from_weaver(path, tmp_path / "p.json", **options)


def test_a_graph_of_another_export(tmp_path: Path) -> None:
    graphs, _ = toy.write(tmp_path)
    _, file = toy.write(tmp_path / "other", ["label_a", "label_b"])
    with pytest.raises(
        ModelError,
        match=r"names 2 outputs; the graph's output 'softmax' has the shape \['n', 3\]: the "
        "two files must come from one export",
    ):
        Network.from_weaver(graphs, file, collection="Jet")
    content = toy.preprocess()
    content["pf_features"]["var_names"].remove("pfcand_charge")
    del content["pf_features"]["var_infos"]["pfcand_charge"]
    with pytest.raises(ModelError, match=r"'pf_features' of model 'toy-0' must be .* and 3 variables; got .*'n', 4, "):
        imported(tmp_path, content=content)
    content = toy.preprocess()
    content["input_names"].remove("sv_mask")
    del content["sv_mask"]
    with pytest.raises(ModelError, match=r"has inputs \[.*'sv_mask'\], its card describes"):
        imported(tmp_path, content=content)


def test_graphs_that_are_refused(tmp_path: Path) -> None:
    graphs, file = toy.write(tmp_path)
    options: dict[str, Any] = {"collection": "Jet"}
    with pytest.raises(ModelError, match=r"no graph at .*absent.onnx: give the path of an .onnx file"):
        Network.from_weaver(tmp_path / "absent.onnx", file, **options)
    with pytest.raises(InputError, match="from_weaver needs at least one graph; got none"):
        Network.from_weaver([], file, **options)
    (tmp_path / "text.onnx").write_text("this is no graph")
    with pytest.raises(ModelError, match="is not an ONNX model"):
        Network.from_weaver(tmp_path / "text.onnx", file, **options)
    model = onnx.load_model_from_string(graphs[0].read_bytes())
    onnx.save_model(model, tmp_path / "external.onnx", save_as_external_data=True, location="w", size_threshold=0)
    with pytest.raises(ModelError, match=r"keeps tensors in files outside itself.*external_data=False"):
        Network.from_weaver(tmp_path / "external.onnx", file, **options)
    model = onnx.load_model_from_string(toy.graph())
    model.graph.node[0].domain = "com.example"
    (tmp_path / "custom.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"has the operator 'TopK' of the domain 'com.example', which ONNX does not"):
        Network.from_weaver(tmp_path / "custom.onnx", file, **options)
    # Members of an ensemble are graphs like the first.
    with pytest.raises(ModelError, match="no graph at"):
        Network.from_weaver([*graphs, tmp_path / "absent.onnx"], file, **options)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"label_x": "value"}, "outputs: .*preprocess.json has no output 'label_x'; it has label_b, label_c, label_g"),
        ({"label_b": "momentum"}, r"outputs: 'label_b' cannot be momentum by identity: .*unknown quantity 'momentum'"),
        ({"label_b": ("pt", "squared")}, r"outputs: 'label_b' cannot be pt by squared: "),
    ],
)  # fmt: skip
def test_outputs_that_cannot_be(tmp_path: Path, outputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        imported(tmp_path, outputs=outputs)


def test_outputs_that_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="two outputs have the quantity 'pt'"):
        imported(tmp_path, softmax=False, outputs={"label_b": "pt", "label_c": "pt"})
    with pytest.raises(ModelError, match="times_raw is for mass and energy, not for pt"):
        imported(tmp_path, softmax=False, outputs={"label_b": ("pt", "times_raw")})


def test_order_by_and_domain_that_are_unknown(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"unknown quantity 'ptt'. Did you mean 'pt'"):
        imported(tmp_path, order_by="ptt")
    with pytest.raises(ModelError, match=r"domain.pt_raww"):
        imported(tmp_path, domain={"pt_raww": (1, 2)})
    assert imported(tmp_path, domain={"pt_raw": (15, 2000)}).card.domain.pt_raw == (15, 2000)
