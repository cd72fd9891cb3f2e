"""The targets by name."""

from __future__ import annotations

from functools import cache

from tests.fuzz.case import Target


@cache
def targets() -> dict[str, Target]:
    """All of them; imported on demand, since a child process needs one at a time."""
    from tests.fuzz.targets import checkpoints, commands, events, met, models, payloads, servers, weaver

    modules = (events, models, payloads, checkpoints, commands, met, weaver, servers)
    return {module.__name__.rpartition(".")[2]: module.TARGET for module in modules}
