"""Files in and out: NanoAOD checked and opened, friend trees of corrected jets."""

from __future__ import annotations

from coffea_mljec.io.friend import COLUMNS, FriendSummary, check_friend, friend_paths, write_friend
from coffea_mljec.io.nano import NanoFile, open_nano, quiet_coffea

__all__ = [
    "COLUMNS",
    "FriendSummary",
    "NanoFile",
    "check_friend",
    "friend_paths",
    "open_nano",
    "quiet_coffea",
    "write_friend",
]
