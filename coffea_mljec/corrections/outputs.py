"""`Network`: everything that a network says of jets, by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import awkward as ak
import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults, models
from coffea_mljec.corrections.evaluation import Evaluation
from coffea_mljec.models.backends import TritonServer, backend_of
from coffea_mljec.models.formats.weaver import OutputChoice, PathLike, read_weaver
from coffea_mljec.models.outputs import STATUS_FIELD
from coffea_mljec.nano import COLUMNS, JetChunk
from coffea_mljec.nano.dask_events import on_partitions
from coffea_mljec.nano.detection import is_dask
from coffea_mljec.nano.jagged import jagged_of
from coffea_mljec.status import STATUS_TYPE, Status, mark

__all__ = ["Network"]


@final
class Network:
    """A network, whatever it gives: a model of this project, of CMS, or of a user.

    To correct jets, hand it to `MLJEC`, if one of its outputs is a pT or a mass.

    Parameters
    ----------
    model : str, path or ModelFolder
        The name of a bundled model, the path of a model folder, or one that is open.
    threads : int
        Batches that run side by side. Each session keeps one thread; on a shared worker leave this at 1.
    public_key : path, optional
        As for `MLJEC`: refuse the model unless its folder was signed with the private key of this one.
    device : {"cpu", "cuda"}
        Where this process evaluates the network. ``"cuda"`` needs onnxruntime's CUDA provider; the graph is run by it
        then, not by the card's engine, whose kernels are for CPUs.
    server : TritonServer, optional
        A server that evaluates the network instead of this process; see `TritonServer`.

    Attributes
    ----------
    model : ModelFolder

    Raises
    ------
    ModelError
        If there is no such model, or its folder cannot be trusted.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | models.ModelFolder,
        *,
        threads: int = 1,
        public_key: str | os.PathLike[str] | None = None,
        device: str = defaults.DEVICE,
        server: TritonServer | None = None,
    ) -> None:
        self.model = models.given_model(model, public_key)
        self._network = Evaluation(self.model, threads, backend_of(device, server))

    @classmethod
    def from_weaver(
        cls,
        onnx: PathLike | Sequence[PathLike],
        preprocess: PathLike,
        *,
        collection: str,
        name: str | None = None,
        description: str | None = None,
        algorithm: str | None = None,
        outputs: Mapping[str, OutputChoice] | None = None,
        variables: Mapping[str, str] | None = None,
        order_by: str | None = None,
        domain: Mapping[str, tuple[float, float]] | None = None,
        threads: int = 1,
        device: str = defaults.DEVICE,
        server: TritonServer | None = None,
    ) -> Network:
        """Read a network that weaver trained, as CMSSW ships and runs it.

        Candidates are prepared as CMSSW does: those of PUPPI jets with a weight below 0.01 are left out, the rest is
        ordered by pT (weighted by PUPPI where the jets are), vertices by the significance of their transverse distance.

        Parameters
        ----------
        onnx : path, or sequence of paths
            The graph; several are an ensemble, whose outputs are averaged.
        preprocess : path
            Its ``preprocess.json``.
        collection : str
            The jets that it is for: ``"FatJet"``, ``"Jet"``.
        name, description : str, optional
            For messages, tables and a model folder.
        algorithm : str, optional
            ``AK8PFPuppi`` for FatJet by default. For Jet ``AK4PFchs`` or ``AK4PFPuppi``: if it is not said, nothing
            warns of jets of the other kind, and candidates are not selected by their weight.
        outputs : mapping of str to str or (str, str), optional
            Name of an output -> its quantity, or (quantity, transform), see `coffea_mljec.models.outputs.Output`.
            Without a word of it, ``label_...`` is a probability where the outputs add up to 1, ``mass`` is a mass in
            GeV, anything else a value.
        variables : mapping of str to str, optional
            Variable of the file -> feature of the catalogue, such as ``"candidates.log_pt"``, for names that CMSSW
            does not use.
        order_by : str, optional
            The quantity that orders candidates.
        domain : mapping of str to (float, float), optional
            Where the network may be applied: ``pt_raw`` (GeV), ``abs_eta``, ``rho``, ``n_pv``. Everywhere by default.
        threads, device, server
            As for `Network` itself.

        Raises
        ------
        ModelError
            If a file is missing or damaged, the two do not fit each other, or the graph needs other files.
        InputError
            If no NanoAOD flavour holds a variable, or an option names what the file does not have.
        """
        model = read_weaver(
            onnx, preprocess, collection=collection, name=name, description=description, algorithm=algorithm,
            outputs=outputs, variables=variables, order_by=order_by, domain=domain,
        )  # fmt: skip
        return cls(model, threads=threads, device=device, server=server)

    def __repr__(self) -> str:
        given = ", ".join(f"{output.name} ({output.quantity})" for output in self.card.outputs[:4])
        more = len(self.card.outputs) - 4
        return f"Network({self.card.name!r}: {given}{f', and {more} more' if more > 0 else ''})"

    @property
    def name(self) -> str:
        """What tables and messages call it."""
        return self.card.name

    @property
    def card(self) -> models.ModelCard:
        """The model's card."""
        return self.model.card

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(output.name for output in self.card.outputs)

    def outputs(self, events: Any, collection: str | None = None) -> Any:
        """Evaluate the network.

        Parameters
        ----------
        events : NanoEvents
            Eager, virtual or dask; not changed.
        collection : str, optional
            The jet collection; the card's first by default. Whole, or cut and sorted as for `MLJEC`.

        Returns
        -------
        ak.Array or dask_awkward.Array
            One record for each jet, in the shape of the collection: the outputs by name, float32, in the unit of their
            quantity, and ``mljec_status``. APPLIED says that the numbers count; where it is not set they are NaN.

        Raises
        ------
        InputError
            If these are not NanoEvents, have no such collection, or the network is for other jets.
        MissingBranchError
            If the file lacks something that the network reads.
        """
        collection = self.card.collections[0] if collection is None else collection
        if is_dask(events):
            self.required_branches(events, collection)
            return on_partitions(self, "outputs", events, collection)
        chunk = self._chunk(events, collection)
        if ak.backend(events) == "typetracer":
            return self._meta(chunk)
        found = self._network.evaluate(chunk)
        status, treated = found.status.copy(), found.treated
        mark(status, treated, Status.APPLIED)
        columns = {name: np.where(treated, value, np.nan).astype(np.float32) for name, value in found.values.items()}
        return jagged_of(columns | {"mljec_status": status}, chunk.offsets)

    def apply(self, events: Any, collection: str | None = None) -> Any:
        """Return the jets with the outputs as further fields, ``mljec_<output>``, and ``mljec_status``.

        Nothing else of the jets changes. Parameters and errors are those of `outputs`.
        """
        collection = self.card.collections[0] if collection is None else collection
        given, jets = self.outputs(events, collection), events[collection]
        with_field = ak.with_field
        if is_dask(events):
            import dask_awkward

            with_field = dask_awkward.with_field
        for field, output in self._fields.items():
            jets = with_field(jets, given[output], field)
        return jets

    def columns(self, events: Any, collection: str | None = None) -> dict[str, str]:
        """Name the columns of each jet that a friend tree holds, and their types: momenta and what `apply` adds."""
        self._chunk(events, collection or self.card.collections[0])
        momenta = {name: COLUMNS[name] for name in ("pt", "eta", "phi", "mass")}
        return momenta | {field: COLUMNS.get(field, "float32") for field in self._fields}

    @property
    def _fields(self) -> dict[str, str]:
        """Field of the jets -> name of the output."""
        return {f"mljec_{name}": name for name in self.output_names} | {STATUS_FIELD: STATUS_FIELD}

    def features(self, events: Any, collection: str | None = None) -> dict[str, npt.NDArray[Any]]:
        """Return the flat arrays that the network is made of: see `MLJEC.features`."""
        return self._network.features(self._chunk(events, collection or self.card.collections[0]))

    def required_branches(self, events: Any, collection: str | None = None) -> tuple[str, ...]:
        """List the branches of this file that `outputs` reads, counters included, sorted.

        Raises
        ------
        MissingBranchError
            If the file lacks one.
        """
        layout = self._chunk(events, collection or self.card.collections[0]).layout
        branches = self._network.branches(layout)
        jagged = {branch.table for branch in branches if branch.table and events[branch.table].ndim > 1}
        return tuple(sorted({branch.name for branch in branches} | {f"n{table}" for table in jagged}))

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write it as a model folder, which every `MLJEC`, `Network` and ``mljec`` command reads; return its path."""
        fields = self.card.model_dump(exclude={"sha256", "members", "schema_version"})
        models.write_folder(folder, self.model.graph, fields, self.model.members)
        return Path(folder)

    def _chunk(self, events: Any, collection: str) -> JetChunk:
        chunk = JetChunk.of(events, collection, self._network.asker)
        self._network.check(chunk.layout)
        return chunk

    def _meta(self, chunk: JetChunk) -> ak.Array:
        for branch in self._network.branches(chunk.layout):
            ak.typetracer.touch_data(branch.of(chunk.events))
        like = chunk.collection["pt"]
        fields = dict.fromkeys(self.output_names, np.float32) | {"mljec_status": STATUS_TYPE}
        return ak.zip({name: ak.values_astype(like, dtype) for name, dtype in fields.items()})
