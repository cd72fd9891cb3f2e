"""What a production consists of: processes, the order of their shards, and everything that fixes their content."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from coffea_mljec.errors import InputError
from training.refusals import refused
from training.simulate.branches import EXTRAS
from training.simulate.detector import DETECTOR
from training.simulate.nanoaod import COMPRESSIONS
from training.simulate.settings import PROCESSES, Settings
from training.simulate.tables import EVENTS_A_SEED, JetSelection

__all__ = ["BOOSTED", "LATER", "MIX", "MIXES", "Plan", "Shard"]

#: Process -> share of the events of a training sample: from it b : c : uds : g = 1 : 1 : 2 : 2 can be sampled, with s
#: jets beside u and d, in the forward region too.
MIX: dict[str, float] = {
    "qcd": 0.42, "qcd-b": 0.14, "qcd-c": 0.12, "qcd-strange": 0.16,
    "qcd-forward": 0.08, "qcd-b-forward": 0.025, "qcd-c-forward": 0.025, "qcd-strange-forward": 0.03,
}  # fmt: skip

#: The same for AK8 jets: bosons, tops and jets of one parton (every Higgs boson has one beside it).
BOOSTED: dict[str, float] = {
    "boosted-w": 0.15, "boosted-z": 0.15, "boosted-hbb": 0.2, "boosted-hcc": 0.1, "boosted-hjj": 0.15,
    "boosted-top": 0.15, "qcd": 0.1,
}  # fmt: skip

#: Name on the command line -> shares.
MIXES = {"mix": MIX, "boosted": BOOSTED}

#: Settings that came later, and the values at which they change nothing: productions of before can be gone on with.
LATER = {"hadron_resolution_scale": 1.0, "puppi": "run2"}


class Shard(BaseModel):
    """One file: its number, process, events and the running number of its first event."""

    model_config = ConfigDict(frozen=True)

    number: int
    process: str
    events: int
    first_event: int

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.number:05d}_{self.process}.root"

    def __str__(self) -> str:
        """The file's name, for messages."""
        return self.name


class Plan(BaseModel):
    """A production: with the same plan every shard has the same content, whoever makes it and when.

    Attributes
    ----------
    seed : int
        Seed of the production, and of its pileup pool: productions that must be independent take different ones.
    events : int
        Events in all; may be raised later, when the production is resumed.
    shard_events : int
        Events a shard (the last one may have fewer).
    shares : dict of str to float
        Process -> share of the shards. Shards of the processes alternate, so that any number of them has the mix.
    settings : dict
        Further `Settings` of all processes: spectrum, pileup and so on.
    pool_events : int
        Interactions in the pileup pool.
    selection : dict
        `JetSelection`.
    compression : str
        ``zstd`` or ``lzma``.
    correction : dict of str to str
        Files of the standard correction applied to the AK4 jets -> their sha256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    events: Annotated[int, Field(ge=1, lt=EVENTS_A_SEED)]
    shard_events: Annotated[int, Field(ge=1)] = 500
    shares: dict[str, Annotated[float, Field(gt=0.0)]] = MIX
    settings: dict[str, Any] = {}
    pool_events: Annotated[int, Field(ge=1)] = 10_000
    selection: dict[str, Any] = {}
    compression: str = "zstd"
    correction: dict[str, str] = {}

    @field_validator("shares")
    @classmethod
    def _known(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = [name for name in value if name not in PROCESSES]
        if unknown or not value:
            raise ValueError(f"unknown process {', '.join(unknown) or '(none)'}: choose from {', '.join(PROCESSES)}")
        return value

    @field_validator("compression")
    @classmethod
    def _packs(cls, value: str) -> str:
        if value not in COMPRESSIONS:
            raise ValueError(f"unknown compression {value!r}: choose one of {', '.join(COMPRESSIONS)}")
        return value

    @classmethod
    def create(cls, **values: Any) -> Plan:
        """Return the plan, or raise `InputError` with every value that is refused, those of the settings among them."""
        try:
            plan = cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"impossible production: {refused(error, 'plan')}") from None
        for process in plan.shares:
            plan.settings_of(process)
        plan.jet_selection()
        return plan

    def settings_of(self, process: str) -> Settings:
        """Return the settings of one process."""
        return Settings.create(**(self.settings | {"process": process, "seed": self.seed}))

    def jet_selection(self) -> JetSelection:
        """Return which jets are written."""
        try:
            return JetSelection(**self.selection)
        except TypeError as error:
            known = ", ".join(asdict(JetSelection()))
            raise InputError(f"impossible jet selection: {error}; it has {known}") from None

    def shards(self) -> list[Shard]:
        """Return all shards in order: each is of the process that is furthest behind its share."""
        total = sum(self.shares.values())
        made = dict.fromkeys(self.shares, 0)
        shards = []
        for number in range(math.ceil(self.events / self.shard_events)):
            process = max(self.shares, key=lambda name: self.shares[name] / total * (number + 1) - made[name])
            made[process] += 1
            first = number * self.shard_events
            shards.append(
                Shard(
                    number=number, process=process, first_event=first,
                    events=min(self.shard_events, self.events - first),
                )
            )  # fmt: skip
        return shards

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for shards to belong to one production: all but the number of events."""
        described = self.model_dump(mode="json")
        del described["events"]
        # Productions of CHS jets from before there were others do not say it; nor that they lack what came later.
        if described["selection"].get("jets") == "chs":
            del described["selection"]["jets"]
        for extra in EXTRAS:
            if described["selection"].get(extra) is False:
                del described["selection"][extra]
        # The settings with their defaults as they are now: a changed default makes another production.
        described["settings"] = {process: _telling(self.settings_of(process)) for process in self.shares}
        return described | {"detector": {name: _plain(value) for name, value in DETECTOR._asdict().items()}}


def _telling(settings: Settings) -> dict[str, Any]:
    """Return all settings but those of `LATER` that change nothing."""
    values = settings.model_dump(mode="json")
    return {name: value for name, value in values.items() if LATER.get(name) != value}


def _plain(value: Any) -> Any:
    """Return tuples and arrays as lists, as JSON gives them back."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
