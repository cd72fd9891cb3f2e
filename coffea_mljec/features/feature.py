"""One row of the feature catalogue."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATALOGUE_SOURCE", "NEAR_WIDTH", "VERTEX_KERNELS", "Feature"]

CATALOGUE_SOURCE = "Holmberg thesis, tables 6.1 and 6.2"

NEAR_WIDTH = 0.2
"""Width in |eta| of the bells that annotate a jet's place: about half the radius of a large jet."""

VERTEX_KERNELS = ("n_vertices", "leading_vertex")
"""Kernels of features of a jet that are made from its secondary vertices."""


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
        ``near`` (how near |eta| is to a place of the detector), ``shape``, ``n_vertices``, ``leading_vertex`` (of the
        jet's secondary vertex with the highest pT), ``gather``, ``is_equal``, ``is_abs_equal`` (of the absolute value),
        ``significance``, ``relative``, ``function``.
    quantities : tuple of str
        Quantities of the jet (collection ``jet``) or of the constituent that it is made from.
    jet_quantities : tuple of str
        Quantities of the jet that a constituent's feature is made from.
    value : int
        The value that a one-hot feature compares with, the column of `coffea_mljec.features.kernels.jet_shapes`, or
        the place of ``near`` in hundredths.
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
