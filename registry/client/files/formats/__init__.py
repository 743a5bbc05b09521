"""Formats of model files, read from their first and last bytes: within bounds, and never loaded or executed."""
