"""The digest of what an object is made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import coffea_mljec as mljec
from coffea_mljec.support.fingerprint import fingerprint


def test_a_fingerprint_knows_content_alone(sample_jec):
    def standard(levels):
        return mljec.FactorizedJEC.from_txt(levels)

    assert fingerprint(standard(sample_jec)) == fingerprint(standard(sample_jec))
    assert fingerprint(standard(sample_jec)) != fingerprint(standard(sample_jec[:1]))
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    for one, other in ((1, 1.0), ("1", 1), ([1], (1,)), (np.float32([1]), np.float64([1])), ({1, 2}, {1, 3})):
        assert fingerprint(one) != fingerprint(other)
    around: list[object] = []
    around.append(around)
    assert len(fingerprint(around)) == 64


def test_a_fingerprint_is_the_same_in_another_process():
    module = (
        Path(__file__).parents[2] / "coffea_mljec" / "support" / "fingerprint.py"
    )  # alone: the package takes seconds to import
    thing = "[{'x', 'y', 'zz'}, {'p': b'q'}, str.join]"
    code = f"import runpy; print(runpy.run_path({str(module)!r})['fingerprint']({thing}))"
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert there.stdout.strip() == fingerprint([{"x", "y", "zz"}, {"p": b"q"}, str.join]), there.stderr
