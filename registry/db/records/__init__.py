"""Results of queries: plain frozen values, complete and safe to use after the session has ended."""

from registry.db.records.access import SessionRecord, TokenRecord
from registry.db.records.audit import EntryRecord, NoteRecord
from registry.db.records.catalog import (
    EvaluationRecord,
    LineageRecord,
    ModelBrief,
    ModelRecord,
    VersionBrief,
    VersionRecord,
)
from registry.db.records.checks import CheckRecord
from registry.db.records.files import EntryOfDirectory, FileRecord
from registry.db.records.holds import HoldRecord
from registry.db.records.jobs import ImportRecord, JobRecord, UploadRecord
from registry.db.records.lineage import EdgeEnd, EdgeRecord, EdgeStatement
from registry.db.records.metrics import MeasuredVersionRecord, MetricPointRecord, MetricRecord
from registry.db.records.paging import Page
from registry.db.records.requests import RequestActRecord, RequestRecord
from registry.db.records.tenures import AliasRecord, BrokenGlass, HolderRecord, ServingRecord, TenureRecord

__all__ = [
    "AliasRecord",
    "BrokenGlass",
    "CheckRecord",
    "EdgeEnd",
    "EdgeRecord",
    "EdgeStatement",
    "EntryOfDirectory",
    "EntryRecord",
    "EvaluationRecord",
    "FileRecord",
    "HoldRecord",
    "HolderRecord",
    "ImportRecord",
    "JobRecord",
    "LineageRecord",
    "MeasuredVersionRecord",
    "MetricPointRecord",
    "MetricRecord",
    "ModelBrief",
    "ModelRecord",
    "NoteRecord",
    "Page",
    "RequestActRecord",
    "RequestRecord",
    "ServingRecord",
    "SessionRecord",
    "TenureRecord",
    "TokenRecord",
    "UploadRecord",
    "VersionBrief",
    "VersionRecord",
]
