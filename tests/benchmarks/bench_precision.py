"""PFN-r Lite in lower precision: what it saves, and what the validation would see of it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import coffea_mljec as mljec
from coffea_mljec import models
from coffea_mljec.features import compute
from coffea_mljec.nano import JetChunk
from coffea_mljec.validation.common.events import generator_pt
from tests.benchmarks.material import events_of
from tests.benchmarks.timing import Topic, Way, in_turn

__all__ = ["precision"]

MATCHED = 0.2
"""Largest delta R between a jet and its generator jet."""
MIN_GEN_PT = 30.0


def rounded(graph: bytes, to: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """The same graph, its float32 constants rounded: what storing them in half the space does."""
    model = onnx.load_from_string(graph)
    for constant in model.graph.initializer:
        if constant.data_type == onnx.TensorProto.FLOAT:
            values = to(numpy_helper.to_array(constant)).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(values, constant.name))
    return bytes(model.SerializeToString())


def to_float16(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16)


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The upper half of each number's bits, rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


def in_float16(graph: bytes) -> bytes:
    """Weights and arithmetic in float16, as onnxruntime's own tool converts; inputs, sums and output stay float32."""
    from onnxruntime.transformers import float16

    single = [*float16.DEFAULT_OP_BLOCK_LIST, "ScatterND"]  # which onnxruntime adds up in float32 alone
    model = float16.convert_float_to_float16(onnx.load_from_string(graph), keep_io_types=True, op_block_list=single)
    return bytes(model.SerializeToString())


def in_int8(graph: bytes) -> bytes:
    """Weights in int8, activations quantised as they come, as onnxruntime's own tool converts."""
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "single.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(graph)
        logging.disable(logging.WARNING)  # it recommends a preprocessing that this graph has behind it
        try:
            quantize_dynamic(source, target)
        finally:
            logging.disable(logging.NOTSET)
        return target.read_bytes()


def session_of(graph: bytes) -> Any:
    """As `coffea_mljec.models` makes it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def precision(file: Path, rounds: int, model: str = "pfn-r-lite") -> list[Topic]:
    """Time of each variant, and in the note how far it moves the response and the resolution of a simulated file."""
    corrector = mljec.MLJEC(model)
    graph, size = corrector.model.graph, corrector.card.batch_size
    events = events_of(file)
    flat = corrector.pipeline.correction.network.flat(JetChunk.of(events))
    starts = range(0, len(flat), size)
    batches = [compute(flat, corrector.card.feature_set, at, min(at + size, len(flat))) for at in starts]
    makers: dict[str, Callable[[bytes], bytes]] = {
        "float32, onnxruntime": bytes,
        "weights rounded to float16": lambda graph: rounded(graph, to_float16),
        "weights rounded to bfloat16": lambda graph: rounded(graph, to_bfloat16),
        "float16 throughout": in_float16,
        "int8, dynamic": in_int8,
    }
    sessions, notes = {}, []
    output = corrector.card.outputs[0].source
    for name, make in makers.items():
        try:
            made = session_of(make(graph))
            made.run([output], batches[0])
        except Exception as error:  # what onnxruntime's tools and kernels do not know
            notes.append(f"{name} cannot be made or run ({type(error).__name__})")
        else:
            sessions[name] = made
    ours = Way(lambda: [models.run(corrector.model, batch)[output] for batch in batches], len(flat))
    ways = {"float32, our kernels": ours}
    ways |= {
        name: Way(lambda session=session: [session.run([output], batch)[0] for batch in batches], len(flat))
        for name, session in sessions.items()
    }
    gen = generator_pt(events, "Jet", "GenJet", MATCHED)
    chosen = gen > MIN_GEN_PT
    raw = flat.jet["pt_raw"][chosen] / gen[chosen]
    central = np.abs(ak.flatten(events.Jet.eta).to_numpy()[chosen]) < 2.5
    moved = {name: np.concatenate(way.call())[chosen].astype(float) for name, way in ways.items()}
    reference = moved["float32, onnxruntime"]
    for name, values in moved.items():
        if values is not reference:
            parts = [_moved(raw[where] * np.exp(reference[where]), raw[where] * np.exp(values[where]), region)
                     for region, where in (("central", central), ("forward", ~central))]  # fmt: skip
            worst = float(np.abs(values - reference).max())
            notes.append(f"{name}: log correction by up to {worst:.1e}, {', '.join(parts)}")
    note = f"{np.count_nonzero(chosen)} matched jets above {MIN_GEN_PT:g} GeV of {file.name}; " + "; ".join(notes) + "."
    return [Topic("PFN-r Lite network, lower precision", "us/jet", in_turn(ways, rounds), note=note)]


def _moved(before: np.ndarray, after: np.ndarray, region: str) -> str:
    """How far median and relative width of a response move."""
    (low, median, high), (low_after, median_after, high_after) = (
        np.quantile(response, (0.25, 0.5, 0.75)) for response in (before, after)
    )
    wider = (high_after - low_after) / median_after / ((high - low) / median) - 1
    return f"{region} median response {median_after - median:+.1e} and resolution {100 * wider:+.3f} %"
