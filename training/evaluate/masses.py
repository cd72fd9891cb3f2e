"""Energy and mass of large jets, by the standard path with its soft-drop correction, and by networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from coffea.processor import accumulate

from coffea_mljec import FactorizedJEC, JetMass, read_soft_drop_text
from coffea_mljec.corrections.provider import Provider
from coffea_mljec.errors import InputError
from coffea_mljec.support.progress import progress as progress_bar
from coffea_mljec.validation.mass.processor import MassProcessor
from coffea_mljec.validation.mass.summary import MassSummary
from training.dataset.cache import open_shard
from training.evaluate.providers import STANDARD

__all__ = ["judge_masses", "with_soft_drop"]


def with_soft_drop(providers: Mapping[str, Provider], jec: Path) -> dict[str, Provider]:
    """Return the providers, the standard path with the soft-drop correction beside its levels.

    Raises
    ------
    InputError
        If the folder has not exactly one such correction.
    """
    found = sorted(jec.glob("*_SoftDropMass_*.jec.txt"))
    if len(found) != 1:
        raise InputError(
            f"{jec} has {len(found)} corrections of the soft-drop mass (*_SoftDropMass_*.jec.txt), and one is needed: "
            "derive it with python -m training derive --collection FatJet"
        )
    standard = providers[STANDARD]
    assert isinstance(standard, FactorizedJEC)
    masses = JetMass(correction=read_soft_drop_text(found[0]))
    return dict(providers) | {STANDARD: FactorizedJEC(standard.payload, standard.name, jet_mass=masses)}


def judge_masses(
    files: Sequence[Path],
    providers: Mapping[str, Provider],
    replicas: int,
    progress: bool = True,
    collection: str = "FatJet",
) -> MassSummary:
    """Return scale, resolution, peaks and spectra of all providers (`coffea_mljec.validation.MassProcessor`).

    Parameters
    ----------
    files : sequence of Path
        Simulated events with the jets.
    providers : mapping of str to provider
    replicas : int
        Bootstrap replicas behind the errors.
    progress : bool
        Whether to show a progress bar.
    collection : str
        ``FatJet``, or ``Jet``: of those the energy, and the mass of pairs.
    """
    judge = MassProcessor(providers, collection, replicas=replicas)
    outputs = []
    with progress_bar("energy and mass", len(files), "files", shown=progress) as bar:
        for file in files:
            outputs.append(judge.process(open_shard(file)))
            bar.advance(1)
    return judge.summary(accumulate(outputs))
