"""How control wanders between the rooms during one call of ``apply``.

    python -m tests.benchmarks.visits [FILE]

Counts how many rooms (folders of ``coffea_mljec``) one call of the bundled network touches, how often control enters a
room from another one, and how often it comes back to a room that it had left. A call down into a room and the return
out of it are one visit each way; the fewer, the straighter the way of the events.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.benchmarks.places import SAMPLE

__all__ = ["rooms_visited"]


def rooms_visited(call: Any, package: Path) -> list[str]:
    """Run a call and return the rooms in the order in which functions of them were entered, without repetitions."""
    rooms: dict[CodeType, str | None] = {}
    order: list[str] = []

    def room_of(code: CodeType) -> str | None:
        if code not in rooms:
            parts = code.co_filename.removeprefix(f"{package}/").split("/")
            outside = not code.co_filename.startswith(f"{package}/")
            rooms[code] = None if outside or len(parts) < 2 else parts[0]
        return rooms[code]

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            room = room_of(frame.f_code)
            if room is not None and (not order or order[-1] != room):
                order.append(room)

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return order


def main() -> None:
    from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

    import coffea_mljec as mljec

    warnings.simplefilter("ignore")
    path = sys.argv[1] if len(sys.argv) > 1 else str(SAMPLE)
    corrector = mljec.MLJEC()

    def events() -> Any:
        return NanoEventsFactory.from_root({path: "Events"}, schemaclass=PFNanoAODSchema, entry_stop=50).events()

    corrector(events())  # compiled, and everything imported
    fresh = events()
    order = rooms_visited(lambda: corrector(fresh), Path(mljec.__file__).parent)
    entered = Counter(order)
    returns = len(order) - len(entered)
    print(f"{len(entered)} rooms, entered {len(order)} times, {returns} of them again after leaving")
    print(", ".join(f"{room} {count}" for room, count in entered.most_common()))


if __name__ == "__main__":
    main()
