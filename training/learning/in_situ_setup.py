"""What a training with data needs: dijets of simulation and data, their cells, and what the start says of all jets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.features import FeatureSet
from training.dataset import PreparedJets
from training.dataset.dijets import ALPHA_EDGES, read_dijets
from training.learning.dijet_cells import dijet_cells
from training.learning.in_situ import SCALE_CELL, START, InSitu, log_corrections
from training.learning.in_situ_term import scale_cells
from training.learning.recipe import Recipe
from training.networks.network import Network

__all__ = ["set_up_in_situ"]


def set_up_in_situ(
    recipe: Recipe, network: Network, jets: PreparedJets, rows: Mapping[str, NDArray[np.int64]], progress: bool = True
) -> tuple[InSitu, dict[str, NDArray[Any]]]:
    """Return the data's part of a training, and the columns that batches of the simulation have beside.

    Parameters
    ----------
    recipe : Recipe
        With data.
    network : Network
        The start, on the CPU, in evaluation mode.
    jets : PreparedJets
        Of the simulation.
    rows : mapping of str to int64 array
        ``train`` and ``val`` -> the jets that are used.
    progress : bool
        Whether to show progress bars.

    Raises
    ------
    InputError
        If simulation or data have no dijets, no cell has enough of both, or too few events are left for a batch.
    """
    settings, selection = recipe.learning.in_situ, recipe.selection
    bins = (settings.pt_edges, settings.eta_edges)
    names: dict[str, Any] = {
        "collection": selection.collection, "generator": selection.generator, "progress": progress,
    }  # fmt: skip
    simulation = read_dijets(
        recipe.productions, FeatureSet.from_names({"jet": ("log_pt",)}), *bins, truth=True, **names
    )
    data = read_dijets(settings.data, recipe.feature_set, *bins, truth=False, **names)
    start = log_corrections(network, data.jets)
    n_cells = (len(settings.pt_edges) - 1) * (len(settings.eta_edges) - 1) * len(ALPHA_EDGES)
    cells = dijet_cells(simulation, data, start, n_cells, settings)
    learning = recipe.learning
    found = InSitu(settings, data, cells, start, recipe.split, recipe.seed, learning.symmetries)
    if min(len(found.train), len(found.val)) < 4:
        raise InputError(
            f"{len(data)} dijets of the data leave {len(found.train)} for training and {len(found.val)} for validation "
            "in cells that can be used: give more, or change split"
        )
    columns = jets.columns
    return found, {
        START: log_corrections(network, jets, np.concatenate([rows["train"], rows["val"]])),
        SCALE_CELL: scale_cells(np.asarray(columns["pt_gen"]), np.asarray(columns["eta_gen"])),
    }
