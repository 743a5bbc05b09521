"""Bytes in and out of the artifact store: one driver protocol, two drivers, one check around them."""
