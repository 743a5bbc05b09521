"""Uploads: bytes are announced, sent to signed URLs, completed and verified before anything refers to them."""
