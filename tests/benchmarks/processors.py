"""The same jets on other processors: how far numbers move. ``python -m tests.benchmarks.processors [--events 500]``

Numba compiles for the instructions that a processor has. Each line of the table is the bundled sample, corrected by a
process that was told to use another processor's (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``), with a cache of its own,
beside a process that was told nothing. onnxruntime chooses its own instructions, which nothing here changes.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.benchmarks.places import ROOT, SAMPLE, SAMPLE_JEC

BEYOND_AVX2 = ("avx512f", "avx512dq", "avx512ifma", "avx512cd", "avx512bw", "avx512vl", "avx512vbmi", "avx512vbmi2",
               "avx512vnni", "avx512bitalg", "avx512vpopcntdq", "avx512bf16", "avxvnni")  # fmt: skip
BEYOND_SSE = ("avx", "avx2", "fma", "fma4", "f16c", "xop", "vaes", "vpclmulqdq")
BEYOND_SSE2 = ("sse3", "ssse3", "sse4.1", "sse4.2", "sse4a", "bmi", "bmi2", "lzcnt", "popcnt", "movbe", "adx")
PROCESSORS = {
    "AVX-512": ("skylake-avx512", ()),
    "AVX2": ("haswell", BEYOND_AVX2),
    "SSE4.2": ("nehalem", BEYOND_AVX2 + BEYOND_SSE),
    "SSE2": ("x86-64", BEYOND_AVX2 + BEYOND_SSE + BEYOND_SSE2),
}
"""Instructions -> numba's name of a processor, and what it has not."""
MODELS = ("pfn-r-lite", "particlenet-r-lite", "pfn-c-lite")


def corrected(events: int, path: Path) -> None:
    """Write the factors of all models and of the standard path to a file."""
    from coffea_mljec import MLJEC, FactorizedJEC, Provider
    from coffea_mljec.nano import open_nano, quiet_coffea

    quiet_coffea()
    providers: dict[str, Provider] = {name: MLJEC(name) for name in MODELS}
    providers["standard path"] = FactorizedJEC.from_txt(sorted(SAMPLE_JEC.glob("*.jec.txt")))
    found = {}
    with open_nano(SAMPLE) as nano:
        chunk = nano.events(0, events)
        for name, provider in (
            providers | {"standard path": FactorizedJEC.from_txt(sorted(SAMPLE_JEC.glob("*.jec.txt")))}
        ).items():
            found[name] = provider.pipeline.correct(provider.pipeline.chunk(chunk, "Jet")).factor
    np.savez(path, **found)


def features_without(missing: tuple[str, ...]) -> str:
    """The host's features, in LLVM's words, less those that another processor has not."""
    from llvmlite import binding

    host = binding.get_host_cpu_features()
    return ",".join(f"{'+' if there and name not in missing else '-'}{name}" for name, there in sorted(host.items()))


def on(name: str | None, missing: tuple[str, ...], events: int, folder: Path) -> dict[str, np.ndarray]:
    """The factors as a process for another processor gives them; for this one without a name."""
    path = folder / f"{name or 'host'}.npz"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / f"cache-{name}"), "OMP_NUM_THREADS": "1"}
    if name is not None:
        environment |= {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features_without(missing)}
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.processors", "--write", str(path)]
    subprocess.run([*command, "--events", str(events)], check=True, cwd=ROOT, env=environment)
    with np.load(path) as file:
        return dict(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--write", type=Path, help="of a process of its own")
    given = parser.parse_args()
    if given.write:
        corrected(given.events, given.write)
        return
    with tempfile.TemporaryDirectory() as folder:
        host = on(None, (), given.events, Path(folder))
        print(f"{platform.processor() or platform.machine()}, {len(next(iter(host.values())))} jets\n")
        print("| instructions | correction | jets that move | largest, relative |\n|---|---|---|---|")
        for what, (name, missing) in PROCESSORS.items():
            other = on(name, missing, given.events, Path(folder))
            for correction, factor in host.items():
                moved = np.abs(other[correction] / factor - 1)
                print(f"| {what} | {correction} | {np.mean(moved > 0):.1%} | {moved.max():.1e} |", flush=True)


if __name__ == "__main__":
    main()
