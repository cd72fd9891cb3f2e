"""The recipe of a training: every setting, read from a YAML or TOML file and saved with the run."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from coffea_mljec.errors import InputError
from coffea_mljec.features import FEATURE_SETS, FeatureSet
from training.dataset.selection import Selection
from training.networks.architecture import ARCHITECTURES, AnyArchitecture
from training.networks.standardisation import Transform
from training.sampling import Sampling

__all__ = ["Learning", "Recipe", "read_recipe"]

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0.0)]


class Learning(BaseModel):
    """How the weights are found (DESIGN section 5).

    Attributes
    ----------
    loss_range : float
        Targets beyond this size contribute 0 to the loss but stay in its denominator.
    batch_size : int
        Jets in a batch.
    learning_rate : float
        Of Adam, at the start.
    plateau_factor, plateau_patience : float, int
        The learning rate is multiplied by the factor after so many epochs without gain.
    stop_patience : int
        Training stops after so many epochs without gain; the best weights are kept.
    least_gain : float
        What counts as a gain in validation loss.
    max_epochs : int
        Training ends there at the latest.
    max_minutes : float or None
        Training ends after the epoch in which this time is over.
    threads : int
        CPU threads of torch.
    accelerator : str
        ``auto`` takes a GPU if there is one; ``cpu``, ``gpu``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    loss_range: Rate = 1.0
    batch_size: Positive = 1024
    learning_rate: Rate = 2e-3
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    plateau_patience: Positive = 5
    stop_patience: Positive = 7
    least_gain: Annotated[float, Field(ge=0.0)] = 1e-4
    max_epochs: Positive = 200
    max_minutes: Rate | None = None
    threads: Positive = 2
    accelerator: Annotated[str, Field(pattern="^(auto|cpu|gpu)$")] = "auto"


class Recipe(BaseModel):
    """Everything that a training depends on.

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
    productions : tuple of Path
        Folders with simulated ROOT files, or files. Relative paths count from the working directory.
    cache, runs : Path
        Folders for prepared jets and for runs.
    seed : int
        Of weights, order and acceptance.
    features : str or mapping
        A named feature set, or collection -> names.
    architecture : str, Architecture or ParticleNetArchitecture
        A named architecture, or its widths.
    transforms : mapping
        collection -> feature -> `Transform`, in place of the defaults.
    split : tuple of float
        Shares of train, validation and test events.
    selection, sampling, learning
        See there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str
    sample: str
    fast_simulation: bool
    algorithm: str = "AK4PFchs"
    collections: tuple[str, ...] = ("Jet",)
    productions: Annotated[tuple[Path, ...], Field(min_length=1)]
    cache: Path = Path("productions/prepared")
    runs: Path = Path("runs")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    features: str | dict[str, tuple[str, ...]] = "pfnano"
    architecture: str | AnyArchitecture = "pfn-r-lite"
    transforms: dict[str, dict[str, Transform]] = {}
    split: tuple[float, float, float] = (0.6, 0.2, 0.2)
    selection: Selection = Selection()
    sampling: Sampling = Sampling()
    learning: Learning = Learning()

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

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, value: str | AnyArchitecture) -> str | AnyArchitecture:
        if isinstance(value, str) and value not in ARCHITECTURES:
            raise ValueError(
                f"unknown architecture {value!r}: choose one of {', '.join(ARCHITECTURES)} or give its widths"
            )
        return value

    @property
    def feature_set(self) -> FeatureSet:
        """The features as a validated schema."""
        return FEATURE_SETS[self.features] if isinstance(self.features, str) else FeatureSet.from_names(self.features)

    @property
    def widths(self) -> AnyArchitecture:
        """The architecture with its widths."""
        return ARCHITECTURES[self.architecture] if isinstance(self.architecture, str) else self.architecture

    def write(self, path: Path) -> None:
        """Write the recipe as YAML, every setting in it; `read_recipe` reads it."""
        temporary = path.with_name(path.name + ".part")
        temporary.write_text(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False))
        temporary.rename(path)


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """Read a recipe from a ``.yaml``, ``.yml`` or ``.toml`` file.

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
        return Recipe.model_validate(content | changes)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc'])) or 'recipe'}: {item['msg']}" for item in error.errors()]
        raise InputError(f"{path}: impossible settings: " + "; ".join(lines)) from None
