"""Evidence archives: everything about one model as one file that can be verified offline."""

from registry.services.evidence import checking
from registry.services.evidence.assembly import EvidenceRequest, archive

__all__ = ["EvidenceRequest", "archive", "checking"]
