"""``python -m training simulate``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from coffea_mljec.errors import InputError
from training.cli.options import Scheduler, Workers, workplace

__all__ = ["command"]


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into; made if absent.")],
    events: Annotated[int, typer.Option(help="Events in all.")],
    process: Annotated[
        str,
        typer.Option(
            help="One process; several with shares (qcd=0.7,qcd-b=0.3); 'mix', the training sample's; or 'boosted', "
            "that of AK8 jets."
        ),
    ] = "mix",
    jets: Annotated[
        str, typer.Option(help="AK4 jets: chs, as in Run 2, or puppi, with the branches of Run 3.")
    ] = "chs",
    energy: Annotated[
        float | None, typer.Option(help="Centre-of-mass energy in TeV; 13 for chs, 13.6 for puppi by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed; independent samples take different ones.")] = 1,
    workers: Workers = 1,
    scheduler: Scheduler = None,
    pileup: Annotated[str, typer.Option(help="Mean interactions, or a range of means: 25 or 10,70.")] = "10,70",
    pt_hat: Annotated[str, typer.Option(help="Range of the hard scatter's pT in GeV.")] = "10,3000",
    bias: Annotated[
        float, typer.Option(help="Power of the hard scatter's pT with which scatters are drawn more often.")
    ] = 5.0,
    passes: Annotated[int, typer.Option(help="Times each hard scatter goes through the detector.")] = 1,
    tune: Annotated[int, typer.Option(help="Tune:pp of Pythia 8.")] = 14,
    shower: Annotated[str, typer.Option(help="simple, vincia or dire.")] = "simple",
    hadron_response: Annotated[float, typer.Option(help="Factor on the response to hadrons.")] = 1.0,
    hadron_resolution: Annotated[float, typer.Option(help="Factor on the resolution for hadrons.")] = 1.0,
    shard_events: Annotated[int, typer.Option(help="Events a file.")] = 500,
    pool_events: Annotated[int, typer.Option(help="Minimum-bias interactions in the pileup pool.")] = 10_000,
    ak8: Annotated[bool, typer.Option(help="Write AK8 PUPPI jets too.")] = True,
    soft_drop: Annotated[bool, typer.Option("--soft-drop", help="AK8 jets get soft-drop mass and subjets.")] = False,
    neutrinos: Annotated[
        bool, typer.Option("--neutrinos", help="Generator jets get their momentum with neutrinos too.")
    ] = False,
    unmatched_pt: Annotated[float, typer.Option(help="Raw pT in GeV from which unmatched jets stay.")] = 15.0,
    raw_pt: Annotated[float, typer.Option(help="Raw pT in GeV from which matched jets stay.")] = 5.0,
    compression: Annotated[str, typer.Option(help="zstd (fast) or lzma (small).")] = "zstd",
    jec: Annotated[Path | None, typer.Option(help="Folder of a derived correction for the AK4 jets.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what the folder holds.")] = False,
    minutes: Annotated[float | None, typer.Option(help="Stop, resumable, after this time.")] = None,
) -> None:
    """Simulate events: Pythia 8, pileup, a CMS-like detector, jets; written as shards in the PFNano layout."""
    from coffea_mljec.support.digest import file_digest
    from training.defaults import ALGORITHM, ALGORITHMS
    from training.simulate.plan import MIXES, Plan
    from training.simulate.production import correction_files, produce

    low, high = _pt_range(pt_hat)
    settings: dict[str, Any] = {
        "pileup_mean": _pileup(pileup), "passes": passes, "tune": tune, "shower": shower,
        "hadron_response_scale": hadron_response, "hadron_resolution_scale": hadron_resolution,
        "pt_hat_min": low, "pt_hat_max": high, "bias_power": bias,
        "energy": 1000.0 * (energy if energy is not None else 13.6 if jets == "puppi" else 13.0),
        "puppi": "run3" if jets == "puppi" else "run2",
    }  # fmt: skip
    # Unknown jets are refused with the rest of the plan.
    files = correction_files(jec, ALGORITHMS.get(jets, ALGORITHM)) if jec is not None else []
    plan = Plan.create(
        seed=seed, events=events, shard_events=shard_events, shares=MIXES.get(process) or _shares(process),
        settings=settings, pool_events=pool_events, compression=compression,
        selection={
            "jets": jets, "ak8": ak8, "raw_pt_min": raw_pt, "unmatched_raw_pt_min": unmatched_pt,
            "soft_drop": soft_drop, "neutrinos": neutrinos,
        },
        correction={path.name: file_digest(path) for path in files},
    )  # fmt: skip
    end = None if minutes is None else time.monotonic() + 60.0 * minutes
    with workplace(workers, scheduler) as place:
        manifest = produce(
            output, plan, place, resume, files, deadline=None if end is None else lambda: time.monotonic() > end
        )
    done = manifest["shards"].values()
    n_events, n_jets = (sum(shard[what] for shard in done) for what in ("events", "jets"))
    typer.echo(f"{output}: {len(done)} shards, {n_events} events, {n_jets} jets")


def _pileup(text: str) -> float | tuple[float, float]:
    """Return a number or a range from ``25`` or ``10,70``."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise InputError(f"--pileup {text!r}: give a mean number of interactions, 25, or a range of means, 10,70")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _pt_range(text: str) -> tuple[float, float]:
    """Return two numbers from ``10,3000``."""
    low, _, high = text.partition(",")
    try:
        return float(low), float(high)
    except ValueError:
        raise InputError(f"--pt-hat {text!r}: give a range in GeV, 10,3000") from None


def _shares(text: str) -> dict[str, float]:
    """Return process -> share from ``qcd`` or ``qcd=0.7,qcd-b=0.3``."""
    if "=" not in text:
        return {text: 1.0}
    try:
        return {name: float(share) for name, share in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise InputError(f"--process {text!r}: give a process, or processes with shares, qcd=0.7,qcd-b=0.3") from None
