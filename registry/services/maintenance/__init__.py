"""Maintenance: garbage collection, fsck, cleanup, heartbeats, restored backups and the secret key."""

from registry.services.maintenance import cleanup, fsck, garbage_collection, heartbeats, restoration, secret_keys

__all__ = ["cleanup", "fsck", "garbage_collection", "heartbeats", "restoration", "secret_keys"]
