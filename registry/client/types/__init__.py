"""Responses of the registry as typed dictionaries: the JSON itself, with names. One module a resource.

Timestamps are RFC 3339 text in UTC. Digests are ``sha256:<hex>``, except under the key ``sha256``: the hex alone.
"""

from registry.client.types.aliases import AliasView, ProtectionView
from registry.client.types.audit import (
    Actor,
    ChainEntryView,
    ChainText,
    ChangesView,
    DownloadCountView,
    EntryActor,
    EntryView,
    HeadView,
    ModelVerificationView,
    RefusalView,
    RefusedActor,
    SealedEntryView,
    SealedPage,
    VerifiedChainView,
)
from registry.client.types.jobs import ImportView, JobState, JobView
from registry.client.types.lineage import Code, Dataset, Environment, LineageView, Parent, Run, VersionLineageView
from registry.client.types.models import Lifecycle, ModelView
from registry.client.types.notes import NoteView
from registry.client.types.stages import (
    HolderView,
    MovedView,
    OptionMove,
    OptionRefusal,
    StageOption,
    StageOptionsView,
    StagesView,
    TenureView,
    WayBack,
    WaysBackView,
)
from registry.client.types.tokens import CreatedTokenView, MeView, Role, TokenView, UsedToken
from registry.client.types.uploads import PartsView, PartView, Target, UploadView
from registry.client.types.versions import (
    Evaluation,
    EvaluationView,
    FileView,
    HeldStage,
    MetricView,
    RegisteredView,
    Stage,
    VersionView,
)

__all__ = [
    "Actor",
    "AliasView",
    "ChainEntryView",
    "ChainText",
    "ChangesView",
    "Code",
    "CreatedTokenView",
    "Dataset",
    "DownloadCountView",
    "EntryActor",
    "EntryView",
    "Environment",
    "Evaluation",
    "EvaluationView",
    "FileView",
    "HeadView",
    "HeldStage",
    "HolderView",
    "ImportView",
    "JobState",
    "JobView",
    "Lifecycle",
    "LineageView",
    "MeView",
    "MetricView",
    "ModelVerificationView",
    "ModelView",
    "MovedView",
    "NoteView",
    "OptionMove",
    "OptionRefusal",
    "Parent",
    "PartView",
    "PartsView",
    "ProtectionView",
    "RefusalView",
    "RefusedActor",
    "RegisteredView",
    "Role",
    "Run",
    "SealedEntryView",
    "SealedPage",
    "Stage",
    "StageOption",
    "StageOptionsView",
    "StagesView",
    "Target",
    "TenureView",
    "TokenView",
    "UploadView",
    "UsedToken",
    "VerifiedChainView",
    "VersionLineageView",
    "VersionView",
    "WayBack",
    "WaysBackView",
]
