"""``python -m training``: one file a command."""
