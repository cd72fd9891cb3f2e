"""What a production is made of: process, seed, spectrum, pileup. Impossible values are refused by name."""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from coffea_mljec.errors import InputError
from training.refusals import refused

__all__ = ["FORWARD_CODE", "PROCESSES", "SHOWERS", "Process", "Settings"]


class Process(NamedTuple):
    """What is generated.

    Attributes
    ----------
    code : int
        Stored as ``MLJEC_process``.
    commands : tuple of str
        Pythia 8 settings.
    parton_eta : float
        One of the two outgoing partons has at least this |eta|; other scatters are vetoed before their shower.
    region_eta : tuple of float
        Edges in |eta|: both outgoing partons lie between the same two; other scatters are vetoed likewise.
    """

    code: int
    commands: tuple[str, ...]
    parton_eta: float = 0.0
    region_eta: tuple[float, ...] = ()

    @property
    def chooses(self) -> bool:
        """Whether any scatter is vetoed."""
        return self.parton_eta > 0.0 or bool(self.region_eta)

    def wants(self, first: float, second: float) -> bool:
        """Whether a scatter with partons at these |eta| is kept."""
        if max(first, second) < self.parton_eta:
            return False
        if not self.region_eta:
            return True
        region = bisect_right(self.region_eta, first)
        return 0 < region < len(self.region_eta) and region == bisect_right(self.region_eta, second)


_QCD: dict[str, Process] = {
    "qcd": Process(0, ("HardQCD:all = on",)),
    # gg -> Q Qbar and q qbar -> Q Qbar: both leading jets carry the flavour (5, 4), so one event gives two such jets.
    "qcd-b": Process(1, ("HardQCD:hardbbbar = on",)),
    "qcd-c": Process(2, ("HardQCD:hardccbar = on",)),
    # quark scattering and q qbar -> q' q'bar with three light flavours: jets of light quarks.
    "qcd-light": Process(3, ("HardQCD:qq2qq = on", "HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on")),
    "gluon": Process(4, ("HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on")),
    # g g -> q qbar and q qbar -> q' q'bar: d, u and s in equal parts; strange quarks are rare in q q -> q q.
    "qcd-strange": Process(9, ("HardQCD:gg2qqbar = on", "HardQCD:qqbar2qqbarNew = on")),
}

#: Code of a process's forward variant: its own and this.
FORWARD_CODE = 20
#: Where the forward variants begin: a little before 2.5, as jets do not follow their parton exactly.
_FORWARD_ETA = 2.4

_HADRONIC_W = ("24:onMode = off", "24:onIfAny = 1 2 3 4 5")
_HADRONIC_Z = ("23:onMode = off", "23:onIfAny = 1 2 3 4 5")
#: A Higgs boson beside a quark or gluon, its mass drawn from a line so wide that it is about flat from 40 to 180 GeV.
_HIGGS_OF_ANY_MASS = (
    "HiggsSM:gg2Hg(l:t) = on", "HiggsSM:qg2Hq(l:t) = on",
    "25:m0 = 300", "25:mWidth = 1000", "25:doForceWidth = on", "25:mMin = 30", "25:mMax = 300", "25:onMode = off",
)  # fmt: skip

#: Hadronic decays in one AK8 jet, for `Settings.pt_hat_min` from 200 GeV on: scatters of two partons into two, so that
#: `Settings.bias_power` spreads their pT, which it does not with a heavy resonance; 6 makes it about flat to 2 TeV.
_BOOSTED: dict[str, Process] = {
    "boosted-w": Process(10, ("WeakDoubleBoson:ffbar2WW = on", *_HADRONIC_W)),
    "boosted-z": Process(11, ("WeakDoubleBoson:ffbar2gmZgmZ = on", "WeakZ0:gmZmode = 2", *_HADRONIC_Z)),
    "boosted-hbb": Process(12, (*_HIGGS_OF_ANY_MASS, "25:onIfMatch = 5 -5")),
    "boosted-hcc": Process(13, (*_HIGGS_OF_ANY_MASS, "25:onIfMatch = 4 -4")),
    # Light quarks and gluons.
    "boosted-hjj": Process(14, (*_HIGGS_OF_ANY_MASS, "25:onIfAny = 1 2 3 21")),
    "boosted-top": Process(15, ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_HADRONIC_W)),
}

#: Process name -> what is generated.
PROCESSES: dict[str, Process] = _QCD | _BOOSTED | {
    # A forward parton is rare at high pT: without these, the forward region starves.
    f"{name}-forward": Process(FORWARD_CODE + process.code, process.commands, _FORWARD_ETA)
    for name, process in _QCD.items()
} | {
    # Two jets in one region, as the balance of dijets asks for.
    "qcd-dijet": Process(17, ("HardQCD:all = on",), region_eta=(0.0, 1.3, 2.5)),
    "ttbar": Process(5, ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")),
    "zjet": Process(
        6,
        (
            "WeakBosonAndParton:qqbar2gmZg = on", "WeakBosonAndParton:qg2gmZq = on", "WeakZ0:gmZmode = 2",
            "23:onMode = off", "23:onIfAny = 11 13",
        ),
    ),
    "gammajet": Process(7, ("PromptPhoton:qg2qgamma = on", "PromptPhoton:qqbar2ggamma = on")),
    "hbb": Process(
        8, ("HiggsSM:ffbar2HZ = on", "HiggsSM:ffbar2HW = on", "25:onMode = off", "25:onIfMatch = 5 -5")
    ),
    "hcc": Process(
        16, ("HiggsSM:ffbar2HZ = on", "HiggsSM:ffbar2HW = on", "25:onMode = off", "25:onIfMatch = 4 -4")
    ),
}  # fmt: skip

#: Name -> number of Pythia 8's shower model.
SHOWERS = {"simple": 1, "vincia": 2, "dire": 3}


class Settings(BaseModel):
    """The settings of a production; with `seed` and a batch's index they fix every number in it.

    Attributes
    ----------
    process : str
        One of `PROCESSES`.
    seed : int
        Seed of everything drawn, 0 to 2**31 - 1. Training and test samples take different ones.
    pt_hat_min, pt_hat_max : float
        Range of the hard scatter's transverse momentum in GeV.
    bias_power : float
        Hard scatters are drawn with a weight (pT / GeV)**bias_power and carry its inverse in ``genWeight``;
        0 draws by cross section.
    pileup_mean : float or (float, float)
        Mean number of minimum-bias interactions, or a range: then every event draws its own mean as Run 2 had it
        (`training.simulate.pileup.draw_means`).
    vertex_spread : float
        Standard deviation of the luminous region along z in cm.
    energy : float
        Proton-proton centre-of-mass energy in GeV.
    tune : int
        ``Tune:pp`` of Pythia 8, for hard scatters and pileup alike; 14 is Monash 2013 (Skands, Carrazza, Rojo,
        arXiv:1404.5630), from which CMS's tunes start; 18 is CMS's CUETP8M1 with NNPDF2.3LO (CMS, arXiv:1512.00815),
        whose pileup is a tenth softer than that of CMS's UL simulation.
    shower : str
        One of `SHOWERS`.
    passes : int
        Times that every hard scatter goes through the detector, each time turned, mirrored and with other pileup
        (`training.simulate.passes`). Events of one scatter share ``MLJEC_scatter``. A test sample takes 1.
    hadron_response_scale : float
        Factor on the calorimeter's response to hadrons, for variants.
    hadron_resolution_scale : float
        Factor on the calorimeters' resolution for hadrons, for variants; 0.01 takes chance out of it.
    puppi : "run2" or "run3"
        How PUPPI weighs hard neutral candidates and forward ones (`training.simulate.puppi.TUNES`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    process: str = "qcd"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    pt_hat_min: Annotated[float, Field(gt=0.0)] = 10.0
    pt_hat_max: Annotated[float, Field(gt=0.0)] = 3000.0
    bias_power: Annotated[float, Field(ge=0.0, le=8.0)] = 5.0
    pileup_mean: float | tuple[float, float] = (10.0, 70.0)
    vertex_spread: Annotated[float, Field(gt=0.0, le=20.0)] = 3.7
    energy: Annotated[float, Field(ge=900.0, le=100000.0)] = 13000.0
    tune: Annotated[int, Field(ge=1, le=40)] = 14
    shower: str = "simple"
    passes: Annotated[int, Field(ge=1, le=20)] = 1
    hadron_response_scale: Annotated[float, Field(ge=0.5, le=1.5)] = 1.0
    hadron_resolution_scale: Annotated[float, Field(ge=0.01, le=2.0)] = 1.0
    puppi: Literal["run2", "run3"] = "run2"

    @field_validator("process")
    @classmethod
    def _known_process(cls, value: str) -> str:
        if value not in PROCESSES:
            raise ValueError(f"unknown process {value!r}: choose one of {', '.join(PROCESSES)}")
        return value

    @field_validator("shower")
    @classmethod
    def _known_shower(cls, value: str) -> str:
        if value not in SHOWERS:
            raise ValueError(f"unknown shower {value!r}: choose one of {', '.join(SHOWERS)}")
        return value

    @field_validator("pileup_mean")
    @classmethod
    def _possible_pileup(cls, value: float | tuple[float, float]) -> float | tuple[float, float]:
        low, high = value if isinstance(value, tuple) else (value, value)
        if not 0.0 <= low <= high <= 300.0:
            raise ValueError(
                f"pileup_mean {value} is impossible: give a number, or a range low <= high, within 0 to 300"
            )
        return value

    @model_validator(mode="after")
    def _ordered_range(self) -> Settings:
        if not self.pt_hat_min < self.pt_hat_max:
            raise ValueError(f"pt_hat_min {self.pt_hat_min} is not below pt_hat_max {self.pt_hat_max}: exchange them")
        if self.pt_hat_max > self.energy / 2:
            raise ValueError(f"pt_hat_max {self.pt_hat_max} is beyond half the energy {self.energy}: lower it")
        return self

    @classmethod
    def create(cls, **values: object) -> Settings:
        """Return the settings, or raise `InputError` with one line for every value that is refused."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"impossible simulation settings: {refused(error, 'settings')}") from None
