"""Studies: variants of one recipe, trained, evaluated on one test production, and compared."""
