"""What a study varies, and what it is judged on: read from a YAML file."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from coffea_mljec.defaults import REPLICAS
from coffea_mljec.errors import InputError
from training import defaults
from training.learning.recipe import AnyRecipe, parse_recipe, read_recipe
from training.refusals import refused

__all__ = ["Study", "read_study"]

Positive = Annotated[int, Field(gt=0)]


class Study(BaseModel):
    """Variants of a recipe.

    Attributes
    ----------
    name : str
        Of the study's folder, ``RUNS/NAME-study``, and the beginning of its models' names.
    kind : "learning-curve", "frontier", "cost" or "table"
        What is drawn: loss, beta and alpha against training scatters; alpha against beta; loss against processor time a
        jet; nothing.
    recipe : Path
    settings : mapping
        Settings of all variants in place of the recipe's, by their names with dots: ``learning.flavour.weight``.
    vary : mapping
        Setting -> its values; every combination is a variant.
    variants : list of mapping
        Further variants, each with its settings.
    runs : tuple of Path
        Finished runs that join the comparison as they are.
    models : tuple of str
        Model folders or bundled names that join it too.
    test : tuple of Path
        Test productions.
    closure_from : tuple of Path
        Productions that give the closures; the recipe's own if absent, without the scatters of the training split.
    jec : Path
        Folder with the standard path's text payloads.
    files, closure_files : int or None
        Only so many files of each.
    replicas, workers : int
        Bootstrap resamples behind the errors; processes of the evaluation.
    mark : tuple of str
        Labels that figures mark as working points.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    kind: Literal["learning-curve", "frontier", "cost", "table"] = "table"
    recipe: Path
    settings: dict[str, Any] = {}
    vary: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = {}
    variants: tuple[dict[str, Any], ...] = ()
    runs: tuple[Path, ...] = ()
    models: tuple[str, ...] = ()
    test: Annotated[tuple[Path, ...], Field(min_length=1)]
    closure_from: tuple[Path, ...] = ()
    jec: Path = defaults.JEC
    files: Positive | None = None
    closure_files: Positive | None = None
    replicas: Annotated[int, Field(ge=2)] = REPLICAS
    workers: Positive = 1
    mark: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something_to_compare(self) -> Study:
        if not (self.vary or self.variants or self.runs or self.models):
            raise ValueError("a study compares something: give vary, variants, runs or models")
        return self

    @property
    def train_share(self) -> float:
        """Share of the training split in the productions of the closures: 0 where no training has them."""
        base = self.base()
        trained = {str(place) for place in base.productions}
        apart = bool(self.closure_from) and not trained & {str(place) for place in self.closure_from}
        return 0.0 if apart else base.split[0]

    def base(self) -> AnyRecipe:
        """The recipe with the settings that all variants share."""
        return _changed(read_recipe(self.recipe), self.settings, {}, self.name)

    def recipes(self) -> dict[str, tuple[dict[str, Any], AnyRecipe]]:
        """Label -> the settings that make a variant, and its recipe, whose run lies in the study's folder.

        Raises
        ------
        InputError
            If a setting is unknown or impossible, or two variants are the same.
        """
        base = self.base()
        folder = base.runs / f"{self.name}-study"
        combinations = itertools.product(*self.vary.values()) if self.vary else []
        wanted = [*(dict(zip(self.vary, values, strict=True)) for values in combinations), *self.variants]
        found: dict[str, tuple[dict[str, Any], AnyRecipe]] = {}
        for settings in wanted:
            label = _label(self.name, settings)
            if label in found:
                raise InputError(f"study {self.name!r} has the variant {label!r} twice: name each once")
            found[label] = settings, _changed(base, settings, {"name": label, "runs": folder / "runs"}, label)
        return found


def _changed(recipe: AnyRecipe, settings: dict[str, Any], others: dict[str, Any], label: str) -> AnyRecipe:
    content = recipe.model_dump()
    for name, value in settings.items():
        *path, last = name.split(".")
        part = content
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None  # type: ignore[assignment]
        if not isinstance(part, dict) or last not in part:
            raise InputError(f"{label}: the recipe {recipe.name!r} has no setting {name!r} to vary")
        part[last] = value
    try:
        return parse_recipe(content | others)
    except ValidationError as error:
        raise InputError(f"{label}: impossible settings: {refused(error, 'recipe')}") from None


def _label(study: str, settings: dict[str, Any]) -> str:
    parts = [study]
    for name, value in settings.items():
        text = "all" if value is None else f"{value}" if isinstance(value, str | int | float) else _short(value)
        parts += [name.rpartition(".")[2], text]
    return "-".join("".join(c if c.isalnum() or c in "._-" else "-" for c in part).strip("-") for part in parts)


def _short(value: Any) -> str:
    """A long value, such as widths of layers, in eight letters."""
    from coffea_mljec.support.digest import digest

    return digest(repr(value).encode())[:8]


def read_study(path: Path) -> Study:
    """Read a study's file.

    Raises
    ------
    InputError
        If there is no such file, it cannot be parsed, or a setting is unknown, missing or impossible.
    """
    if not path.is_file():
        raise InputError(f"no study at {path}: give a YAML file, see docs/howto/train.md")
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InputError(f"{path} cannot be parsed: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold settings by name, got {type(content).__name__}")
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: impossible settings: {refused(error, 'study')}") from None
