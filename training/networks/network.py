"""Any of the networks from its architecture."""

from __future__ import annotations

from collections.abc import Mapping

from training.networks.architecture import AnyArchitecture, ParticleNetArchitecture
from training.networks.particlenet import ParticleNet
from training.networks.pfn import PFN
from training.networks.standardisation import Standardisation

__all__ = ["Network", "make_network"]

Network = PFN | ParticleNet


def make_network(architecture: AnyArchitecture, standardisations: Mapping[str, Standardisation]) -> Network:
    """Return a network with fresh weights.

    Parameters
    ----------
    architecture : Architecture or ParticleNetArchitecture
        Its kind decides on the network's.
    standardisations : mapping of str to Standardisation
        See `PFN` and `ParticleNet`.
    """
    if isinstance(architecture, ParticleNetArchitecture):
        return ParticleNet(architecture, standardisations)
    return PFN(architecture, standardisations)
