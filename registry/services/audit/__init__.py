"""The audit log: append to it (recording), read it (reading, incremental), prove it unchanged (verification)."""

from registry.services.audit.incremental import Changes, Position, between, changes, newest
from registry.services.audit.reading import Criteria, entries, export, model_history, version_history
from registry.services.audit.recording import AUTH, Event, begin, lock_chain, record, texts
from registry.services.audit.verification import ChainReport, verify

__all__ = [
    "AUTH",
    "ChainReport",
    "Changes",
    "Criteria",
    "Event",
    "Position",
    "begin",
    "between",
    "changes",
    "entries",
    "export",
    "lock_chain",
    "model_history",
    "newest",
    "record",
    "texts",
    "verify",
    "version_history",
]
