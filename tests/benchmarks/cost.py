"""What correcting a data set costs, from what the benchmarks measured."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.timing import Topic

__all__ = ["cost_model"]

EVENTS = 1e10
JETS_AN_EVENT = 6.4
"""As in pfnano_ul17_mc.root (jets above 15 GeV)."""


def cost_model(topics: Sequence[Topic], events: float = EVENTS, jets_an_event: float = JETS_AN_EVENT) -> str:
    """A table in markdown: microseconds a jet by model, jets a second on a core, core hours for ``events`` events.

    Layout, features and record are the same for all networks. Without the topics it needs the table is empty.
    """
    by_name = {topic.name: topic for topic in topics}
    lines = [
        f"| {events:.0e} events of {jets_an_event:g} jets | us/jet | jets a second, one core | core hours |",
        "|---|---:|---:|---:|",
    ]

    def add(what: str, cost: float) -> None:
        hours = cost * 1e-6 * jets_an_event * events / 3600
        lines.append(f"| {what} | {cost:,.3g} | {1e6 / cost:,.0f} | {hours:,.0f} |")

    whole = by_name.get("apply, PFN-r Lite")
    if whole is not None:
        add("apply with PFN-r Lite", whole.median("apply"))
        rest = sum(whole.median(part) for part in ("(b) layout", "(c) features", "(e) output record"))
        for name in ("PFN-r", "ParticleNet-r Lite", "ParticleNet-r"):
            network = by_name.get(f"{name} network")
            if network is not None:
                add(f"apply with {name}", rest + network.median(network.ours))
    for topic in topics:
        if topic.name.startswith("standard path"):
            add(f"factors of the {topic.name}", topic.median(topic.ours))
            break
    if whole is not None:
        for way in whole.values:
            if way.startswith("(a)"):
                add(way.removeprefix("(a) ").replace("its", "PFN-r Lite's"), whole.median(way))
    return "\n".join(lines) + "\n"
