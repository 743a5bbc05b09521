"""The stores under test."""

from tests.support.backends import backend

__all__ = ["backend"]
