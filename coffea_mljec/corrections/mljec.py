"""`MLJEC`: a network's correction of jets."""

from __future__ import annotations

import os
from typing import Any, Unpack, final

import numpy.typing as npt

from coffea_mljec import defaults, models
from coffea_mljec.corrections.network import NetworkCorrection
from coffea_mljec.corrections.neutrinos import WithNeutrinos
from coffea_mljec.corrections.provider import Provider, check_options
from coffea_mljec.corrections.stored_regression import Selection
from coffea_mljec.errors import InputError
from coffea_mljec.models.backends import TritonServer, backend_of
from coffea_mljec.payloads import Payload
from coffea_mljec.systematics.shifts import SystematicOptions

__all__ = ["MLJEC"]


@final
class MLJEC(Provider):
    """Machine-learned jet energy correction.

    Parameters
    ----------
    model : str, path or ModelFolder
        The name of a bundled model (`coffea_mljec.models.bundled`) or the path of a model folder; or one that is open.
    fallback : Provider, optional
        Corrects jets that the network cannot treat: out of its domain, without or with a part of their constituents,
        output not finite. Without a fallback such a jet keeps the pT that the file had. Either way ``mljec_status``
        says so. With a fallback, files without any constituents are corrected by it altogether; without one they are
        an error.
    name : str, optional
        What tables and plots call it; the model's name by default.
    public_key : path, optional
        Refuse the model unless its folder was signed with the private key of this public key: see
        `coffea_mljec.models.sign_folder`. The bundled models are not signed.
    threads : int
        Batches that run side by side. Each session keeps one thread; on a shared worker leave this at 1.
    device : {"cpu", "cuda"}
        Where this process evaluates the network. ``"cuda"`` needs onnxruntime's CUDA provider; the graph is run by it
        then, not by the card's engine, whose kernels are for CPUs.
    server : TritonServer, optional
        A server that evaluates the network instead of this process; see `TritonServer`.
    neutrinos : {"PNet", "UParT", "UParTV1"}, optional
        Multiply by the factor for neutrinos, relative to visible pT, that the file stores of this regression. bReg and
        cReg are refused: they are defined on standard jets only (`NanoRegression`).
    selection : (str, float), optional
        Field of the jets and working point, ``("btagPNetB", 0.245)``: neutrinos only where the field is at or above it.
    closure, residual, **systematics
        Levels on top, uncertainties and smearing: see `Provider` and `SystematicOptions`. Public payloads were measured
        on standard jets, so residual, uncertainties and scale factors need ``standard_jets=True``, and warn; payloads
        derived for this network carry its name: in the tag, as ``python -m training derive --provider`` writes it
        (``MLJECSim-pfn-r-lite_V1_MC``, ``AK4PFchs``), or in the algorithm (``AK4PFchsPfnRLite``).

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
        model: str | os.PathLike[str] | models.ModelFolder = defaults.MODEL,
        fallback: Provider | None = None,
        *,
        name: str | None = None,
        public_key: str | os.PathLike[str] | None = None,
        threads: int = 1,
        device: str = defaults.DEVICE,
        server: TritonServer | None = None,
        neutrinos: str | None = None,
        selection: Selection | None = None,
        closure: Payload | None = None,
        residual: Payload | None = None,
        **systematics: Unpack[SystematicOptions],
    ) -> None:
        check_options(MLJEC, systematics)
        self.model = models.given_model(model, public_key)
        self._network = NetworkCorrection(
            self.model, threads, backend_of(device, server), dispensable=fallback is not None
        )
        if neutrinos is None and selection is not None:
            raise InputError(f"selection={selection!r} says which jets get their neutrinos; say neutrinos= as well.")
        correction = self._network if neutrinos is None else WithNeutrinos(self._network, neutrinos, selection)
        super().__init__(
            correction,
            fallback,
            name=name or self.model.card.name,
            closure=closure,
            residual=residual,
            **systematics,
        )

    @property
    def card(self) -> models.ModelCard:
        """The model's card."""
        return self.model.card

    @property
    def feature_names(self) -> dict[str, tuple[str, ...]]:
        """Collection -> names of its features, in the order of the columns of `features`."""
        return self.card.feature_set.names()

    def features(self, events: Any, collection: str = "Jet") -> dict[str, npt.NDArray[Any]]:
        """Return the flat arrays that enter the network.

        Parameters
        ----------
        events : NanoEvents
            Eager or virtual.
        collection : str
            The jet collection.

        Returns
        -------
        dict of str to ndarray
            Named like the graph's inputs: ``jet_features`` float32 [n, F_jet]; ``charged_features`` float32 [N, F] and
            ``charged_offsets`` int64 [n + 1], likewise ``neutral`` and ``sv``; columns in the order of
            `feature_names`, rows in the order of the flattened jets. Jets without constituents have no rows there.
        """
        return self._network.network.features(self.pipeline.chunk(events, collection))
