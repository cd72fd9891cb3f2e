"""The width that a correction gives of each jet, against the spread of its response."""
