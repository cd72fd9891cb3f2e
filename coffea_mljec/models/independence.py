"""Whether a graph gives each jet a number of its own: asked once, of a few made-up jets, when its runner is made.
And whether one that is evaluated elsewhere is the card's graph at all.

A graph may mix the jets of a batch: by a mean over the batch, a running sum, a wrong axis. Such a number depends on the
chunk, and nobody would see it. No proof is possible; a graph that means harm can pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import ModelError
from coffea_mljec.features import compute
from coffea_mljec.models import node_names
from coffea_mljec.nano.flat import Constituents, FlatJets
from coffea_mljec.status import no_status

if TYPE_CHECKING:
    from coffea_mljec.models.card import ModelCard
    from coffea_mljec.models.engines import Outputs, Runner

__all__ = ["check_independence", "check_same_network", "taken"]

Arrays = Mapping[str, npt.NDArray[Any]]

_COUNTS = (9, 3, 17, 5)
"""Constituents of each kind of the made-up jets, so many jets: of different sizes, in no order."""
_TOLERANCE = 1e-4
"""Of the largest output: sums of float32 depend on the size of a batch by less."""
_TOLERANCE_OF_BACKENDS = 1e-2
"""The same between two backends: one with 16-bit numbers passes, a network that was trained anew does not."""

_IDS = {"charged": (211, -211, 13, 11), "neutral": (22, 130, 22, 1), "candidates": (211, 22, -211, 130)}
_VALUES = {
    "area": (0.45, 0.55), "rho": (15.0, 25.0), "n_pv": (20.0, 40.0), "dxy": (-0.01, 0.01), "dxy_err": (0.001, 0.01),
    "dz": (-0.01, 0.01), "norm_chi2": (0.5, 2.0), "n_hits": (8.0, 20.0), "n_pixel_hits": (2.0, 5.0),
    "lost_hits": (-1.0, 0.0), "pv_assoc": (4.0, 7.0), "flight_distance": (0.1, 2.0), "flight_significance": (3.0, 30.0),
    "n_tracks": (2.0, 6.0), "n_constituents": (10.0, 40.0),
}  # fmt: skip
"""Quantity -> range in ordinary jets; (0, 1) where it is not here."""


def check_independence(runner: Runner, card: ModelCard) -> None:
    """Evaluate a few jets together, once more, in another order, and one at a time.

    Parameters
    ----------
    runner : Runner
    card : ModelCard
        Says what the network reads.

    Raises
    ------
    ModelError
        If a jet's numbers are not the same each time, or the graph cannot be run.
    """
    arrays = compute(_jets(card), card.feature_set)
    n_jets = len(_COUNTS)
    together = runner.run(arrays)
    order = np.roll(np.arange(n_jets), 1)[::-1]
    elsewhere = runner.run(taken(arrays, order))
    tries: list[tuple[str, npt.NDArray[Any], Outputs]] = [
        ("for the same jets", np.arange(n_jets), runner.run(arrays)),
        ("in another order", order, elsewhere),
        *(("alone", np.array([jet]), runner.run(taken(arrays, np.array([jet])))) for jet in range(n_jets)),
    ]
    for name, values in together.items():
        for how, jets, outputs in tries:
            if (jet := _other(values[jets], outputs[name])) is not None:
                before, now = (np.ravel(part)[0] for part in (values[jets][jet], outputs[name][jet]))
                raise ModelError(
                    f"model {card.name!r} gives a jet {before:.6g} among {n_jets} jets and {now:.6g} {how} ({name}): "
                    "its graph is random, or mixes the jets of a batch (a mean or a normalisation over the batch, a "
                    "wrong axis). Export the network in evaluation mode, with one row a jet."
                )


def check_same_network(runner: Runner, reference: Runner, card: ModelCard, called: str) -> None:
    """Compare a network elsewhere with the card's own graph on a few jets.

    Parameters
    ----------
    runner, reference : Runner
    card : ModelCard
        Says what the network reads.
    called : str
        What messages call the one elsewhere.

    Raises
    ------
    ModelError
        If a jet's numbers differ.
    """
    arrays = compute(_jets(card), card.feature_set)
    expected, found = reference.run(arrays), runner.run(arrays)
    for name, values in expected.items():
        if (jet := _other(values, found[name], _TOLERANCE_OF_BACKENDS)) is not None:
            wanted, got = (np.ravel(part[jet])[0] for part in (values, found[name]))
            raise ModelError(
                f"{called} is not the network of model {card.name!r}: it gives a jet {got:.6g} where the model's own "
                f"graph gives {wanted:.6g} ({name}). Load the model.onnx of this model there."
            )


def _other(expected: npt.NDArray[Any], found: npt.NDArray[Any], tolerance: float = _TOLERANCE) -> int | None:
    """The first jet whose numbers differ by more than rounding."""
    finite = np.abs(expected[np.isfinite(expected)])
    limit = tolerance * (float(finite.max()) if finite.size else 0.0)
    same = np.isclose(found, expected, rtol=0.0, atol=limit, equal_nan=True).reshape(len(expected), -1).all(axis=1)
    return None if same.all() else int(np.argmin(same))


def taken(arrays: Arrays, jets: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    """The inputs of some of the jets, in their order."""
    taken: dict[str, npt.NDArray[Any]] = {}
    for name, values in arrays.items():
        collection = name.removesuffix("_features").removesuffix("_offsets")
        offsets = arrays.get(node_names.offsets(collection))
        if offsets is None:
            taken[name] = values[jets]
        elif name == node_names.offsets(collection):
            taken[name] = np.append(0, np.cumsum(np.diff(offsets)[jets]))
        else:
            taken[name] = np.concatenate([values[offsets[jet] : offsets[jet + 1]] for jet in jets])
    return taken


def _jets(card: ModelCard) -> FlatJets:
    """A few jets as the network's catalogue needs them, the same each time."""
    features, random = card.feature_set, np.random.default_rng(1)
    n_jets = len(_COUNTS)

    def drawn(quantity: str, size: int) -> npt.NDArray[np.float32]:
        return random.uniform(*_VALUES.get(quantity, (0.0, 1.0)), size).astype(np.float32)

    jet: dict[str, npt.NDArray[Any]] = {quantity: drawn(quantity, n_jets) for quantity in features.jet_quantities}
    pt_range = np.clip(card.domain.pt_raw or (20.0, 2000.0), 20.0, 2000.0)
    eta_range = np.clip(card.domain.abs_eta or (0.0, 5.0), 0.0, 5.0)
    pt = np.linspace(pt_range[0], pt_range[1], n_jets).astype(np.float32)
    jet |= {
        "pt_raw": pt,
        "mass_raw": pt / 8,
        "eta": np.linspace(eta_range[0], eta_range[1], n_jets + 2)[1:-1].astype(np.float32),
        "phi": np.linspace(-3, 3, n_jets).astype(np.float32),
    }
    offsets = np.append(0, np.cumsum(_COUNTS))
    of_jet = np.repeat(np.arange(n_jets), _COUNTS)
    collections = {}
    for collection, quantities in features.constituent_quantities.items():
        columns: dict[str, npt.NDArray[Any]] = {quantity: drawn(quantity, len(of_jet)) for quantity in quantities}
        share = random.uniform(0.2, 1.0, len(of_jet))
        columns |= {
            "pt": (pt[of_jet] * share / np.array(_COUNTS)[of_jet]).astype(np.float32),
            "eta": (jet["eta"][of_jet] + random.normal(0, 0.1, len(of_jet))).astype(np.float32),
            "phi": (jet["phi"][of_jet] + random.normal(0, 0.1, len(of_jet))).astype(np.float32),
            "pdg_id": np.resize(np.array(_IDS.get(collection, (0,)), np.int32), len(of_jet)),
        }
        collections[collection] = Constituents(columns, np.arange(len(of_jet)), offsets)
    return FlatJets(jet, collections, np.array([0, n_jets]), no_status(n_jets))
