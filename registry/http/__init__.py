"""Parts that all faces share: the gate before each view, the caller's identity, and reading of bodies."""
