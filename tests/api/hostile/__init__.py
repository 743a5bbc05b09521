"""Hostile requests as data, and what every one of them must come to."""
