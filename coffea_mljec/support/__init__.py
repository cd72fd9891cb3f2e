"""What all the others need of the machine: digests, whole files, progress, suggestions."""
