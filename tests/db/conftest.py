"""Databases of these tests, in memory where there is room."""

from tests.services.conftest import tmp_path

__all__ = ["tmp_path"]
