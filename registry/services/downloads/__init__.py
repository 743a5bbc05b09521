"""Downloads: signed URLs of files, the first bytes of a file, and a version as one archive."""

from registry.services.downloads import archive, heads, urls

__all__ = ["archive", "heads", "urls"]
