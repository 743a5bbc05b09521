"""The audit log: append to it (recording), read it (reading, incremental), prove it unchanged (verification)."""

from registry.services.audit import receipts, row_seals, sealing, streams
from registry.services.audit.acceptance import Acceptance, accept_clock
from registry.services.audit.baseline import record_baseline
from registry.services.audit.checkpoints import checkpoint
from registry.services.audit.clocks import doubts, require_certain
from registry.services.audit.criteria import Criteria, actors
from registry.services.audit.erasure import Redaction, erase_account, erase_text
from registry.services.audit.finding import FoundText, find_text
from registry.services.audit.heads import ChainedEntry, HeadRecord, chained, heads
from registry.services.audit.incremental import Changes, FormerPlace, Position, between, changes, newest
from registry.services.audit.model_verification import (
    ModelVerification,
    VerificationOutcome,
    VerifiedChain,
    verify_model,
)
from registry.services.audit.reading import (
    entries,
    entry,
    export,
    first_of,
    latest_changes,
    model_changes,
    model_history,
    require_exportable,
    version_history,
)
from registry.services.audit.recording import AUTH, REGISTRY, Event, begin, lock_chain, record, texts
from registry.services.audit.sealing import attach, knows_key_of
from registry.services.audit.verification import ChainReport, verify

__all__ = [
    "AUTH",
    "REGISTRY",
    "Acceptance",
    "ChainReport",
    "ChainedEntry",
    "Changes",
    "Criteria",
    "Event",
    "FormerPlace",
    "FoundText",
    "HeadRecord",
    "ModelVerification",
    "Position",
    "Redaction",
    "VerificationOutcome",
    "VerifiedChain",
    "accept_clock",
    "actors",
    "attach",
    "begin",
    "between",
    "chained",
    "changes",
    "checkpoint",
    "doubts",
    "entries",
    "entry",
    "erase_account",
    "erase_text",
    "export",
    "find_text",
    "first_of",
    "heads",
    "knows_key_of",
    "latest_changes",
    "lock_chain",
    "model_changes",
    "model_history",
    "newest",
    "receipts",
    "record",
    "record_baseline",
    "require_certain",
    "require_exportable",
    "row_seals",
    "sealing",
    "streams",
    "texts",
    "verify",
    "verify_model",
    "version_history",
]
