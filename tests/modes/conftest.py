"""The generated files of the layouts."""

from __future__ import annotations

from tests.nano.conftest import generated, layout_events

__all__ = ["generated", "layout_events"]
