"""Numbers without NanoAOD: angles, matching, quantiles, checked columns, and numba with a cache."""
