"""Any of the networks from its architecture."""

from __future__ import annotations

from collections.abc import Mapping

from training.networks.architecture import AnyArchitecture, ContextArchitecture, ParticleNetArchitecture
from training.networks.context import ContextPFN
from training.networks.particlenet import ParticleNet
from training.networks.pfn import PFN
from training.networks.standardisation import Standardisation

__all__ = ["Network", "make_network"]

Network = PFN | ParticleNet | ContextPFN


def make_network(architecture: AnyArchitecture, standardisations: Mapping[str, Standardisation]) -> Network:
    """Return a network with fresh weights.

    Parameters
    ----------
    architecture : Architecture, ParticleNetArchitecture or ContextArchitecture
        Its kind decides on the network's.
    standardisations : mapping of str to Standardisation
        See `PFN`, `ParticleNet` and `ContextPFN`.
    """
    if isinstance(architecture, ParticleNetArchitecture):
        return ParticleNet(architecture, standardisations)
    if isinstance(architecture, ContextArchitecture):
        return ContextPFN(architecture, standardisations)
    return PFN(architecture, standardisations)
