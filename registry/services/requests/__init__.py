"""Requests for approval: open and apply them (opening, applying), decide about them (deciding), and show them."""

from registry.services.requests import (
    applying,
    deciding,
    guarding,
    opening,
    showing,
    waiting,
)

__all__ = [
    "applying",
    "deciding",
    "guarding",
    "opening",
    "showing",
    "waiting",
]
