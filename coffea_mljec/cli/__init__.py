"""The command line, ``mljec``: one module a command."""

from __future__ import annotations

from coffea_mljec.cli.app import main

__all__ = ["main"]
