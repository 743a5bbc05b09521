"""The audit log: append to it (recording), read it (reading), prove that it was not changed (verification)."""

from registry.services.audit.reading import Criteria, entries, export, model_history, version_history
from registry.services.audit.recording import AUTH, Event, begin, lock_chain, record, texts
from registry.services.audit.verification import ChainReport, verify

__all__ = [
    "AUTH",
    "ChainReport",
    "Criteria",
    "Event",
    "begin",
    "entries",
    "export",
    "lock_chain",
    "model_history",
    "record",
    "texts",
    "verify",
    "version_history",
]
