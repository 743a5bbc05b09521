"""Integrity of stored bytes: checks before production, damage, scrubbing, formats, ownership of the store."""

from registry.services.integrity import damage, file_formats, format_rereads, precheck, scrubbing, store_ownership

__all__ = ["damage", "file_formats", "format_rereads", "precheck", "scrubbing", "store_ownership"]
