"""`Provider`: a correction as an analysis uses it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Unpack, final

from coffea_mljec.corrections.correction import Correction
from coffea_mljec.corrections.extra_levels import ExtraLevels
from coffea_mljec.corrections.pipeline import Pipeline
from coffea_mljec.errors import InputError
from coffea_mljec.nano import COLUMNS
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.suitability import check_same_era, warn_standard_jets
from coffea_mljec.support.suggestions import did_you_mean
from coffea_mljec.systematics.shifts import SystematicOptions, Systematics

__all__ = ["Provider", "check_options"]


class Provider:
    """A jet energy correction: an object with `apply`. Picklable, callable, without any state of the events.

    `MLJEC`, `FactorizedJEC` and `NanoRegression` are providers of the corrections that come with this package; any
    other `Correction` can be handed in here.

    Parameters
    ----------
    correction : Correction
        What gives the factors.
    fallback : Provider, optional
        Corrects the jets that the correction cannot treat, with its closure and residual; its own fallback those that
        are left. Without one they keep the pT that the file had; their status says so. Smearing and uncertainties are
        this provider's.
    name : str
        What tables and plots call it.
    closure : Payload, optional
        One level as a function of eta and this provider's corrected pT, multiplied on top: what is left of the bias of
        the response in simulation (``python -m training derive`` makes it).
    residual : Payload, optional
        The residual level, multiplied on top for data only. Those of public payloads were measured on standard jets.
    **systematics
        Uncertainties and smearing, see `SystematicOptions`.

    Attributes
    ----------
    pipeline : Pipeline
        All of it, checked.
    fallback : Provider or None

    Raises
    ------
    InputError
        An unknown option; payloads that were not read, or that are for other jets.
    """

    def __init__(
        self,
        correction: Correction,
        fallback: Provider | None = None,
        *,
        name: str,
        closure: Payload | None = None,
        residual: Payload | None = None,
        **systematics: Unpack[SystematicOptions],
    ) -> None:
        if fallback is not None and not isinstance(fallback, Provider):
            raise InputError(
                "fallback must be a provider, such as FactorizedJEC.from_txt([...]) for the standard path, or None; "
                f"got {fallback!r}."
            )
        check_options(type(self), systematics)
        self.fallback = fallback
        self.pipeline: Pipeline = Pipeline(
            name,
            correction,
            ExtraLevels(closure, residual),
            Systematics(**systematics),
            None if fallback is None else fallback.pipeline,
        )
        _check_payloads(self.pipeline)

    @final
    def __repr__(self) -> str:
        pipeline = self.pipeline
        levels, systematics = pipeline.levels, pipeline.systematics
        parts = [f"{pipeline.name!r}: {pipeline.correction.summary}"]
        parts += [] if self.fallback is None else [f"fallback {self.fallback!r}"]
        for what, payload in (("closure", levels.closure), ("residual", levels.residual)):
            parts += [] if payload is None else [f"{what} {payload.tag} {payload.algorithm}"]
        parts += [] if systematics.uncertainties is None else [f"{len(systematics.uncertainties.sources)} JES sources"]
        parts += [] if systematics.resolution is None else [f"smearing {systematics.smearing!r}"]
        return f"{type(self).__name__}({'; '.join(parts)})"

    @property
    @final
    def name(self) -> str:
        """What tables and plots call it."""
        return self.pipeline.name

    @property
    @final
    def algorithm(self) -> str | None:
        """The jets that it is for, such as ``AK4PFPuppi``; None where the file decides."""
        return self.pipeline.correction.algorithm

    @property
    @final
    def systematics(self) -> Systematics:
        """Uncertainties and smearing, checked."""
        return self.pipeline.systematics

    @final
    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return the corrected jet collection.

        Parameters
        ----------
        events : NanoEvents
            Eager, virtual or dask; not changed.
        collection : str
            The jet collection. Correct before cutting or sorting: jets that were cut, sorted or repeated before are
            looked up in the file, by eta and phi, where constituents are read (in dask mode they are refused). So are
            candidates, vertices and links.

        Returns
        -------
        ak.Array or dask_awkward.Array
            Same shape, record name, behaviours, fields and cross references, plus: ``pt``, ``mass`` corrected (GeV);
            ``pt_raw``, ``mass_raw``; ``pt_orig``, ``mass_orig`` (what the file had); ``jet_energy_correction``
            (corrected/raw); ``rawFactor`` refreshed; ``mljec_status`` (`coffea_mljec.Status`). Correcting corrected
            jets starts from ``pt_raw`` again.

            With uncertainties or a resolution also coffea's ``pt_jec``, ``pt_jer``, ``jet_energy_resolution``, ... and
            records of varied jets, ``JES_<source>.up``, ``JER.down``, whose ``pt``, ``mass`` and ``rawFactor`` are
            evaluated when they are read; the correction itself is evaluated once. ``pt`` is then the smeared one and
            ``jet_energy_correction`` is ``pt_jec`` over raw.

        Raises
        ------
        InputError
            If these are not NanoEvents, have no such collection, or the provider is not for this collection.
        MissingBranchError
            If the file lacks something that the provider reads (and there is no fallback).
        JetsChangedError
            If the jets or their constituents were cut or sorted before the correction and cannot be found again, or
            the jets were corrected by something else.
        """
        return self.pipeline.apply(events, collection)

    @final
    def __call__(self, events: Any, collection: str = "Jet") -> Any:
        """The same as `apply`."""
        return self.pipeline.apply(events, collection)

    @final
    def variations(self, events: Any, collection: str = "Jet") -> Iterator[tuple[str, Any]]:
        """Yield ``("nominal", jets)``, then ``("JER_up", jets)``, ``("JES_<source>_down", jets)``, ... one at a time.

        The correction is evaluated once, each variation when it is asked for, and only one is in memory. The jets are
        those of `apply` without the records of varied jets. Parameters and errors are those of `apply`.
        """
        return self.pipeline.variations(events, collection)

    @final
    def correction(self, events: Any, collection: str = "Jet") -> Any:
        """Return only the factor, corrected/raw, float32, in the shape of the collection (n_events, variable).

        Jets that keep the pT of the file have that pT over raw pT. Parameters and errors are those of `apply`.
        """
        return self.pipeline.factors(events, collection)

    @final
    def columns(self, events: Any, collection: str = "Jet") -> dict[str, str]:
        """Name the columns of each jet that a friend tree holds, and their types.

        The fields that every correction sets, eta and phi, and what this one gives beside them: ``pt_resolution``,
        ``mljec_<class>``.
        """
        layout = self.pipeline.chunk(events, collection).layout
        return COLUMNS | dict.fromkeys(self.pipeline.extra_fields(layout), "float32")

    @final
    def required_branches(self, events: Any, collection: str = "Jet") -> tuple[str, ...]:
        """List the branches of this file that `apply` reads, counters included, sorted.

        Jets that were cut and events that were selected before it: also ``run``, ``luminosityBlock`` and ``event``.

        Raises
        ------
        MissingBranchError
            If the file lacks one.
        """
        return self.pipeline.required_branches(events, collection)


def check_options(cls: type, options: Any) -> None:
    """Refuse what is no option of a provider, by the name of the class that was called."""
    known = [*inspect.signature(cls).parameters, *SystematicOptions.__annotations__]
    for name in options:
        if name not in SystematicOptions.__annotations__:
            raise InputError(
                f"{cls.__name__} got an unknown option {name!r}. {did_you_mean(name, known)}"
                f"Options: {', '.join(option for option in known if option != 'systematics')}."
            )


def _check_payloads(pipeline: Pipeline) -> None:
    """What was measured on standard jets needs permission; a resolution must be that of these jets."""
    correction, systematics = pipeline.correction, pipeline.systematics
    given = systematics.payloads | pipeline.levels.measured
    if everything := [*correction.payloads, *given.values()]:
        check_same_era(everything[0], everything[1:])
    for name, made in given.items():
        if correction.measured_on_own_jets(made):
            continue
        if name == "resolution":
            raise InputError(
                f"the resolution {made.tag} {made.algorithm} is not that of the jets of {correction.asker}: smearing "
                "needs the resolution of the jets that it smears. Derive one on this provider's response and name "
                "it after its jets."
            )
        warn_standard_jets(name, made, systematics.standard_jets, correction.asker)
