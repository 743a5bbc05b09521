"""Downloads: signed URLs of files, and a version as one archive."""
