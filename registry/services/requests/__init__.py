"""Requests for approval: open and apply them (opening, applying), decide about them (deciding), and show them."""

from registry.services.requests import (
    applying,
    deciding,
    opening,
    showing,
    waiting,
)

__all__ = [
    "applying",
    "deciding",
    "opening",
    "showing",
    "waiting",
]
