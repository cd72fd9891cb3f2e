"""Missing transverse momentum: any provider's jets propagated to it (type 1)."""

from __future__ import annotations

from coffea_mljec.met.type1 import Type1MET
from coffea_mljec.met.xy import METXY

__all__ = ["METXY", "Type1MET"]
