"""Imports: versions from bytes that lie elsewhere, copied by a worker or while the request waits."""

from registry.services.imports import copy, import_jobs, import_kinds, inline, run_refreshes, upstream

__all__ = ["copy", "import_jobs", "import_kinds", "inline", "run_refreshes", "upstream"]
