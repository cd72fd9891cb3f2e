"""What a layout hands to the features: all jets of a chunk, flat, content + offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coffea_mljec.status import StatusArray

__all__ = ["Constituents", "FlatJets"]


@dataclass(frozen=True)
class Constituents:
    """The constituents of one kind, grouped by jet.

    Attributes
    ----------
    columns : mapping of str to ndarray
        Canonical quantity -> flat table over the whole chunk (all candidates, linked or not).
    index : ndarray of int64, shape (N,)
        Rows of those tables, jet by jet, in the order of the table; of a table whose rows belong to one jet each, by
        falling pT.
    offsets : ndarray of int64, shape (n_jets + 1,)
        Jet ``j`` owns ``index[offsets[j]:offsets[j + 1]]``.
    on_links : frozenset of str
        Quantities whose columns belong to the table of links.
    links : ndarray of int64, shape (N,), optional
        Rows of that table, in the order of `index`; where there are such quantities.
    """

    columns: Mapping[str, npt.NDArray[np.generic]]
    index: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    on_links: frozenset[str] = frozenset()
    links: npt.NDArray[np.int64] | None = None

    def rows(self, quantity: str) -> npt.NDArray[np.int64]:
        """Rows of a quantity's column, in the order of `index`."""
        if quantity not in self.on_links:
            return self.index
        assert self.links is not None  # `JetChunk.flat` groups with them where such a quantity is asked for
        return self.links


@dataclass(frozen=True)
class FlatJets:
    """All jets of a chunk in canonical quantities.

    Attributes
    ----------
    jet : mapping of str to ndarray, shape (n_jets,)
        ``pt_raw`` and ``mass_raw`` (GeV, before any correction), ``eta``, ``phi``, ``area``, ``rho`` (GeV), ``n_pv``.
    collections : mapping of str to Constituents
        Any of ``charged``, ``neutral``, ``sv``.
    jet_offsets : ndarray of int64, shape (n_events + 1,)
        Event ``i`` owns the jets ``jet_offsets[i]:jet_offsets[i + 1]``.
    flags : ndarray of `coffea_mljec.status.STATUS_TYPE`, shape (n_jets,)
        Bits of `coffea_mljec.corrections.Status` that the layout found (no or incomplete constituents).
    """

    jet: Mapping[str, npt.NDArray[np.generic]]
    collections: Mapping[str, Constituents]
    jet_offsets: npt.NDArray[np.int64]
    flags: StatusArray

    def __len__(self) -> int:
        return int(self.jet_offsets[-1])
