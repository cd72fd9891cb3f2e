"""One row of the feature catalogue."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATALOGUE_SOURCE", "Feature"]

CATALOGUE_SOURCE = "Holmberg thesis, tables 6.1 and 6.2"


@dataclass(frozen=True)
class Feature:
    """One row of the catalogue.

    Attributes
    ----------
    name, collection : str
    unit : str
        ``"1"`` for a pure number.
    formula : str
        For people; the code is in `coffea_mljec.features.kernels`.
    kernel : str
        Which kernel computes it: ``jet`` (a jet's own quantity), ``log`` (its logarithm), ``abs`` (its size),
        ``shape``, ``gather``, ``is_equal``, ``is_abs_equal`` (of the absolute value), ``significance``, ``relative``,
        ``function``.
    quantities : tuple of str
        Quantities of the jet (collection ``jet``) or of the constituent that it is made from.
    jet_quantities : tuple of str
        Quantities of the jet that a constituent's feature is made from.
    value : int
        The value that a one-hot feature compares with, or the column of `coffea_mljec.features.kernels.jet_shapes`.
    source : str
    aliases : tuple of str
        Names that weaver's and CMSSW's files have for it.
    function : str
        For ``function``: a name of `coffea_mljec.features.functions`, or ``module:name`` of a registered one.
    """

    name: str
    collection: str
    unit: str
    formula: str
    kernel: str
    quantities: tuple[str, ...]
    jet_quantities: tuple[str, ...] = ()
    value: int = 0
    source: str = CATALOGUE_SOURCE
    aliases: tuple[str, ...] = ()
    function: str = ""
