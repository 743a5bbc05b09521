"""Named queries: what is read and locked, never what is decided."""
