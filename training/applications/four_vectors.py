"""Jets as lists of four-momenta: the file format of the top tagging reference set, read and written.

The set (G. Kasieczka, T. Plehn, J. Thompson, M. Russell, doi:10.5281/zenodo.2603256; comparison in arXiv:1902.09914)
is one HDF5 table a file, as pandas writes it: the data set ``table/table`` with ``values_block_0``, 804 float32 a jet
(E, PX, PY, PZ of up to 200 constituents by falling pT, then zeros; then those of the top quark), and
``values_block_1``, two int64 (``ttv``, the part of the set, and ``is_signal_new``). Read by place with h5py: what names
the columns in the file is a pickle, which is not opened.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.numerics.geometry import delta_phis
from coffea_mljec.support.atomic import whole_file
from training.applications.fitting import jets_in_memory
from training.dataset import PreparedJets
from training.simulate.batch import offsets_of

__all__ = ["CONSTITUENTS", "FourVectorJets", "prepared", "read_reference", "write_reference"]

CONSTITUENTS = 200
"""Most constituents of a jet."""

_TABLE = "table/table"
_WIDTH = 4 * CONSTITUENTS + 4
_JET = ("log_pt", "mass", "number")
_PARTICLE = ("log_pt", "log_e", "log_share", "rel_eta", "rel_phi", "distance")


@dataclass(frozen=True)
class FourVectorJets:
    """Jets and what they are made of.

    Attributes
    ----------
    momenta : float array [N, 4]
        E, px, py, pz of all constituents in GeV, jet by jet.
    offsets : int64 array [n + 1]
    top : bool array [n]
        Which jets are top quarks.
    """

    momenta: NDArray[np.floating]
    offsets: NDArray[np.int64]
    top: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.top)


def read_reference(path: Path, first: int = 0, last: int | None = None) -> FourVectorJets:
    """Read jets ``first`` to ``last`` (not included; None: all) of a file of the reference set.

    Raises
    ------
    InputError
        If h5py is missing, the file cannot be opened, is laid out differently, holds no jet there, or is compressed in
        a way that needs ``hdf5plugin``.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            if _TABLE not in file:
                raise InputError(f"{path} has no data set {_TABLE}, it has {', '.join(file)}: give a file of the set")
            table = file[_TABLE]
            _check(path, table)
            rows = table[first:last]
    except OSError as error:
        remedy = "pip install hdf5plugin" if "filter" in str(error) else "fetch it again"
        raise InputError(f"{path} cannot be read as HDF5 ({error}): {remedy}") from None
    padded = rows["values_block_0"][:, : 4 * CONSTITUENTS].reshape(-1, CONSTITUENTS, 4)
    there = padded[:, :, 0] > 0.0
    counts = there.sum(axis=1)
    if not len(rows) or (counts == 0).any():
        what = "no jet" if not len(rows) else f"{np.count_nonzero(counts == 0)} jets without constituents"
        raise InputError(f"{path}, jets {first} to {first + len(rows)}: {what}; choose others")
    return FourVectorJets(padded[there], offsets_of(counts), rows["values_block_1"][:, 1] == 1)


def _check(path: Path, table: Any) -> None:
    shapes = {"values_block_0": (_WIDTH,), "values_block_1": (2,)}
    for name, shape in shapes.items():
        found = table.dtype[name].shape if name in (table.dtype.names or ()) else None
        if found != shape:
            raise InputError(
                f"{path}: {name} of {_TABLE} should have {shape[0]} numbers a jet, "
                f"{'it is not there' if found is None else f'it has {found}'}: this is no file of the top tagging "
                "reference set"
            )


def write_reference(path: Path, jets: FourVectorJets, part: int = 0) -> None:
    """Write jets as a file of the reference set; the top quarks' own momenta are left 0.

    Parameters
    ----------
    path : Path
    jets : FourVectorJets
        With at most 200 constituents.
    part : int
        ``ttv``: 0 training, 1 test, 2 validation.
    """
    h5py = _h5py()
    counts = np.diff(jets.offsets)
    rows = np.zeros(
        len(jets), [("index", "<i8"), ("values_block_0", "<f4", (_WIDTH,)), ("values_block_1", "<i8", (2,))]
    )
    padded = rows["values_block_0"][:, : 4 * CONSTITUENTS].reshape(-1, CONSTITUENTS, 4)
    jet = np.repeat(np.arange(len(jets)), counts)
    padded[jet, np.arange(len(jet)) - jets.offsets[:-1][jet]] = jets.momenta
    rows["values_block_0"][:, : 4 * CONSTITUENTS] = padded.reshape(len(jets), -1)
    rows["index"] = np.arange(len(jets))
    rows["values_block_1"] = np.column_stack([np.full(len(jets), part), jets.top])
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset(_TABLE, data=rows, chunks=(min(len(rows), 256),), compression="gzip")


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise InputError(
            "files of the top tagging reference set need h5py: pip install 'coffea-mljec[train]'"
        ) from None
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401  # filters that HDF5 itself does not have: the set is compressed by one
    return h5py


def prepared(jets: FourVectorJets) -> PreparedJets:
    """Return the inputs of a network, from four-momenta alone; the target is 1 for a top quark.

    Of a constituent: ln pT, ln E, ln of its share of the jet's pT, eta, phi and distance from the jet's axis. Of the
    jet: ln pT, mass, number of constituents.

    Raises
    ------
    InputError
        If a jet has no constituents.
    """
    if empty := int(np.count_nonzero(np.diff(jets.offsets) == 0)):
        raise InputError(f"{empty} of {len(jets)} jets have no constituents, so no momentum: leave them out")
    first = jets.offsets[:-1]
    momenta = np.asarray(jets.momenta, np.float64)
    jet = np.repeat(np.arange(len(jets)), np.diff(jets.offsets))
    total = np.add.reduceat(momenta, first, axis=0)
    pt, eta, phi = _directions(momenta)
    jet_pt, jet_eta, jet_phi = _directions(total)
    d_eta = (eta - jet_eta[jet]) * np.where(jet_eta[jet] < 0, -1.0, 1.0)
    d_phi = delta_phis(phi, jet_phi[jet])
    mass = np.sqrt(np.maximum(total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(axis=1), 0.0))
    features = {
        "jet_features": np.column_stack([np.log(jet_pt), mass, np.diff(jets.offsets)]),
        "charged_features": np.column_stack(
            [np.log(pt), np.log(momenta[:, 0]), np.log(pt / jet_pt[jet]), d_eta, d_phi, np.hypot(d_eta, d_phi)]
        ),
        "charged_offsets": jets.offsets,
    }
    return jets_in_memory(features, {"jet": _JET, "charged": _PARTICLE}, jets.top.astype(np.float64))


def _directions(momenta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    pt = np.hypot(momenta[:, 1], momenta[:, 2])
    return pt, np.arcsinh(momenta[:, 3] / pt), np.arctan2(momenta[:, 2], momenta[:, 1])
