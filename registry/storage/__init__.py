"""The artifact store: one driver protocol, two drivers, one wrapper that checks, times and names errors."""
