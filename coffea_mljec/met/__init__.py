"""Missing transverse momentum: any provider's jets propagated to it (type 1)."""

from __future__ import annotations

from coffea_mljec.met.type1 import Type1MET

__all__ = ["Type1MET"]
