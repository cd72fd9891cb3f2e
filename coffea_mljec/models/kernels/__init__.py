"""numba kernels below the engines: dense layers, rows, edges, neighbours."""
