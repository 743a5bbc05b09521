"""Verification of a registry from outside: chains read over HTTP, replayed, and compared with what the API answers."""
