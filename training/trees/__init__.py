"""Gradient-boosted trees on jet features alone: the correction that needs no constituents and runs on any NanoAOD."""
