"""What a training starts from, whatever it trains: prepared jets, splits, and the sampled density."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from training.dataset import SPLITS, PreparedJets, prepare, split_of
from training.learning.recipe import AnyRecipe, read_recipe
from training.learning.sampling import Sampled, plot_sampling, sample

__all__ = ["Material", "gather", "refuse_another_recipe"]

#: Settings that a resumed run may change.
_LIMITS = {"max_epochs", "max_minutes", "threads", "accelerator"}


@dataclass(frozen=True)
class Material:
    """Jets, and what becomes of them.

    Attributes
    ----------
    jets : PreparedJets
        All selected jets.
    rows : dict of str to int64 array
        ``train``, ``val`` and ``test`` -> rows of the jets.
    sampled : Sampled
        Acceptance and weight of all jets, each split on its own; ``report`` by split.
    """

    jets: PreparedJets
    rows: dict[str, NDArray[np.int64]]
    sampled: Sampled

    def expected(self) -> NDArray[np.float32]:
        """Return acceptance x weight of all jets: what each is worth in the target density."""
        return self.sampled.acceptance * self.sampled.weight


def gather(recipe: AnyRecipe, progress: bool = True) -> Material:
    """Prepare the jets of a recipe, split and sample them; start the run's folder with ``recipe.yaml`` and
    ``sampling.png``.

    Raises
    ------
    InputError
        If the split of training or validation is empty; see also `prepare` and `sample`.
    """
    jets = prepare(recipe.productions, recipe.feature_set, recipe.selection, recipe.cache, progress)
    split = split_of(jets.columns["scatter"], recipe.split)
    rows = {name: np.flatnonzero(split == i) for i, name in enumerate(SPLITS)}
    if empty := [name for name in ("train", "val") if not len(rows[name])]:
        raise InputError(f"no jets in {', '.join(empty)} of {len(jets)} selected ones: simulate more, or change split")
    if recipe.train_jets is not None and recipe.train_jets < len(rows["train"]):
        drawn = np.random.default_rng((recipe.seed, 4)).choice(rows["train"], recipe.train_jets, replace=False)
        rows["train"] = np.sort(drawn)
    sampled = _sampled(jets, rows, recipe)
    recipe.folder.mkdir(parents=True, exist_ok=True)
    recipe.write(recipe.folder / "recipe.yaml")
    chosen = rows["train"]
    pt, eta, flavour = (jets.columns[name][chosen] for name in ("pt_gen", "eta_gen", "flavour"))
    thinned = Sampled(sampled.acceptance[chosen], sampled.weight[chosen], sampled.report)
    plot_sampling(recipe.folder / "sampling.png", pt, eta, flavour, thinned, recipe.sampling)
    return Material(jets, rows, sampled)


def refuse_another_recipe(folder: Path, recipe: AnyRecipe, resume: bool) -> None:
    """Check that a run may start, or go on, in its folder.

    Raises
    ------
    InputError
        If the folder has a run and ``resume`` is false, or a run of another recipe.
    """
    if not (folder / "recipe.yaml").exists():
        return
    if not resume:
        raise InputError(
            f"the run {folder} exists: --resume goes on with it; otherwise rename the recipe or remove the run"
        )
    old, new = (_settings(one) for one in (read_recipe(folder / "recipe.yaml"), recipe))
    if old != new:
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        raise InputError(
            f"the recipe of {folder} differs in {', '.join(changed)}: a run goes on with its own recipe only"
        )


def _settings(recipe: AnyRecipe) -> dict[str, Any]:
    return recipe.model_dump(mode="json", exclude={"learning": _LIMITS, "trees": {"threads"}})


def _sampled(jets: PreparedJets, rows: dict[str, NDArray[np.int64]], recipe: AnyRecipe) -> Sampled:
    # Each split on its own, so that each follows the target and nothing of one enters the weights of another.
    acceptance = np.zeros(len(jets), np.float32)
    weight = np.zeros(len(jets), np.float32)
    reports = {}
    for name, chosen in rows.items():
        if len(chosen):
            pt, eta, flavour = (jets.columns[column][chosen] for column in ("pt_gen", "eta_gen", "flavour"))
            part = sample(pt, eta, flavour, recipe.sampling)
            acceptance[chosen], weight[chosen], reports[name] = part.acceptance, part.weight, part.report
    return Sampled(acceptance, weight, reports)
