"""Features of a user's own: a function of flat columns, by its import path."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.features.catalogue import CATALOGUE, COLLECTIONS, Feature
from coffea_mljec.features.functions import FUNCTIONS, Function
from coffea_mljec.nano.quantities import OWN_FIELD, QUANTITIES
from coffea_mljec.support.suggestions import did_you_mean

__all__ = ["function_of", "register", "register_feature", "registered"]

_OWN = "registered by its user"
"""Source of a feature that did not come with the package."""


def register_feature(
    name: str,
    collection: str,
    quantities: Iterable[str],
    function: Callable[..., npt.NDArray[Any]],
    *,
    jet_quantities: Iterable[str] = (),
    unit: str = "1",
    formula: str = "",
) -> None:
    """Add a feature to the catalogue, so that networks can read it.

    Parameters
    ----------
    name : str
        New within its collection.
    collection : {"jet", "charged", "neutral", "candidates", "sv"}
    quantities : iterable of str
        What the function takes of each constituent (or jet): names of `coffea_mljec.nano.quantities`, or
        ``"field:vtxChi2"`` for a field of the table that this vocabulary does not have.
    function : callable
        Takes the quantities, then the jet's, each float32 of shape (n,); returns an array of shape (n,). It must be
        importable, so that it reaches workers by its module and name: no lambda, nothing of a notebook.
    jet_quantities : iterable of str
        What it takes of the constituent's jet; momenta are raw.
    unit, formula : str
        For people.

    Raises
    ------
    InputError
        If the name is taken, a quantity is unknown, or the function cannot be imported.
    """
    feature = Feature(
        name, collection, unit, formula or f"{_path(function)}", "function", tuple(quantities), tuple(jet_quantities),
        source=_OWN, function=_path(function),
    )  # fmt: skip
    register(feature)


def register(feature: Feature) -> None:
    """Add the row of a user's feature; the same one again changes nothing."""
    if feature.collection not in COLLECTIONS:
        close = did_you_mean(feature.collection, COLLECTIONS)
        raise InputError(f"unknown collection {feature.collection!r}. {close}There are {', '.join(COLLECTIONS)}.")
    _check_quantities(feature)
    rows = CATALOGUE[feature.collection]
    if rows.get(feature.name, feature) != feature:
        raise InputError(
            f"there is a feature {feature.name!r} of collection {feature.collection!r} already "
            f"({rows[feature.name].formula}): choose another name."
        )
    function_of(feature)
    rows[feature.name] = feature


def registered(names: dict[str, tuple[str, ...]]) -> tuple[Feature, ...]:
    """The features among these (collection -> names) that their users registered."""
    rows = (CATALOGUE[collection][name] for collection, own in names.items() for name in own)
    return tuple(feature for feature in rows if feature.source == _OWN)


def function_of(feature: Feature) -> Function:
    """Return the function of a row of the catalogue, imported if its user registered it.

    Raises
    ------
    InputError
        If it cannot be imported here.
    """
    module, _, name = feature.function.rpartition(":")
    if not module:
        return FUNCTIONS[name]
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"feature {feature.name!r} is the function {feature.function}, which cannot be imported here ({error}): "
            "put its module where every worker finds it."
        ) from None
    return found


def _path(function: Callable[..., Any]) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not module or module == "__main__" or "<" in name or not name:
        raise InputError(
            f"a feature's function reaches workers by its import path, and {function!r} has none: write it into a "
            "module of its own, def name(...), and import it from there."
        )
    return f"{module}:{name}"


def _check_quantities(feature: Feature) -> None:
    kinds = ("jet", "event") if feature.collection == "jet" else (feature.collection,)
    for kind_names, names in ((kinds, feature.quantities), (("jet", "event"), feature.jet_quantities)):
        known = [quantity for kind in kind_names for quantity in QUANTITIES[kind]]
        for name in names:
            if name not in known and not name.startswith(OWN_FIELD):
                raise InputError(
                    f"feature {feature.name!r}: unknown quantity {name!r} of {' or '.join(kind_names)}. "
                    f"{did_you_mean(name, known)}There are {', '.join(known)}; {OWN_FIELD}name is a field of the table."
                )
    if not feature.quantities:
        raise InputError(f"feature {feature.name!r} needs at least one quantity.")
