"""Every table; importing this package fills the metadata."""

from registry.db.models.access import Account, IdempotencyKey, Token
from registry.db.models.artifacts import Artifact, Blob, BlobFormat, Stray, Upload, VersionFile
from registry.db.models.audit import AuditEntry, AuditText, Chain, CheckpointedHead, CommitBase, UncertainTime
from registry.db.models.catalog import FormerName, Model, ModelTag, Version, VersionMetric, VersionParam, VersionTag
from registry.db.models.checks import VersionCheck
from registry.db.models.governance import AliasRequest, AliasTenure, Tenure
from registry.db.models.holds import Hold
from registry.db.models.imports import Import
from registry.db.models.lineage import LineageDigest, LineageEdge, LineageNode, LineageStatement
from registry.db.models.operations import Census, Heartbeat
from registry.db.models.policies import GateEvaluation, PolicyAssignment, StoredPolicy
from registry.db.models.refreshes import RunRefresh
from registry.db.models.refusals import Download, LoginFailure, Refusal
from registry.db.models.registry import Registry
from registry.db.models.releases import CompatibleRelease
from registry.db.models.requests import Request, RequestAct
from registry.db.models.sealed_log import Leaf, PendingEntry, SignedCheckpoint, TileRow, Tree

__all__ = [
    "Account",
    "AliasRequest",
    "AliasTenure",
    "Artifact",
    "AuditEntry",
    "AuditText",
    "Blob",
    "BlobFormat",
    "Census",
    "Chain",
    "CheckpointedHead",
    "CommitBase",
    "CompatibleRelease",
    "Download",
    "FormerName",
    "GateEvaluation",
    "Heartbeat",
    "Hold",
    "IdempotencyKey",
    "Import",
    "Leaf",
    "LineageDigest",
    "LineageEdge",
    "LineageNode",
    "LineageStatement",
    "LoginFailure",
    "Model",
    "ModelTag",
    "PendingEntry",
    "PolicyAssignment",
    "Refusal",
    "Registry",
    "Request",
    "RequestAct",
    "RunRefresh",
    "SignedCheckpoint",
    "StoredPolicy",
    "Stray",
    "Tenure",
    "TileRow",
    "Token",
    "Tree",
    "UncertainTime",
    "Upload",
    "Version",
    "VersionCheck",
    "VersionFile",
    "VersionMetric",
    "VersionParam",
    "VersionTag",
]
