"""The networks in torch: what is trained here is written as one ONNX graph by `training.export`.

`training.networks.pfn` needs torch; the transforms and shapes below do not.
"""

from __future__ import annotations

from training.networks.architecture import ARCHITECTURES, Architecture
from training.networks.standardisation import Standardisation, Transform, fit_standardisation

__all__ = ["ARCHITECTURES", "Architecture", "Standardisation", "Transform", "fit_standardisation"]
