"""The engines: each runs the graphs of some networks. `ENGINES` is the one table of them.

The card names an engine of the table; `coffea_mljec.models.sessions` builds its runner; an export asks `engine_fields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coffea_mljec.errors import ModelError
from coffea_mljec.features import FeatureSet
from coffea_mljec.models.engines.context import ContextEngine
from coffea_mljec.models.engines.edgeconv import EdgeConvEngine
from coffea_mljec.models.engines.engine import Engine, Outputs, Runner
from coffea_mljec.models.engines.onnx import OnnxEngine
from coffea_mljec.models.engines.padded import PaddedEngine
from coffea_mljec.models.engines.pfn import PFNEngine
from coffea_mljec.models.wire import read_constants

__all__ = ["ENGINES", "Engine", "Outputs", "Runner", "engine_fields"]

ENGINES: Mapping[str, Engine] = {
    "pfn": PFNEngine(),
    "context": ContextEngine(),
    "edgeconv": EdgeConvEngine(),
    "onnx": OnnxEngine(),
    "padded": PaddedEngine(),
}
"""Name on a card -> engine; the faster ones first, then the one that runs every graph on flat arrays."""


def engine_fields(graph: bytes, features: FeatureSet) -> dict[str, Any]:
    """The fields of a card that say how a graph is run, by the first engine that can.

    Parameters
    ----------
    graph : bytes
        The serialised ONNX model.
    features : FeatureSet
        What the network reads.

    Raises
    ------
    ModelError
        If the bytes are no ONNX model.
    """
    try:
        constants = read_constants(graph)
    except (IndexError, ValueError):
        raise ModelError("the graph's bytes cannot be read as an ONNX model: export it again.") from None
    found = ((name, engine.settings(constants, features)) for name, engine in ENGINES.items())
    return next({"engine": name} | fields for name, fields in found if fields is not None)
