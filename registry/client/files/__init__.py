"""Files on disk: which are registered, their digests, the facts in them, and directories to write to."""
