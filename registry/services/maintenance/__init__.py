"""Maintenance: garbage collection, fsck, cleanup, heartbeats, restored backups and the secret key."""
