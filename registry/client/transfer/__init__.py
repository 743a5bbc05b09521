"""Transfers of bytes to and from the store, by bounded threads."""
