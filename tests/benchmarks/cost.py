"""What correcting a data set costs, from what the benchmarks measured: on paper, with the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.benchmarks.timing import Topic

__all__ = ["cost_model", "facility"]

EVENTS = 1e10
JETS_AN_EVENT = 6.4
"""As in pfnano_ul17_mc.root (jets above 15 GeV)."""
CHUNK = 50_000
"""Events a chunk, as `coffea_mljec.workers` cuts them by default."""
WORKERS = 200


def cost_model(topics: Sequence[Topic], events: float = EVENTS, jets_an_event: float = JETS_AN_EVENT) -> str:
    """A table in markdown: microseconds a jet by model, jets a second on a core, core hours for ``events`` events."""
    by_name = {topic.name: topic for topic in topics}
    lines = [
        f"| {events:.0e} events of {jets_an_event:g} jets | us/jet | jets a second, one core | core hours |",
        "|---|---:|---:|---:|",
    ]

    def add(what: str, cost: float) -> None:
        hours = cost * 1e-6 * jets_an_event * events / 3600
        lines.append(f"| {what} | {cost:,.3g} | {1e6 / cost:,.0f} | {hours:,.0f} |")

    bundled = by_name.get("apply, bundled models")
    if bundled is not None:
        for name in sorted(bundled.values, key=bundled.median):
            add(f"apply with `{name}`", bundled.median(name))
    for topic in topics:
        if topic.name.startswith("standard path"):
            add(f"factors of the {topic.name}", topic.median(topic.ours))
            break
    whole = by_name.get("apply, PFN-r Lite")
    for way in () if whole is None else whole.values:
        if way.startswith("(a)"):
            add(way.removeprefix("(a) ").replace("its", "their"), whole.median(way))
    return "\n".join(lines) + "\n"


def facility(
    topics: Sequence[Topic],
    workers: int = WORKERS,
    events: float = EVENTS,
    jets_an_event: float = JETS_AN_EVENT,
    chunk: int = CHUNK,
) -> str:
    """An estimate for a cluster, in markdown: hours on ``workers`` workers of one core each, and what limits them.

    It rests on one worker's time a jet (reading and `apply`), on what a chunk costs that does nothing, on the
    scheduler's processor time a chunk, and on the first call of a fresh worker; two workers' speed beside one's stands
    there to be seen. Storage and network are taken to keep up. Without these topics it is empty.
    """
    by_name = {topic.name: topic for topic in topics}
    needed = ("apply, PFN-r Lite", "overhead of a chunk", "dask workers", "first call, pfn-r-lite")
    if any(name not in by_name for name in needed):
        return ""
    apply, overhead, scaling, start = (by_name[name] for name in needed)
    jet = {"apply": apply.median("apply"), "reading, LZMA": apply.median("(a) reading its branches, lzma")}
    chunks = events / chunk
    work = chunk * jets_an_event * 1e-6 * sum(jet.values())
    idle = 1e-3 * overhead.median("one worker of a dask cluster")
    scheduler = 1e-3 * overhead.median("scheduler and client, processor time")
    first = start.median("first apply, kernels compiled") + start.median("import coffea.nanoevents")
    return _estimate(
        {
            "apply with PFN-r Lite": f"{jet['apply']:.3g} us/jet",
            "reading its branches, all candidates in the file, LZMA": f"{jet['reading, LZMA']:.3g} us/jet",
            f"work of a chunk of {chunk:,} events": f"{work:.3g} s",
            "a chunk that does nothing, on one worker": f"{1e3 * idle:.3g} ms",
            "scheduler and client, processor time": f"{1e3 * scheduler:.3g} ms/chunk",
            "first call of a fresh worker, kernels compiled, and coffea's import": f"{first:.3g} s",
            "two workers beside one": f"{scaling.ratio('1 worker'):.2f} times as fast",
        },
        {
            f"{chunks:,.0f} chunks, core hours": chunks * (work + idle) / 3600,
            f"hours on {workers} workers": (chunks / workers * (work + idle) + first) / 3600,
            "of these for what is not work, hours": (chunks / workers * idle + first) / 3600,
            "the scheduler busy in that time, share": scheduler * workers / (work + idle),
            "workers that one scheduler could feed": (work + idle) / scheduler,
        },
    )  # fmt: skip


def _estimate(measured: Mapping[str, str], follows: Mapping[str, float]) -> str:
    lines = ["| measured | |", "|---|---:|", *(f"| {what} | {value} |" for what, value in measured.items())]
    lines += ["", "| follows | |", "|---|---:|", *(f"| {what} | {value:,.3g} |" for what, value in follows.items())]
    return "\n".join(lines) + "\n"
