"""Evaluation: providers compared on a test production, read through `coffea_mljec`, beside the reference thesis."""
