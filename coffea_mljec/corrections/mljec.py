"""The machine-learned correction: a model folder applied to the jets of a chunk."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from coffea_mljec import defaults, models
from coffea_mljec import features as feature_room
from coffea_mljec.corrections.provider import Factors, Path, Provider
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import FlatJets, Layout, flatten, required_paths
from coffea_mljec.nano.jagged import offsets_of
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.suitability import Made
from coffea_mljec.status import STATUS_TYPE, Status, StatusArray, carries, mark
from coffea_mljec.systematics.shifts import SystematicOptions

__all__ = ["MLJEC", "FastSimulationWarning"]

_UNTREATABLE = (
    Status.OUT_OF_DOMAIN
    | Status.NO_CONSTITUENTS
    | Status.INCOMPLETE_CONSTITUENTS
    | Status.NON_FINITE
    | Status.BAD_INPUT
)
_warned: set[str] = set()


class FastSimulationWarning(UserWarning):
    """A model that was trained on parametrised simulation is applied to something else."""


class MLJEC(Provider):
    """Machine-learned jet energy correction.

    Parameters
    ----------
    model : str or path
        The name of a bundled model (`coffea_mljec.models.bundled`) or the path of a model folder.
    fallback : Provider, optional
        Corrects jets that the network cannot treat: out of its domain, without or with a part of their constituents,
        output not finite. Without a fallback such a jet keeps the pT that the file had. Either way ``mljec_status``
        says so. With a fallback, files without any constituents are corrected by it altogether; without one they are
        an error.
    name : str, optional
        What tables and plots call it; the model's name by default.
    threads : int
        Batches that run side by side. Each session keeps one thread; on a shared worker leave this at 1.
    closure, residual, **systematics
        Levels on top, uncertainties and smearing: see `Provider` and `SystematicOptions`. Public payloads were measured
        on standard jets, so residual, uncertainties and scale factors need ``standard_jets=True``, and warn; payloads
        derived for this network carry its name: in the tag, as ``python -m training derive --provider`` writes it
        (``MLJECSim-pfn-r-lite_V1_MC``, ``AK4PFchs``), or in the algorithm (``AK4PFchsPfnRLite``).

    Raises
    ------
    ModelError
        If there is no such model, or its folder cannot be trusted.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = defaults.MODEL,
        fallback: Provider | None = None,
        *,
        name: str | None = None,
        threads: int = 1,
        closure: Payload | None = None,
        residual: Payload | None = None,
        **systematics: Unpack[SystematicOptions],
    ) -> None:
        self.model = models.open_model(model)
        if threads < 1:
            raise InputError(f"threads must be at least 1; got {threads}.")
        self.threads = threads
        super().__init__(name or self.model.card.name, fallback, closure=closure, residual=residual, **systematics)

    @property
    def card(self) -> models.ModelCard:
        """The model's card."""
        return self.model.card

    @property
    def algorithm(self) -> str:
        """The jets that the model was trained for."""
        return self.card.algorithm

    def _measured_on_own_jets(self, made: Made) -> bool:
        card = self.card
        if _letters(made.algorithm) == _letters(card.algorithm + card.name):
            return True
        # As ``python -m training derive --provider`` names them: MLJECSim-pfn-r-lite_V1_MC, AK4PFchs.
        campaign, _, model = made.tag.partition("_")[0].partition("-")
        return bool(campaign) and made.algorithm == card.algorithm and _letters(model) == _letters(card.name)

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
        return feature_room.compute(self._flatten(events, self._detect(events, collection)), self.card.feature_set)

    def _paths(self, layout: Layout) -> Iterable[Path]:
        if self._falls_back_wholly(layout):
            return []
        return self._required(layout).values()

    def _required(self, layout: Layout) -> dict[tuple[str, str], Path]:
        needed = self.card.feature_set
        return required_paths(layout, self._jet_quantities, needed.constituent_quantities, self._user, needed.user_of)

    @property
    def _jet_quantities(self) -> tuple[str, ...]:
        domain = [name for name in ("rho", "n_pv") if getattr(self.card.domain, name) is not None]
        return tuple(dict.fromkeys((*self.card.feature_set.jet_quantities, *domain)))

    @property
    def _user(self) -> str:
        return f"model {self.card.name!r}"

    def _falls_back_wholly(self, layout: Layout) -> bool:
        """True where the file cannot feed the network at all and the fallback takes every jet."""
        return self.fallback is not None and not self._feeds(layout)

    def _feeds(self, layout: Layout) -> bool:
        """Whether the file has what the network reads."""
        try:
            self._required(layout)
        except MissingBranchError:
            return False
        return True

    def _check_collection(self, layout: Layout) -> None:
        if layout.collection not in self.card.collections:
            raise InputError(
                f"model {self.card.name!r} is for {self.card.algorithm} jets, collection "
                f"{' or '.join(self.card.collections)}; "
                f"got {layout.collection!r}. Use a model that was trained for these jets (mljec models lists the "
                "bundled ones)."
            )
        if self._feeds(layout):
            super()._check_collection(layout)

    def _flatten(self, events: Any, layout: Layout) -> FlatJets:
        return flatten(
            events,
            layout.collection,
            jet=self._jet_quantities,
            constituents=self.card.feature_set.constituent_quantities,
            user=self._user,
            feature_of=self.card.feature_set.user_of,
        )

    def _factor(self, events: Any, layout: Layout) -> Factors:
        if self._falls_back_wholly(layout):
            n_jets = int(offsets_of(events[layout.collection], layout.collection)[-1])
            return np.ones(n_jets), np.full(n_jets, Status.NO_CONSTITUENTS, STATUS_TYPE)
        flat = self._flatten(events, layout)
        status = flat.flags.copy()
        self._flag_domain(flat, status)
        if self.card.training.fast_simulation and not layout.simulation:
            self._warn_once()
            status |= STATUS_TYPE(Status.FOREIGN_SAMPLE)
        factor = self._infer(flat)
        finite = np.isfinite(factor)
        mark(status, ~finite, Status.NON_FINITE)
        applied = ~carries(status, _UNTREATABLE)
        mark(status, applied, Status.APPLIED)
        return np.where(applied, factor, 1.0), status

    def _infer(self, flat: FlatJets) -> npt.NDArray[np.float64]:
        """exp(log_correction) of all jets, in fixed batches."""
        out = np.empty(len(flat), np.float64)
        size = self.card.batch_size

        def batch(start: int) -> None:
            stop = min(start + size, len(flat))
            arrays = feature_room.compute(flat, self.card.feature_set, start, stop)
            out[start:stop] = models.run(self.model, arrays)

        starts = range(0, len(flat), size)
        if self.threads == 1:
            for start in starts:
                batch(start)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(batch, starts))
        with np.errstate(over="ignore"):
            return np.exp(out)

    def _flag_domain(self, flat: FlatJets, status: StatusArray) -> None:
        domain = self.card.domain
        for name, values in (("pt_raw", flat.jet["pt_raw"]), ("abs_eta", np.abs(flat.jet["eta"]))):
            low, high = getattr(domain, name)
            mark(status, ~((values >= low) & (values <= high)), Status.OUT_OF_DOMAIN)
        for name in ("rho", "n_pv"):
            limits = getattr(domain, name)
            if limits is not None:
                values = flat.jet[name]
                mark(status, ~((values >= limits[0]) & (values <= limits[1])), Status.OUT_OF_DOMAIN)

    def _warn_once(self) -> None:
        if self.card.name not in _warned:
            _warned.add(self.card.name)
            warnings.warn(
                f"model {self.card.name!r} was trained on parametrised simulation ({self.card.training.sample}) and "
                "these events are "
                "not from it: use its output to study the method, not for a measurement. Each jet's mljec_status has "
                "the bit "
                "FOREIGN_SAMPLE.",
                FastSimulationWarning,
                stacklevel=2,
            )


def _letters(name: str) -> str:
    """Letters and digits alone: algorithms in names of payloads hold nothing else."""
    return "".join(filter(str.isalnum, name)).lower()
