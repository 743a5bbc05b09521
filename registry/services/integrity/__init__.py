"""Integrity of stored bytes: checks before production, recorded damage, scrubbing, ownership of the store."""

from registry.services.integrity import damage, precheck, scrubbing, store_ownership

__all__ = ["damage", "precheck", "scrubbing", "store_ownership"]
