"""The eras of CMS's jet payloads: folders, campaigns of tags, jets, maps. New eras are rows here.

Sources, all public, as of autumn 2026:

- folders of both layouts, campaigns of JEC and JER: PocketCoffea (parameters/jets_calibration.yaml), nanoAOD-tools-
  modules of CMS's common analysis tools, and the JERC group's example (github.com/ravindkv/cms-jerc-application);
- names of jet veto maps: the same example and PocketCoffea (parameters/jet_scale_factors.yaml);
- files and epochs of MET xy corrections: columnflow and analyses that use it (met_xyCorrections_2022_2022EE.json.gz);
- jets without a generator jet in 2.5 < abs(eta) < 3 in Run 3, the residual of 2024 below 30 GeV: JERC's recommendations
  (https://cms-jerc.web.cern.ch/Recommendations), as nanoAOD-tools-modules (jetCorr.py) has them;
- HEM15/16 in 2018: JetMET's recipe (hypernews JetMET/2000), as CMSJMECalculators has it.

Versions of tags are not here: a file has one, or the newest of it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from coffea_mljec.errors import InputError
from coffea_mljec.payloads.run_periods import YEARS, Runs, is_within, periods_of
from coffea_mljec.support.suggestions import did_you_mean

__all__ = ["CAMPAIGNS", "Campaign", "campaign_of", "campaign_of_run", "campaigns_of_production"]

HORNS = (2.5, 3.0)
RUN3 = "AK4PFPuppi"


@dataclass(frozen=True)
class Campaign:
    """One era.

    Attributes
    ----------
    name : str
        Folder in the layout of jsonpog-integration.
    metadata : str
        Folder in the newer layout, ``JME/<metadata>/latest``.
    aliases : tuple of str
    part : str
        Key of `coffea_mljec.payloads.run_periods.PERIODS`; with a year alone, all runs of `YEARS`.
    jec, jer : tuple of str
        Beginnings of tags, best first: a file may still have the one before.
    jets : str
        Algorithm of ``Jet``; ``FatJet`` is AK8PFPuppi in all of them.
    production : str
        What simulation of the era is called in names of data sets.
    veto : str
        Name of the jet veto map.
    xy : str
        Epoch of the MET xy corrections, "" for none, "met" for those of Run 2.
    hem : bool
        Whether a part of the calorimeter was off (HEM15/16).
    frozen_residual : bool
        Whether the residual is that of 30 GeV below it, in 2 < abs(eta) < 2.5.
    """

    name: str
    metadata: str
    aliases: tuple[str, ...]
    part: str
    jec: tuple[str, ...]
    jer: tuple[str, ...]
    veto: str
    production: str
    jets: str = RUN3
    xy: str = ""
    hem: bool = False
    frozen_residual: bool = False

    @property
    def run3(self) -> bool:
        """2022 and later."""
        return int(self.part[:2]) >= 22

    @property
    def year(self) -> int:
        """Of the data."""
        return 2000 + int(self.part[:2])

    @property
    def runs(self) -> Runs:
        """Of its data."""
        return periods_of(self.part) or (YEARS[int(self.part[:2])],)

    @property
    def unsmeared_eta(self) -> tuple[float, float] | None:
        """Where jets without a generator jet are left alone; see `SystematicOptions`."""
        return HORNS if self.run3 else None


def _ul(
    year: str, part: str, metadata: str, jer: str, aliases: tuple[str, ...], hem: bool = False
) -> tuple[Campaign, ...]:
    """Run 2: the legacy reconstruction with CHS jets (NanoAODv9), and with PUPPI jets (NanoAODv15)."""
    veto, production = f"Summer19UL{part[:2]}_V1", f"RunIISummer20UL{part}"
    first = Campaign(
        name=f"{year}_UL", metadata=f"Run2-{metadata}-UL-NanoAODv9", aliases=aliases, part=part,
        jec=(f"Summer19UL{part}",), jer=(jer,), veto=veto, production=production, jets="AK4PFchs", xy="met", hem=hem,
    )  # fmt: skip
    second = Campaign(
        name=f"{year}_UL_NanoAODv15", metadata=f"Run2-{metadata}-UL-NanoAODv15",
        aliases=tuple(f"{alias}v15" for alias in aliases), part=part, jec=(f"Summer20UL{part}NanoV15",), jer=(jer,),
        veto=veto, production=production, hem=hem,
    )  # fmt: skip
    return first, second


CAMPAIGNS: tuple[Campaign, ...] = (
    *_ul("2016preVFP", "16APV", "2016preVFP", "Summer20UL16APV", ("2016preVFP", "2016APV")),
    *_ul("2016postVFP", "16", "2016postVFP", "Summer20UL16", ("2016postVFP",)),
    *_ul("2017", "17", "2017", "Summer19UL17", ("2017",)),
    *_ul("2018", "18", "2018", "Summer19UL18", ("2018",), hem=True),
    Campaign(
        name="2022_Summer22", metadata="Run3-22CDSep23-Summer22-NanoAODv12", aliases=("2022", "2022preEE"), part="22",
        jec=("Summer22_22Sep2023",), jer=("Summer22_22Sep2023",), veto="Summer22_23Sep2023_RunCD_V1",
        production="Run3Summer22", xy="2022",
    ),
    Campaign(
        name="2022_Summer22EE", metadata="Run3-22EFGSep23-Summer22EE-NanoAODv12", aliases=("2022EE", "2022postEE"),
        part="22EE", jec=("Summer22EE_22Sep2023",), jer=("Summer22EE_22Sep2023",),
        veto="Summer22EE_23Sep2023_RunEFG_V1", production="Run3Summer22EE", xy="2022EE",
    ),
    Campaign(
        name="2023_Summer23", metadata="Run3-23CSep23-Summer23-NanoAODv12", aliases=("2023", "2023preBPix"), part="23",
        jec=("Summer23Prompt23",), jer=("Summer23Prompt23_RunCv1234",), veto="Summer23Prompt23_RunC_V1",
        production="Run3Summer23", xy="2023",
    ),
    Campaign(
        name="2023_Summer23BPix", metadata="Run3-23DSep23-Summer23BPix-NanoAODv12",
        aliases=("2023BPix", "2023postBPix"), part="23BPix", jec=("Summer23BPixPrompt23",),
        jer=("Summer23BPixPrompt23_RunD",), veto="Summer23BPixPrompt23_RunD_V1", production="Run3Summer23BPix",
        xy="2023BPix",
    ),
    Campaign(
        name="2024_Summer24", metadata="Run3-24CDEReprocessingFGHIPrompt-Summer24-NanoAODv15", aliases=("2024",),
        part="24", jec=("Summer24Prompt24",), jer=("Summer24Prompt24", "Summer23BPixPrompt23_RunD"),
        veto="Summer24Prompt24_RunBCDEFGHI_V1", production="RunIII2024Summer24", frozen_residual=True,
    ),
    Campaign(
        name="2025_Summer24", metadata="Run3-25Prompt-Summer24-NanoAODv15", aliases=("2025",), part="25",
        jec=("Summer24Prompt25", "Winter25Prompt25"),
        jer=("Summer24Prompt25", "Summer24Prompt24", "Summer23BPixPrompt23_RunD"),
        veto="Summer24Prompt25_RunCDEFG_V1", production="RunIII2024Summer24",
    ),
    Campaign(
        name="2025_Winter25", metadata="Run3-25Prompt-Winter25-NanoAODv15", aliases=("2025Winter25",), part="25",
        jec=("Winter25Prompt25",), jer=("Summer24Prompt25", "Summer23BPixPrompt23_RunD"),
        veto="Winter25Prompt25_RunCDEFG_V1", production="RunIII2025Winter25",
    ),
    Campaign(
        name="2026_Summer24", metadata="Run3-26Prompt-Summer24-NanoAODv15", aliases=("2026",), part="26",
        jec=("Summer24Prompt26",), jer=("Summer24Prompt26", "Summer24Prompt25"), veto="Summer24Prompt26_RunBCD_V1",
        production="RunIII2024Summer24",
    ),
)  # fmt: skip
"""From the oldest to the newest."""


def campaign_of(name: str) -> Campaign:
    """Find an era by its folder, in either layout, or by an alias.

    Raises
    ------
    InputError
        No such era; the message names the nearest, and all.
    """
    known = {key: one for one in CAMPAIGNS for key in (one.name, one.metadata, *one.aliases)}
    if isinstance(name, str) and name in known:
        return known[name]
    raise InputError(
        f"no era {name!r}. {did_you_mean(str(name), known)}Eras: {', '.join(one.name for one in CAMPAIGNS)}; `mljec "
        "eras` lists their short names too."
    )


def campaign_of_run(run: int) -> tuple[Campaign, ...]:
    """The eras whose data have a run; of 2016 to 2018 two, with CHS and with PUPPI jets."""
    return tuple(one for one in CAMPAIGNS if is_within(run, one.runs).all())


def campaigns_of_production(place: str) -> tuple[Campaign, ...]:
    """The eras of simulation whose production a path or a name of a data set tells; the longest name counts."""
    place = place.replace("NanoAODAPV", "APV")
    found = [one for one in CAMPAIGNS if one.production in place]
    longest = max((len(one.production) for one in found), default=0)
    return tuple(one for one in found if len(one.production) == longest)
