"""The whole realism report of a simulated sample: read, compare, draw, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from coffea_mljec.payloads import Payload, read_text
from coffea_mljec.support.progress import progress
from coffea_mljec.workers.pool import Workers
from training import defaults
from training.realism.features import find_reference, input_features
from training.realism.jets import SimulatedJets, read_simulated_jets
from training.realism.report import parts, write_report
from training.simulate.production import correction_files

__all__ = ["report_realism"]


def report_realism(
    productions: Sequence[Path],
    test: Sequence[Path],
    jec: Path,
    reference: Path | None,
    output: Path,
    workers: Workers = 1,
) -> Counter[str]:
    """Write the report of some productions.

    Parameters
    ----------
    productions, test : sequence of Path
        Simulated samples: those drawn, and independent ones for closure and counts (may be empty).
    jec : Path
        Folder of the standard correction's text files.
    reference : Path or None
        A real file; None looks where the tests look.
    output : Path
        Folder; made if absent.
    workers : int or ClusterExecutor
        Processes that read files.

    Returns
    -------
    Counter
        Rows by verdict.
    """
    payload = read_text(correction_files(jec))
    jets = _read("productions", productions, payload, workers)
    test_jets = _read("test sample", test, payload, workers) if test else None
    with progress("measuring") as bar:

        def step(name: str) -> None:
            bar.advance()
            bar.update(description=f"measuring and drawing: {name}")

        found = parts(jets, test_jets, payload, step)
        step("inputs")
        found.append(input_features(find_reference(reference), productions))
        return write_report(output, found, productions, test, _command(productions, test, jec, output), step)


def _read(name: str, inputs: Sequence[Path], payload: Payload, workers: Workers) -> SimulatedJets:
    with progress(f"reading {name}", unit="files") as bar:
        return read_simulated_jets(inputs, payload, lambda done, of: bar.update(completed=done, total=of), workers)


def _command(productions: Sequence[Path], test: Sequence[Path], jec: Path, output: Path) -> str:
    """Return the command that makes this report."""
    words = ["python -m training realism", *map(str, productions), *(f"--test {path}" for path in test)]
    if jec.resolve() != defaults.JEC:
        words.append(f"--jec {jec}")
    return " ".join([*words, f"-o {output}"])
