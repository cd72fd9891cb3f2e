"""`JetVetoMap`: events with a jet where the detector was noisy or dead."""

from __future__ import annotations

import os
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec.errors import InputError
from coffea_mljec.nano import JetChunk, detect
from coffea_mljec.nano.dask_events import on_partitions
from coffea_mljec.nano.detection import is_dask
from coffea_mljec.nano.jagged import flat_column, jagged_of, offsets_of
from coffea_mljec.nano.requirements import jet_branches
from coffea_mljec.payloads.library_file import read_correction
from coffea_mljec.selection.jet_id import JetID

__all__ = ["JetVetoMap"]

BoolArray = npt.NDArray[np.bool_]

LEAST_PT = 15.0
MOST_EM = 0.9
ETA_LIMIT = 5.19
PHI_LIMIT = 3.1415
"""Maps end at pi, rounded down or up: NanoAOD's phi, rounded too, is brought inside the last cell."""

_QUANTITIES = ("pt", "eta", "phi", "charged_em_fraction", "neutral_em_fraction")


class JetVetoMap:
    """A map of the regions that JME vetoes: ``events = events[veto(events)]``.

    An event is kept if none of its jets with corrected pT above 15 GeV, tight identification with a veto of leptons and
    less than 90 % of the energy in the electromagnetic calorimeter lies in a vetoed cell, in data and in simulation.
    That is JME's recommendation for Run 3; for Run 2 it is enough to leave the jets out, ``jets[~veto.jets(events)]``.

    Parameters
    ----------
    path : str or path
        ``jetvetomaps.json.gz``.
    name : str
        ``"Summer22EE_23Sep2023_RunEFG_V1"``.
    kind : str
        ``"jetvetomap"`` is the one for analyses; files have others, such as ``"jetvetomap_hem1516"``.
    jet_id : JetID, optional
        By default ``JetID("TightLeptonVeto")``.

    Raises
    ------
    PayloadError
        The file is unreadable or has no such map (the message names those that it has).

    References
    ----------
    https://cms-jerc.web.cern.ch/Recommendations/#jet-veto-maps
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        name: str,
        kind: str = "jetvetomap",
        jet_id: JetID | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.jet_id = jet_id or JetID()
        self._library = read_correction(os.fspath(path), name, ("type", "eta", "phi"))
        try:
            self._library.evaluate({"type": kind, "eta": np.zeros(1), "phi": np.zeros(1)})
        except Exception as error:
            raise InputError(f"{name} has no map {kind!r}: {error}. The one for analyses is 'jetvetomap'.") from None

    def __repr__(self) -> str:
        return f"JetVetoMap({self.name}, {self.kind!r})"

    @property
    def _asker(self) -> str:
        return f"the jet veto map {self.name}"

    def apply(self, events: Any, collection: str = "Jet", jets: Any = None) -> Any:
        """Return which events to keep, bool, shape (n_events,).

        Parameters
        ----------
        events : NanoEvents
            Eager, virtual or dask.
        collection : str
            AK4 jets, whole.
        jets : ak.Array, optional
            The same jets with another pT, such as those that a provider has corrected; without it that of the file.

        Raises
        ------
        MissingBranchError
            The file lacks a fraction or what the identification needs.
        InputError
            The jets are not those of the events.
        """
        return ~ak.any(self.jets(events, collection, jets), axis=1)

    __call__ = apply

    def jets(self, events: Any, collection: str = "Jet", jets: Any = None) -> Any:
        """Return which jets lie in a vetoed cell, and count; bool in the shape of the collection.

        Parameters and errors are those of `apply`. A jet whose phi is NaN counts as vetoed.
        """
        if is_dask(events):
            self.required_branches(events, collection)
            return on_partitions(self, "jets", events, collection, *(() if jets is None else (jets,)))
        layout = detect(events, collection)
        if ak.backend(events) == "typetracer":
            for branch in jet_branches(layout, _QUANTITIES, self._asker):
                ak.typetracer.touch_data(branch.of(events))
            if jets is not None:
                ak.typetracer.touch_data(jets["pt"])
            return self.jet_id.apply(events, collection)
        chunk = JetChunk(events, layout, self._asker)
        if jets is not None and not np.array_equal(offsets_of(jets, "jets"), chunk.offsets):
            raise InputError(f"jets and events.{collection} differ in number: give all jets of these events.")
        pt = chunk.jet("pt") if jets is None else flat_column(jets["pt"], "jets.pt")
        em = chunk.jet("charged_em_fraction") + chunk.jet("neutral_em_fraction")
        counting = (pt > LEAST_PT) & (em < MOST_EM) & self.jet_id.mask(chunk)
        mask = np.zeros(len(chunk), np.bool_)
        mask[counting] = self.vetoed(chunk.jet("eta")[counting], chunk.jet("phi")[counting])
        return jagged_of({"mask": mask}, chunk.offsets)["mask"]

    def vetoed(self, eta: npt.ArrayLike, phi: npt.ArrayLike) -> BoolArray:
        """Which directions lie in a vetoed cell, shape (n,); true where one is NaN, false beyond the map."""
        eta, phi = np.asarray(eta, np.float64), np.asarray(phi, np.float64)
        lost = ~(np.isfinite(eta) & np.isfinite(phi))
        inside = ~lost & (np.abs(eta) < ETA_LIMIT)
        mask = lost.copy()
        given = {"type": self.kind, "eta": eta[inside], "phi": np.clip(phi[inside], -PHI_LIMIT, PHI_LIMIT)}
        if inside.any():
            mask[inside] = self._library.evaluate(given) > 0
        return mask

    def required_branches(self, events: Any, collection: str = "Jet") -> tuple[str, ...]:
        """List the branches that `apply` reads, with the counter of the jets, sorted."""
        read = {branch.name for branch in jet_branches(detect(events, collection), _QUANTITIES, self._asker)}
        return tuple(sorted(read | set(self.jet_id.required_branches(events, collection))))
