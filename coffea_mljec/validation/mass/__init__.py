"""Energy and mass of jets against their generator jets, and the peaks of W, Z, H and top."""
