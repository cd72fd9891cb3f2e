"""Learning: recipe, sampling, losses, loop, run folder, search, ensemble, export."""
