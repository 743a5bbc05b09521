"""Imports: versions from bytes that lie elsewhere, copied by a worker or while the request waits."""
