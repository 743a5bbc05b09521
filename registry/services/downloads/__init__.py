"""Downloads: signed URLs of files, and a version as one archive."""

from registry.services.downloads import archive, urls

__all__ = ["archive", "urls"]
