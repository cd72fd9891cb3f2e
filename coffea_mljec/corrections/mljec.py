"""`MLJEC`: a network's correction of jets."""

from __future__ import annotations

import os
from typing import Any, Unpack, final

import numpy.typing as npt

from coffea_mljec import defaults, models
from coffea_mljec.corrections.best_network import BestNetwork, ranked_models
from coffea_mljec.corrections.extra_levels import ExtraLevels
from coffea_mljec.corrections.network import NetworkCorrection
from coffea_mljec.corrections.neutrinos import WithNeutrinos
from coffea_mljec.corrections.provider import Provider, check_options
from coffea_mljec.corrections.stored_regression import Selection
from coffea_mljec.errors import InputError
from coffea_mljec.models.backends import TritonServer, backend_of
from coffea_mljec.nano import Layout, detect
from coffea_mljec.payloads import Payload
from coffea_mljec.systematics.shifts import SystematicOptions, Systematics

__all__ = ["MLJEC"]


_UNNAMED = "mljec"


@final
class MLJEC(Provider):
    """Machine-learned jet energy correction.

    Parameters
    ----------
    model : str, path or ModelFolder, optional
        The name of a bundled model (`coffea_mljec.models.bundled`) or the path of a model folder; or one that is open.
        Without it, the best bundled network that the file can feed (`coffea_mljec.defaults.NETWORKS`): chosen by the
        columns of the file, the same for all files of a data set; files that disagree are refused. Payloads that were
        measured on the jets of one network choose that one, and a closure that names none the first. See `decided`.
    fallback : Provider, optional
        Corrects jets that the network cannot treat: out of its domain, without or with a part of their constituents,
        output not finite. Without a fallback such a jet keeps the pT that the file had. Either way ``mljec_status``
        says so. With a fallback, files without any constituents are corrected by it altogether; without one they are
        an error.
    name : str, optional
        What tables and plots call it; by default the model's name, ``mljec`` without a model.
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
        InputError where none was named.

    Raises
    ------
    ModelError
        If there is no such model, or its folder cannot be trusted.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | models.ModelFolder | None = None,
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
        named = [] if model is None else [models.given_model(model, public_key)]
        dispensable, backend = fallback is not None, backend_of(device, server)
        networks = [
            NetworkCorrection(one, threads, backend, dispensable=dispensable)
            for one in named or ranked_models(public_key)
        ]
        if not named:
            measured = Systematics(**systematics).payloads | ExtraLevels(closure, residual).measured
            given = [*measured.values(), *([] if closure is None else [closure])]
            own = [one for one in networks if any(one.measured_on_own_jets(made) for made in given)]
            # A closure is that of one network, whether it says so or not.
            networks = own or (networks if closure is None else networks[:1])
        self._network: NetworkCorrection | BestNetwork = (
            networks[0] if len(networks) == 1 else BestNetwork(networks, dispensable=dispensable)
        )
        if neutrinos is None and selection is not None:
            raise InputError(f"selection={selection!r} says which jets get their neutrinos; say neutrinos= as well.")
        with_them = [one.card.name for one in networks if one.card.neutrinos]
        if neutrinos is not None and with_them:
            raise InputError(
                f"the pT of {', '.join(with_them)} includes neutrinos already: neutrinos={neutrinos!r} would count "
                "them twice; leave it out."
            )
        self._includes_neutrinos = neutrinos is not None or bool(with_them)
        correction = self._network if neutrinos is None else WithNeutrinos(self._network, neutrinos, selection)
        self._options: dict[str, Any] = {
            "fallback": fallback, "threads": threads, "device": device, "server": server, "neutrinos": neutrinos,
            "selection": selection, "closure": closure, "residual": residual, **systematics,
        }  # fmt: skip
        super().__init__(
            correction,
            fallback,
            name=name or (networks[0].card.name if len(networks) == 1 else _UNNAMED),
            closure=closure,
            residual=residual,
            **systematics,
        )

    def decided(self, events: Any, collection: str = "Jet") -> MLJEC:
        """Return the correction that these jets get: with the network that it chooses, as if it had been named.

        Parameters
        ----------
        events : NanoEvents
            Of any mode, or a `Layout`; only their columns matter.
        collection : str
            The jet collection.

        Returns
        -------
        MLJEC
            Itself, where the model was named. ``decided(events).name`` tells which network it is.

        Raises
        ------
        InputError
            If no bundled network is for these jets.
        MissingBranchError
            If the file can feed none; the message says what the nearest one lacks.
        """
        if isinstance(self._network, NetworkCorrection):
            return self
        chosen = self._network.decided(events if isinstance(events, Layout) else detect(events, collection))
        own_name = None if self.name == _UNNAMED else self.name
        return MLJEC(chosen.network.model, name=own_name, **self._options)

    @property
    def undecided(self) -> bool:
        """Whether the network depends on the file."""
        return isinstance(self._network, BestNetwork)

    @property
    def model(self) -> models.ModelFolder:
        """The model that was named."""
        if isinstance(self._network, BestNetwork):
            raise InputError(
                "no model was named, so it depends on the file: ask MLJEC().decided(events), or name one of "
                f"{', '.join(network.card.name for network in self._network.networks)}."
            )
        return self._network.network.model

    @property
    def card(self) -> models.ModelCard:
        """The model's card; InputError as `model`."""
        return self.model.card

    @property
    def includes_neutrinos(self) -> bool:
        """Whether the jets, or some of them, include their neutrinos."""
        return self._includes_neutrinos

    @property
    def feature_names(self) -> dict[str, tuple[str, ...]]:
        """Collection -> names of its features, in the order of the columns of `features`; InputError as `model`."""
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
        chunk = self.pipeline.chunk(events, collection)
        return self._network.decided(chunk.layout).network.features(chunk)
