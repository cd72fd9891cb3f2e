"""All that knows NanoAOD: names of branches, layout of a file, links, grouping; opening files; friend trees."""

from __future__ import annotations

from coffea_mljec.nano.chunk import JetChunk, flatten
from coffea_mljec.nano.detection import detect
from coffea_mljec.nano.flat import Constituents, FlatJets
from coffea_mljec.nano.friend import COLUMNS, FriendSummary, check_friend, friend_paths, write_friend
from coffea_mljec.nano.layout import Layout
from coffea_mljec.nano.opening import NanoFile, open_nano, quiet_coffea
from coffea_mljec.nano.quantities import Branch

__all__ = [
    "COLUMNS",
    "Branch",
    "Constituents",
    "FlatJets",
    "FriendSummary",
    "JetChunk",
    "Layout",
    "NanoFile",
    "check_friend",
    "detect",
    "flatten",
    "friend_paths",
    "open_nano",
    "quiet_coffea",
    "write_friend",
]
