"""The networks in torch: what is trained here is written as one ONNX graph by `training.learning.export`.

`training.networks.network` and what it builds need torch; the transforms and shapes below do not.
"""

from __future__ import annotations

from training.networks.architecture import (
    ARCHITECTURES,
    AnyArchitecture,
    Architecture,
    ContextArchitecture,
    ParticleNetArchitecture,
)
from training.networks.standardisation import Standardisation, Transform, fit_standardisation

__all__ = [
    "ARCHITECTURES",
    "AnyArchitecture",
    "Architecture",
    "ContextArchitecture",
    "ParticleNetArchitecture",
    "Standardisation",
    "Transform",
    "fit_standardisation",
]
