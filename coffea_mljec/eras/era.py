"""`Era`: the payloads of one era of data taking, and what an analysis makes of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from coffea_mljec.corrections import FactorizedJEC, Provider
from coffea_mljec.eras.by_run import by_run
from coffea_mljec.eras.frozen import with_frozen_residual
from coffea_mljec.eras.places import file_of, folder_of
from coffea_mljec.eras.table import Campaign, campaign_of
from coffea_mljec.eras.tags import common, correction_tags, resolution_tag, tag_of_run
from coffea_mljec.errors import InputError, PayloadError
from coffea_mljec.met import METXY, Type1MET
from coffea_mljec.met.standard import standard_within
from coffea_mljec.payloads import Payload, read_json, read_resolution_json, read_scale_factor_json
from coffea_mljec.payloads.correctionlib_content import parsed_once
from coffea_mljec.payloads.hem import with_hem_issue
from coffea_mljec.payloads.run_periods import Runs
from coffea_mljec.payloads.uncertainty_files import read_uncertainties_json
from coffea_mljec.selection import JetID, JetVetoMap
from coffea_mljec.selection.jet_id import WorkingPoint
from coffea_mljec.systematics.shifts import SystematicOptions

__all__ = ["Era", "era"]

FAT_JETS = "AK8PFPuppi"


def era(name: str, data: bool = False, run: int | None = None, directory: str | os.PathLike[str] | None = None) -> Era:
    """Find the payloads of an era of data taking.

    Parameters
    ----------
    name : str
        The folder in CMS's JSON repository, ``"2022_Summer22EE"``, or a short name, ``"2022EE"``; ``mljec eras`` lists
        them.
    data : bool
        Whether the events are data. Tags of data are for runs: events whose run lies outside all of them are an error.
    run : int, optional
        With ``data``, take the one tag whose periods have this run; without it all tags, each for its runs.
    directory : str or path, optional
        Where ``POG/JME/<era>/jet_jerc.json.gz`` is, or ``JME/<era>/latest/jet_jerc.json.gz`` in the newer layout. By
        default the variable ``MLJEC_JSONPOG`` says so, or else cvmfs is looked through, the newer layout first.

    Returns
    -------
    Era

    Raises
    ------
    InputError
        No such era (the message names the nearest), a run without ``data``, or one that is not of this era.
    PayloadError
        The directory has no payloads of this era (the message lists those that it has), or they have other tags.
    """
    campaign = campaign_of(name)
    if run is not None and not data:
        raise InputError(f"run={run!r} chooses among tags of data: era({name!r}, data=True, run={run!r}).")
    found = Era(campaign, bool(data), None if run is None else int(run), folder_of(campaign, directory))
    found.tags_of(found.algorithm)
    return found


@dataclass(frozen=True)
class Era:
    """The payloads of an era; made by `era`.

    Attributes
    ----------
    campaign : Campaign
        The row of `coffea_mljec.eras.table.CAMPAIGNS`.
    data : bool
    run : int or None
    folder : Path
        With its payloads; in the newer layout the dated one that ``latest`` leads to.
    """

    campaign: Campaign
    data: bool
    run: int | None
    folder: Path

    def __repr__(self) -> str:
        kind = "simulation" if not self.data else "data" if self.run is None else f"data of run {self.run}"
        return f"Era({self.name!r}, {kind}: {', '.join(self.tags)}; {self.folder})"

    @property
    def name(self) -> str:
        """The folder in CMS's JSON repository."""
        return self.campaign.name

    @property
    def algorithm(self) -> str:
        """The algorithm of ``Jet``; that of ``FatJet`` where the folder has payloads for those alone."""
        return self.campaign.jets if file_of(self.folder, "jet_jerc.json.gz") else FAT_JETS

    @property
    def met_collection(self) -> str:
        """The MET that belongs to the era's AK4 jets, ``PuppiMET`` or ``MET``."""
        return "PuppiMET" if self.campaign.jets.endswith("Puppi") else "MET"

    def algorithm_of(self, collection: str) -> str:
        """The algorithm of ``Jet`` or ``FatJet`` in the era's files.

        Raises
        ------
        InputError
            Another collection.
        """
        if collection not in ("Jet", "FatJet"):
            raise InputError(f"eras have payloads for Jet and FatJet, got the collection {collection!r}.")
        return self.campaign.jets if collection == "Jet" else FAT_JETS

    def path_of(self, algorithm: str) -> Path:
        """The file with an algorithm's corrections.

        Raises
        ------
        PayloadError
            The folder does not have it; the message lists its files.
        """
        return self._required("fatJet_jerc.json.gz" if algorithm.startswith("AK8") else "jet_jerc.json.gz")

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Tags of the correction of `algorithm`: one for simulation; for data one a period, or one for all."""
        return tuple(tag for _, tag in self.tags_of(self.algorithm))

    @property
    def tag(self) -> str:
        """The tag; where data have several, what they have in common."""
        (first, *others) = self.tags
        return common(first) if others else first

    @property
    def jer_tag(self) -> str:
        """The tag of resolution and scale factors of `algorithm`."""
        return resolution_tag(self.path_of(self.algorithm), self.campaign, self.algorithm)

    def tags_of(self, algorithm: str) -> tuple[tuple[Runs, str], ...]:
        """Tags of an algorithm's correction, each with the runs that it is for.

        Raises
        ------
        InputError
            `run` is in none of them.
        PayloadError
            The file has no tag of this era for this algorithm.
        """
        tags = correction_tags(self.path_of(algorithm), self.campaign, self.data, algorithm)
        return tags if self.run is None else tag_of_run(self.run, tags, self.name)

    def payload(self, algorithm: str | None = None, levels: str | Sequence[str] = "L1L2L3Res") -> Payload:
        """Read a correction; on data each jet gets the tag of its run.

        Parameters
        ----------
        algorithm : str, optional
            By default `algorithm`; ``"AK4PFPuppiPNetRegression"`` where the file has it.
        levels : str or sequence of str
            See `coffea_mljec.payloads.read_json`.
        """
        algorithm = algorithm or self.algorithm
        path, tags = self.path_of(algorithm), self.tags_of(algorithm)
        with parsed_once():
            read = [(runs, read_json(path, tag, algorithm, levels)) for runs, tag in tags]
        if not self.data:
            return read[0][1]
        whole = by_run(read, common(tags[0][1]) if len(tags) > 1 else tags[0][1])
        return with_frozen_residual(whole) if self.campaign.frozen_residual else whole

    def systematics(
        self,
        algorithm: str | None = None,
        uncertainties: str | Sequence[str] | None = "regrouped",
        smearing: bool = True,
    ) -> SystematicOptions:
        """Read uncertainties, resolution and scale factors: options of any provider.

        Parameters
        ----------
        algorithm : str, optional
            By default `algorithm`.
        uncertainties : str, sequence of str or None
            ``"regrouped"`` (eleven sources), ``"total"``, ``"all"`` or names of sources; None for none.
        smearing : bool
            Whether jets of simulation are smeared.
        """
        if self.data:
            return {}
        algorithm = algorithm or self.algorithm
        path, ((_, tag),) = self.path_of(algorithm), self.tags_of(algorithm)
        found: SystematicOptions = {}
        with parsed_once():
            if uncertainties is not None:
                sources = read_uncertainties_json(path, tag, algorithm, uncertainties)
                found["uncertainties"] = with_hem_issue(sources) if self.campaign.hem else sources
            if smearing:
                jer = resolution_tag(path, self.campaign, algorithm)
                found["resolution"] = read_resolution_json(path, jer, algorithm)
                found["scale_factor"] = read_scale_factor_json(path, jer, algorithm)
                found["unsmeared_eta"] = self.campaign.unsmeared_eta
        return found

    def standard(
        self,
        collection: str = "Jet",
        uncertainties: str | Sequence[str] | None = "regrouped",
        smearing: bool = True,
        **options: Any,
    ) -> FactorizedJEC:
        """Make the standard path: all levels, with uncertainties and smearing of simulation.

        Parameters
        ----------
        collection : {"Jet", "FatJet"}
        uncertainties, smearing
            See `systematics`.
        **options
            Further ones of `FactorizedJEC` and `SystematicOptions`.
        """
        algorithm = self.algorithm_of(collection)
        with parsed_once():
            payload = self.payload(algorithm)
            systematics: dict[str, Any] = {**self.systematics(algorithm, uncertainties, smearing)}
        return FactorizedJEC(payload, **(systematics | options))

    def met(self, provider: Provider | None = None, xy: bool = False, **options: Any) -> Type1MET:
        """Make type-1 MET of a provider's jets, or of the standard path's.

        Parameters
        ----------
        provider : Provider, optional
            Corrects the jets; without a standard path of its own it gets this era's.
        xy : bool
            Whether to apply the xy correction.
        **options
            Further ones of `Type1MET`.

        Raises
        ------
        PayloadError
            The era has no xy correction.
        """
        corrector = provider or self.standard()
        if standard_within(corrector) is None:
            options.setdefault("standard", self.standard(uncertainties=None, smearing=False))
        return Type1MET(corrector, xy=self.met_xy() if xy else None, **options)

    def met_xy(self) -> METXY:
        """Read the xy correction of MET; raises PayloadError where the era has none."""
        epoch = self.campaign.xy
        if not epoch:
            raise PayloadError(f"CMS has published no xy correction of MET for {self.name}: leave xy out.")
        if epoch == "met":
            return METXY(self._required("met.json.gz"), epoch)
        return METXY(self._required(f"met_xyCorrections_{self.campaign.year}_{epoch}.json.gz"), epoch)

    def veto_map(self, kind: str = "jetvetomap") -> JetVetoMap:
        """Read the jet veto map; see `JetVetoMap`."""
        path = self._required("jetvetomaps.json.gz")
        return JetVetoMap(path, self.campaign.veto, kind, self.jet_id())

    def jet_id(self, working_point: WorkingPoint = "TightLeptonVeto") -> JetID:
        """Make the jet identification, by the era's ``jetid.json.gz`` where it has one.

        Raises
        ------
        PayloadError
            PUPPI jets of Run 2 without that file: no criteria for them are known here.
        """
        path = file_of(self.folder, "jetid.json.gz")
        if path is None and not self.campaign.run3 and self.campaign.jets != "AK4PFchs":
            path = self._required("jetid.json.gz")
        return JetID(working_point, path)

    def _required(self, *names: str) -> Path:
        path = file_of(self.folder, *names)
        if path is None:
            there = sorted(one.name for one in self.folder.iterdir() if ".json" in one.name)
            raise PayloadError(
                f"{self.folder} has no {' or '.join(names)}; it has: {', '.join(there) or 'no payloads'}."
            )
        return path
