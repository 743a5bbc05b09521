"""Integrity of stored bytes: checks before production, recorded damage, scrubbing, ownership of the store."""
