"""Uploads: bytes are announced, sent to signed URLs, completed and verified before anything refers to them."""

from registry.services.uploads import (
    announcement,
    completion,
    credential_files,
    delivery,
    ingest,
    multipart,
    quotas,
    verification,
)

__all__ = [
    "announcement",
    "completion",
    "credential_files",
    "delivery",
    "ingest",
    "multipart",
    "quotas",
    "verification",
]
