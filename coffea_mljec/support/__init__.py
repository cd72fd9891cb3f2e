"""What every room needs of the machine: digests, whole files, progress, suggestions."""
