"""What type-1 MET takes from the standard path: the L1 level, and jets that have no constituents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections import MLJEC, FactorizedJEC, NanoRegression, Provider
from coffea_mljec.corrections.pipeline import Pipeline
from coffea_mljec.errors import InputError
from coffea_mljec.nano import JetChunk
from coffea_mljec.payloads import Payload
from coffea_mljec.status import Status, StatusArray, mark

__all__ = ["evaluate_level1", "level1_of", "refuse_neutrinos", "standard_within", "varied_like"]


def standard_within(provider: Provider | None) -> FactorizedJEC | None:
    """The provider itself or the first of its fallbacks that is a standard path."""
    while provider is not None and not isinstance(provider, FactorizedJEC):
        provider = provider.fallback
    return provider


def refuse_neutrinos(provider: Provider | None) -> None:
    """Refuse a provider, or a fallback, whose jets include their neutrinos.

    Raises
    ------
    InputError
        Saying what to propagate instead.
    """
    while provider is not None:
        if isinstance(provider, (MLJEC, NanoRegression)) and provider.includes_neutrinos:
            raise InputError(
                f"the jets of {provider.name!r} include their neutrinos, which MET must keep: propagating them would "
                "take the neutrinos out of it. Propagate jets without, Type1MET(NanoRegression('PNet'), standard), and "
                "correct the jets themselves with neutrinos."
            )
        provider = provider.fallback


def varied_like(standard: FactorizedJEC, provider: Provider) -> Pipeline:
    """The standard path with the provider's sources, and its own resolution where the provider smears."""
    smears = provider.systematics.resolution is not None
    systematics = replace(
        provider.systematics,
        resolution=standard.systematics.resolution if smears else None,
        scale_factor=standard.systematics.scale_factor if smears else None,
        jet_resolution=False,
        qualified=False,
        generator_pt_field=None,
    )
    return replace(standard.pipeline, systematics=systematics)


def level1_of(standard: FactorizedJEC) -> Payload | None:
    """The level that takes pileup off, alone."""
    payload = standard.payload
    level = payload.stack[0]
    return Payload((level,), payload.tag, payload.algorithm) if level.level.startswith("L1") else None


def evaluate_level1(standard: FactorizedJEC, chunk: JetChunk, status: StatusArray) -> npt.NDArray[np.float64]:
    """Return L1 / raw pT of the jets of a chunk, shape (n_jets,).

    NaN where it is not known, and then a bit in ``status`` says why, in place: a provider that does not read the area
    has nothing to say about an impossible one.
    """
    payload = level1_of(standard)
    assert payload is not None
    asked = chunk.asked_by("the L1 correction of MET")
    factor, valid = payload.evaluate(asked.jets(payload.inputs))
    bad = asked.bad(payload.inputs)
    mark(status, bad, Status.BAD_INPUT)
    mark(status, ~valid & ~bad, Status.OUT_OF_DOMAIN)
    return np.where(bad, np.nan, factor)
