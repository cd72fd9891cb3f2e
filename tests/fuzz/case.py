"""A case, what may come of it, and how it is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

Mutation = list[Any]
"""The name of an operation and its arguments: plain JSON."""

KINDS = ("clear error", "right", "flagged", "silent", "foreign", "hang")
"""What may come of a case. The last three are failures."""

FAILURES = ("silent", "foreign", "hang")


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes
    ----------
    kind : str
        One of `KINDS`. ``silent``: a wrong number, or a wrong status, without a word. ``foreign``: an exception that is
        not of this package, or a process that died.
    detail : str
        For people: what was raised, which jet has which number.
    where : str
        Of an exception: its type and the innermost function of the package.
    """

    kind: str
    detail: str = ""
    where: str = ""

    @property
    def failed(self) -> bool:
        return self.kind in FAILURES


@dataclass(frozen=True)
class Case:
    """A target, what stays as it is, and what is broken."""

    target: str
    setup: dict[str, Any]
    mutations: list[Mutation] = field(default_factory=list)

    def with_mutations(self, mutations: Iterable[Mutation]) -> Case:
        return replace(self, mutations=list(mutations))

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> Case:
        content = json.loads(text)
        return cls(content["target"], content["setup"], content["mutations"])


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes
    ----------
    draw : function of a random generator
        Makes a case; `random.Random` or hypothesis' generator.
    judge : function of a case
        Runs it and says what came of it. What it raises is judged by `outcome_of`.
    weight : int
        Share of the cases.
    sign : function of a mutation
        Its name without what does not matter: failures with the same signs have the same cause.
    limit : float
        Seconds after which a case counts as a hang. Generous: nothing is meant to depend on how fast a machine is.
    """

    draw: Callable[[Random], Case]
    judge: Callable[[Case], Outcome]
    weight: int
    sign: Callable[[Mutation], str]
    limit: float = 90.0


def save_failure(folder: Path, case: Case, outcome: Outcome, seed: str, signature: str) -> Path:
    """Keep a failing case as a small file that ``--replay`` takes."""
    from coffea_mljec.support.digest import digest

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.target}-{digest(signature.encode())[:10]}.json"
    content = asdict(case) | {"signature": signature, "drawn from": seed, "outcome": asdict(outcome)}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
