"""The recipe of a training: every setting, read from a YAML or TOML file and saved with the run."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from coffea_mljec.errors import InputError
from coffea_mljec.features import FEATURE_SETS, FeatureSet
from coffea_mljec.support.atomic import write_text
from training import defaults
from training.dataset.files import Place
from training.dataset.selection import Selection
from training.learning.losses import Loss, loss_named
from training.learning.sampling import SamplingSettings
from training.learning.settings import Learning
from training.networks.architecture import ARCHITECTURES, AnyArchitecture
from training.networks.standardisation import Transform
from training.refusals import refused
from training.trees.settings import Trees

__all__ = ["AnyRecipe", "BaseRecipe", "Recipe", "TreesRecipe", "parse_recipe", "read_recipe"]

Positive = Annotated[int, Field(gt=0)]


class BaseRecipe(BaseModel):
    """What every training depends on, whatever it trains: which jets, which features, what the card says.

    Attributes
    ----------
    name : str
        Name of the run's folder and of the exported model.
    description : str
        One line for the model card.
    sample : str
        Name of the training sample for the model card.
    fast_simulation : bool
        Whether the sample is parametrised simulation; applying the model to anything else then warns.
    algorithm : str
        Jet algorithm and pileup scheme, for the model card.
    collections : tuple of str
        NanoAOD collections that the model may be applied to.
    productions : tuple of Path or str
        Folders with simulated ROOT files, files, patterns of them, or addresses of files (``root://``, ``https://``).
        Relative paths count from the working directory.
    cache, runs : Path
        Folders for prepared jets and for runs.
    seed : int
        Of weights, order and acceptance.
    features : str or mapping
        A named feature set, or collection -> names.
    split : tuple of float
        Shares of train, validation and test events.
    train_jets : int or None
        Jets of the training split that are used, drawn by the seed before they are sampled; None: all.
    train_scatters, train_passes : int or None
        The first so many hard scatters of the training split, and detector passes of each; None: all
        (`training.dataset.splits.first_scatters`). Both come before ``train_jets``.
    selection, sampling
        See there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str
    sample: str
    fast_simulation: bool
    algorithm: str = defaults.ALGORITHM
    collections: tuple[str, ...] = ("Jet",)
    productions: Annotated[tuple[Place, ...], Field(min_length=1)]
    cache: Path = Path("productions/prepared")
    runs: Path = Path("runs")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    features: str | dict[str, tuple[str, ...]] = "pfnano"
    split: tuple[float, float, float] = (0.6, 0.2, 0.2)
    train_jets: Positive | None = None
    train_scatters: Positive | None = None
    train_passes: Positive | None = None
    selection: Selection = Selection()
    sampling: SamplingSettings = SamplingSettings()

    @field_validator("features")
    @classmethod
    def _known_features(cls, value: str | dict[str, tuple[str, ...]]) -> str | dict[str, tuple[str, ...]]:
        if isinstance(value, str):
            if value not in FEATURE_SETS:
                raise ValueError(
                    f"unknown feature set {value!r}: choose one of {', '.join(FEATURE_SETS)} or list the names"
                )
        else:
            FeatureSet.from_names(value)
        return value

    @property
    def feature_set(self) -> FeatureSet:
        """The features as a validated schema."""
        return FEATURE_SETS[self.features] if isinstance(self.features, str) else FeatureSet.from_names(self.features)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.runs / self.name

    def write(self, path: Path) -> None:
        """Write the recipe as YAML, every setting in it; `read_recipe` reads it."""
        write_text(path, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))


class Recipe(BaseRecipe):
    """Everything that the training of a network depends on.

    Attributes
    ----------
    architecture : str or architecture
        A named architecture, or its widths.
    transforms : mapping
        collection -> feature -> `Transform`, in place of the defaults.
    learning : Learning
        How the weights are found.
    on_gpu : mapping
        Settings in place of the above on a GPU (`settled`): a card that is as fast as fifty cores wants larger batches
        and more passes. Names as in a recipe's file.
    """

    architecture: str | AnyArchitecture = "pfn-r-lite"
    transforms: dict[str, dict[str, Transform]] = {}
    learning: Learning = Learning()
    on_gpu: dict[str, Any] = {}

    @model_validator(mode="after")
    def _possible_on_a_gpu(self) -> Recipe:
        if self.on_gpu:
            self.settled(gpu=True)
        return self

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, value: str | AnyArchitecture) -> str | AnyArchitecture:
        if isinstance(value, str) and value not in ARCHITECTURES:
            raise ValueError(
                f"unknown architecture {value!r}: choose one of {', '.join(ARCHITECTURES)} or give its widths"
            )
        return value

    @model_validator(mode="after")
    def _masses_are_beside_a_correction(self) -> Recipe:
        if self.selection.masses and self.learning.classes:
            raise ValueError(
                f"selection.masses {', '.join(self.selection.masses)} are learnt beside a correction alone: leave "
                "learning.classes out, or the masses"
            )
        return self

    @property
    def loss_function(self) -> Loss:
        """The loss, with all outputs."""
        return loss_named(
            self.learning.loss, self.learning.classes, self.learning.classes_weight, self.selection.masses
        )

    @property
    def widths(self) -> AnyArchitecture:
        """The architecture with its widths."""
        return ARCHITECTURES[self.architecture] if isinstance(self.architecture, str) else self.architecture

    def settled(self, gpu: bool) -> Recipe:
        """Return the recipe as it is trained, with the settings of `on_gpu` or without them."""
        content = self.model_dump() | {"on_gpu": {}}
        if gpu:
            content |= self.on_gpu | {"learning": content["learning"] | self.on_gpu.get("learning", {})}
        return Recipe.model_validate(content)


class TreesRecipe(BaseRecipe):
    """Everything that the training of boosted trees depends on.

    Attributes
    ----------
    trees : Trees
        Number, size and learning rate of the trees.
    """

    features: str | dict[str, tuple[str, ...]] = "jets"
    trees: Trees

    @field_validator("features")
    @classmethod
    def _of_jets_alone(cls, value: str | dict[str, tuple[str, ...]]) -> str | dict[str, tuple[str, ...]]:
        chosen = FEATURE_SETS[value] if isinstance(value, str) else FeatureSet.from_names(value)
        if set(chosen.names()) != {"jet"}:
            raise ValueError(f"boosted trees read jet features only, and these hold {', '.join(chosen.names())}")
        return value


AnyRecipe = Recipe | TreesRecipe


def parse_recipe(content: dict[str, Any]) -> AnyRecipe:
    """Return the recipe that some settings make; raises pydantic's ValidationError."""
    return (TreesRecipe if "trees" in content else Recipe).model_validate(content)


def read_recipe(path: Path, **changes: Any) -> AnyRecipe:
    """Read a recipe from a ``.yaml``, ``.yml`` or ``.toml`` file; one with ``trees`` is that of boosted trees.

    Parameters
    ----------
    path : Path
        The file.
    **changes
        Settings in place of the file's.

    Raises
    ------
    InputError
        If there is no such file, it cannot be parsed, or a setting is unknown, missing or impossible: each is named.
    """
    if not path.is_file():
        raise InputError(f"no recipe at {path}: give a YAML or TOML file such as training/configs/pfn-r-lite.yaml")
    text = path.read_text()
    try:
        content = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be parsed: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold settings by name, got {type(content).__name__}")
    try:
        return parse_recipe(content | changes)
    except ValidationError as error:
        raise InputError(f"{path}: impossible settings: {refused(error, 'recipe')}") from None
