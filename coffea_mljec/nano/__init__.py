"""All that knows NanoAOD: names of branches, layout of a file, links, grouping; opening files; friend trees."""

from __future__ import annotations

from coffea_mljec.nano.adapter import flatten, raw_jets, required_paths
from coffea_mljec.nano.flat import Constituents, FlatJets
from coffea_mljec.nano.friend import COLUMNS, FriendSummary, check_friend, friend_paths, write_friend
from coffea_mljec.nano.layout import Layout, detect
from coffea_mljec.nano.opening import NanoFile, open_nano, quiet_coffea

__all__ = [
    "COLUMNS",
    "Constituents",
    "FlatJets",
    "FriendSummary",
    "Layout",
    "NanoFile",
    "check_friend",
    "detect",
    "flatten",
    "friend_paths",
    "open_nano",
    "quiet_coffea",
    "raw_jets",
    "required_paths",
    "write_friend",
]
