"""The layers on edges of a ParticleNet: which rows are neighbours, and their convolution on a CPU and on a GPU."""
