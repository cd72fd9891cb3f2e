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


def make_network(
    architecture: AnyArchitecture, standardisations: Mapping[str, Standardisation], n_outputs: int = 1
) -> Network:
    """Return a network with fresh weights.

    Parameters
    ----------
    architecture : Architecture, ParticleNetArchitecture or ContextArchitecture
        Its kind decides on the network's.
    standardisations : mapping of str to Standardisation
        See `PFN`, `ParticleNet` and `ContextPFN`.
    n_outputs : int
        Numbers that it gives of each jet.
    """
    if isinstance(architecture, ParticleNetArchitecture):
        return ParticleNet(architecture, standardisations, n_outputs)
    if isinstance(architecture, ContextArchitecture):
        return ContextPFN(architecture, standardisations, n_outputs)
    return PFN(architecture, standardisations, n_outputs)
